/** wait: another process is at it; index: looking for packages; then as they are called. Of `configure` the unit is packages, else bytes. */
export const IMAGE_PHASES = ['wait', 'index', 'download', 'unpack', 'configure', 'store'] as const;
export type ImagePhase = (typeof IMAGE_PHASES)[number];

export interface ImageProgress {
  phase: ImagePhase;
  /** Of this phase; `total` is 0 while it is not known. */
  done: number;
  total: number;
  /** Of the whole, from 0 to 1. */
  share: number;
  /** How long it will take yet, in seconds, as far as it can be told. */
  secondsLeft?: number | undefined;
}

/** Below this share of the whole nothing can be told of the rest. */
const SHARE_MIN = 0.04;

/** Makes of what is done in each phase how far the whole is, and how long the rest takes. */
export class ImageProgressMeter {
  private readonly start: number;
  private share = 0;

  /** @param weights How long each phase takes, in any unit. */
  constructor(
    private readonly weights: Readonly<Partial<Record<ImagePhase, number>>>,
    private readonly tell: (progress: ImageProgress) => void,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.start = now();
  }

  /** `part`: how much of the phase is done where that is not `done / total`. */
  report(phase: ImagePhase, done = 0, total = 0, part = total > 0 ? done / total : 0): void {
    const names = Object.keys(this.weights) as ImagePhase[];
    const sum = names.reduce((all, name) => all + (this.weights[name] ?? 0), 0);
    const before = names.slice(0, Math.max(0, names.indexOf(phase))).reduce((all, name) => all + (this.weights[name] ?? 0), 0);
    const share = sum > 0 ? Math.min(1, (before + (this.weights[phase] ?? 0) * Math.min(1, part)) / sum) : 0;
    // What is told never goes back.
    this.share = Math.max(this.share, share);
    const elapsed = (this.now() - this.start) / 1000;
    const secondsLeft = this.share >= SHARE_MIN ? Math.ceil((elapsed * (1 - this.share)) / this.share) : undefined;
    this.tell({ phase, done, total, share: this.share, secondsLeft });
  }
}
