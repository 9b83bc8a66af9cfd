/** Zero crossings of the filter on either side. */
const CROSSINGS = 16;
/** Steps of its table from one to the next. */
const STEPS = 256;
/** Share of the band that passes; what lies above is silent at twice the distance, so that little folds back. */
const PASS = 0.94;

/** sinc under a Blackman window, for distances from 0 to CROSSINGS. */
const KERNEL = Float32Array.from({ length: CROSSINGS * STEPS + 2 }, (_, i) => {
  const x = i / STEPS;
  if (x >= CROSSINGS) return 0;
  const window = 0.42 + 0.5 * Math.cos((Math.PI * x) / CROSSINGS) + 0.08 * Math.cos((2 * Math.PI * x) / CROSSINGS);
  return PASS * window * (x === 0 ? 1 : Math.sin(Math.PI * PASS * x) / (Math.PI * PASS * x));
});

/**
 * Makes frames of one rate of those of another, piece by piece, by a windowed sinc. What comes out is CROSSINGS frames of the slower rate behind
 * what goes in. Where the rates are the same, frames pass as they are.
 */
export class Resampler {
  /** Frames that the next output still needs, and those behind it: interleaved. */
  #held: Float32Array;
  /** Where the next output stands in them, in frames. */
  #position: number;
  readonly #step: number;
  /** Width of the filter: frames of the input from one zero crossing to the next. */
  readonly #width: number;

  /** Rates in frames a second. */
  constructor(
    from: number,
    to: number,
    private readonly channels: number,
  ) {
    this.#step = from / to;
    this.#width = Math.max(1, this.#step);
    const reach = Math.ceil(CROSSINGS * this.#width);
    this.#held = new Float32Array(reach * channels);
    this.#position = reach;
  }

  /** Whole frames, interleaved; so are the answer's. */
  push(input: Float32Array): Float32Array {
    if (this.#step === 1) return input;
    const { channels } = this;
    const width = this.#width;
    const step = this.#step;
    const reach = Math.ceil(CROSSINGS * width);
    const all = new Float32Array(this.#held.length + input.length);
    all.set(this.#held);
    all.set(input, this.#held.length);
    const frames = all.length / channels;
    const count = Math.max(0, Math.ceil((frames - reach - this.#position) / step));
    const output = new Float32Array(count * channels);
    for (let i = 0; i < count; i++) {
      const at = this.#position + i * step;
      const first = Math.ceil(at - CROSSINGS * width);
      const last = Math.min(frames - 1, Math.floor(at + CROSSINGS * width));
      for (let frame = Math.max(0, first); frame <= last; frame++) {
        const x = (Math.abs(frame - at) / width) * STEPS;
        const low = Math.floor(x);
        const weight = (KERNEL[low] + (KERNEL[low + 1] - KERNEL[low]) * (x - low)) / width;
        for (let channel = 0; channel < channels; channel++) output[i * channels + channel] += weight * all[frame * channels + channel];
      }
    }
    const next = this.#position + count * step;
    const drop = Math.max(0, Math.floor(next) - reach);
    this.#held = all.slice(drop * channels);
    this.#position = next - drop;
    return output;
  }
}
