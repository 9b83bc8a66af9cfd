import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { VmError } from '../../errors/vm-error';
import { replaceFile } from '../../host/new-file';
import { ConsoleLines } from './console-lines';
import { BootDiagnosis, silentStart } from './diagnosis';
import { BOOT_STAGES, type BootStage, isLoaderPrompt, isPrompt, stageOf } from './milestones';

/** How far the start of a guest is, for those who wait for it. */
export interface BootProgress {
  stage: BootStage;
  /** When the start began, in milliseconds since 1970. */
  since: number;
  /** How long the whole start took the last time, in seconds. */
  expected?: number;
  /** Since when the guest has written nothing, where that is long. */
  silentSince?: number;
}

/**
 * After so long without a milestone, in milliseconds, nobody waits any more for the end of a guest that speaks: it is something else that it
 * does. Of one that has not said a word for half as long that is told, and it may still get on.
 */
const PATIENCE_MS = 120_000;
/** How long a guest may be silent behind its firmware before that is told, in milliseconds. */
const SILENCE_MS = 30_000;

/** What a guest that has started, or that nobody waits for, is still read for. */
const STILL_OF_INTEREST = /^OpenSBI v\d|Kernel panic - not syncing|Out of memory: Killed process/;

const learnedSchema = z.object({ seconds: z.number().positive().max(86_400) });

/**
 * Follows the start of a guest by what it writes: tells how far it is, how long it will take (as the last time), and what is wrong where it
 * does not get on.
 */
export class BootWatch {
  private readonly lines = new ConsoleLines();
  private readonly diagnosis = new BootDiagnosis();
  private stage: BootStage | undefined;
  private since = Date.now();
  private expected: number | undefined;
  private isOver = false;
  private patience: NodeJS.Timeout | undefined;
  private silence: NodeJS.Timeout | undefined;
  /** When the guest wrote something the last time. */
  private heard = Date.now();
  private silentSince: number | undefined;

  constructor(
    private readonly options: {
      /** Something of `progress` has changed. */
      onChange: () => void;
      onDiagnosis: (found: VmError) => void;
      /** Whether the guest may show elsewhere that it is up: on a screen, on the network. */
      isSeen?: () => boolean;
      /** Where it is kept how long the start took. */
      file?: string | undefined;
    },
  ) {}

  /** The machine is switched on now. */
  async begin(): Promise<void> {
    this.since = Date.now();
    const { file } = this.options;
    if (file === undefined) return;
    const text = await readFile(file, 'utf8').catch(() => '{}');
    try {
      this.expected = learnedSchema.parse(JSON.parse(text)).seconds;
    } catch {
      // Not started to its end so far, or not by this version: then nobody knows.
      this.expected = undefined;
    }
    if (this.progress) this.options.onChange();
  }

  /** Undefined before the first sign, and when the start is over. */
  get progress(): BootProgress | undefined {
    if (this.stage === undefined || this.isOver) return undefined;
    const { stage, since, expected, silentSince } = this;
    return { stage, since, ...(expected !== undefined && { expected }), ...(silentSince !== undefined && { silentSince }) };
  }

  /** What the guest has written. */
  feed(data: Uint8Array): void {
    this.heard = Date.now();
    for (const line of this.lines.add(data)) {
      // Who reads logs in a guest that has started is not told of all that is in them; and there may be much of it.
      if (this.isOver && !STILL_OF_INTEREST.test(line)) continue;
      const found = this.diagnosis.read(line);
      if (found) {
        this.end();
        this.options.onDiagnosis(found);
      }
      const stage = stageOf(line);
      if (stage) this.reach(stage);
    }
    // A quiet kernel says nothing between its firmware and the prompt.
    if (this.stage !== undefined && !this.isOver && isPrompt(this.lines.last)) this.reach('ready');
    if (this.silence && this.stage === 'firmware') this.awaitKernel();
    if (this.silentSince === undefined || this.isOver) return;
    this.silentSince = undefined;
    this.awaitMilestone();
    this.options.onChange();
  }

  /** A program in the guest speaks by a port of its own: whatever the console says, or does not, the guest has started. */
  programSpoke(): void {
    if (this.stage !== undefined && !this.isOver) this.reach('ready');
  }

  /** The machine is off. */
  close(): void {
    clearTimeout(this.patience);
    clearTimeout(this.silence);
  }

  private reach(stage: BootStage): void {
    if (stage === 'firmware') {
      // Also after a reboot.
      const isAgain = this.stage !== undefined;
      this.isOver = false;
      this.silentSince = undefined;
      this.stage = undefined;
      this.diagnosis.reset();
      if (isAgain) this.since = Date.now();
    }
    if (this.isOver || (this.stage !== undefined && BOOT_STAGES.indexOf(stage) <= BOOT_STAGES.indexOf(this.stage))) return;
    this.stage = stage;
    if (stage === 'ready') {
      this.learn();
      return;
    }
    this.silentSince = undefined;
    this.awaitMilestone();
    this.awaitKernel();
    this.options.onChange();
  }

  private awaitMilestone(): void {
    clearTimeout(this.patience);
    this.patience = setTimeout(() => {
      const isSilent = Date.now() - this.heard >= PATIENCE_MS / 2;
      if (!isSilent || isLoaderPrompt(this.lines.last) || this.options.isSeen?.()) return this.end();
      this.silentSince ??= this.heard;
      this.awaitMilestone();
      this.options.onChange();
    }, PATIENCE_MS);
    this.patience.unref();
  }

  /** Each sign of life puts it off. */
  private awaitKernel(): void {
    clearTimeout(this.silence);
    this.silence = undefined;
    if (this.stage !== 'firmware') return;
    this.silence = setTimeout(() => {
      this.end();
      this.options.onDiagnosis(silentStart(SILENCE_MS / 1000));
    }, SILENCE_MS);
    this.silence.unref();
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.close();
    this.options.onChange();
  }

  private learn(): void {
    const { file } = this.options;
    const seconds = (Date.now() - this.since) / 1000;
    this.end();
    if (file === undefined) return;
    this.expected = seconds;
    // Without it the next start only has no estimate.
    void mkdir(dirname(file), { recursive: true })
      .then(() => replaceFile(file, `${JSON.stringify({ seconds })}\n`))
      .catch(() => undefined);
  }
}
