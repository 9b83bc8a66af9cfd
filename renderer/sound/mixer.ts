/** Frames a second of all that goes through it. */
export const RATE = 48_000;

/** Frames that wait before a stream begins, at first, and at most where they were too few: what comes late by less leaves no gap. */
const AHEAD_MIN = 0.02 * RATE;
const AHEAD_MAX = 0.2 * RATE;
/** How much more wait after each gap. */
const GROWTH = 1.5;
/** So long before its time the box sends what it plays (LEAD_MS of engine/backend/audio/live-audio.ts). */
const LEAD = 0.08 * RATE;
/** What waits beyond that, and for so long, is delay for nothing; loudspeakers that stood still leave it behind. */
const SURPLUS = 0.06 * RATE;
const SURPLUS_FRAMES = 5 * RATE;
/** Most that waits of a stream; of more the oldest goes. */
const CAPACITY = 2 * RATE;
/** The device has no more. */
const STREAMS_MAX = 64;

/** One stream of a guest, on its way to the loudspeakers. */
class StreamBuffer {
  readonly #ring = new Float32Array(2 * CAPACITY);
  #from = 0;
  count = 0;
  isPlaying = false;
  /** Frames until it begins, once there are some. */
  #wait = 0;
  #ahead = AHEAD_MIN;
  #isResting = true;
  /** The least that waited since frames were counted. */
  #least = CAPACITY;
  #counted = 0;
  gaps = 0;

  take(samples: Float32Array): void {
    if (!this.isPlaying && this.count === 0) {
      if (!this.#isResting) {
        this.gaps++;
        this.#ahead = Math.min(AHEAD_MAX, this.#ahead * GROWTH);
      }
      this.#wait = this.#ahead;
    }
    if (!this.isPlaying) this.#wait -= samples.length / 2;
    this.#isResting = false;
    const frames = Math.min(samples.length / 2, CAPACITY);
    const surplus = this.count + frames - CAPACITY;
    if (surplus > 0) this.#drop(surplus);
    const size = this.#ring.length;
    const at = (2 * (this.#from + this.count)) % size;
    const piece = samples.subarray(samples.length - 2 * frames);
    const first = Math.min(piece.length, size - at);
    this.#ring.set(piece.subarray(0, first), at);
    this.#ring.set(piece.subarray(first), 0);
    this.count += frames;
  }

  rest(): void {
    this.#isResting = true;
    // What waits is all there is.
    this.#wait = 0;
  }

  add(left: Float32Array, right: Float32Array): void {
    const { length } = left;
    if (!this.isPlaying) {
      if (this.count === 0) return;
      this.#wait -= length;
      if (this.#wait > 0) return;
      this.isPlaying = true;
      this.#counted = 0;
      this.#least = CAPACITY;
    }
    const frames = Math.min(length, this.count);
    const size = this.#ring.length;
    for (let i = 0, at = (2 * this.#from) % size; i < frames; i++, at = (at + 2) % size) {
      left[i] += this.#ring[at];
      right[i] += this.#ring[at + 1];
    }
    this.#drop(frames);
    if (frames < length) this.isPlaying = false;
    else this.#catchUp(length);
  }

  #catchUp(frames: number): void {
    this.#least = Math.min(this.#least, this.count);
    this.#counted += frames;
    if (this.#counted < SURPLUS_FRAMES) return;
    const surplus = this.#least - LEAD - this.#ahead;
    if (surplus > SURPLUS) this.#drop(surplus);
    this.#counted = 0;
    this.#least = CAPACITY;
  }

  #drop(frames: number): void {
    const dropped = Math.floor(frames);
    this.#from = (this.#from + dropped) % CAPACITY;
    this.count -= dropped;
  }
}

export interface MixerState {
  isPlaying: boolean;
  /** Frames that wait, of the stream that has most. */
  waiting: number;
  /** How often a stream had nothing to play although it was not over. */
  gaps: number;
}

/** Puts the streams of a guest together, each as it comes, without a gap where that can be. It allocates nothing while it plays. */
export class Mixer {
  readonly #streams: (StreamBuffer | undefined)[] = [];

  take(stream: number, samples: Float32Array): void {
    if (stream >= STREAMS_MAX) return;
    const buffer = this.#streams[stream] ?? new StreamBuffer();
    this.#streams[stream] = buffer;
    buffer.take(samples);
  }

  rest(stream: number): void {
    this.#streams[stream]?.rest();
  }

  /** The next frames, as many as the arrays are long. */
  render(left: Float32Array, right: Float32Array): void {
    left.fill(0);
    right.fill(0);
    for (const stream of this.#streams) stream?.add(left, right);
  }

  get state(): MixerState {
    const state = { isPlaying: false, waiting: 0, gaps: 0 };
    for (const stream of this.#streams) {
      if (!stream) continue;
      state.isPlaying ||= stream.isPlaying;
      state.waiting = Math.max(state.waiting, stream.count);
      state.gaps += stream.gaps;
    }
    return state;
  }
}
