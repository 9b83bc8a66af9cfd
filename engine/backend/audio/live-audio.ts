import type { AudioBackend, Playback, Recording } from './audio-backend';
import { Resampler } from './resampler';
import { SampleClock } from './sample-clock';
import { type AudioFormat, fillWithSilence, frameBytes } from './sample-format';
import { StereoReader, writeMono } from './samples';

/** Frames a second of what is heard live, either way. */
export const LIVE_RATE = 48_000;
/** Milliseconds before its time that what is played is handed over: a process that is late by less than that is not heard. */
const LEAD_MS = 80;
/** Most of a voice that waits for the guest, in seconds: where the guest is late, it hears what was said last. */
const VOICE_MAX = 0.3;
/** The guest begins to hear when so much waits, in seconds, so that pieces that come late leave no gap. */
const VOICE_AHEAD = 0.06;

/** Somebody who hears what a guest plays, and whom a guest may hear. */
export interface LiveListener {
  /** Frames of a stream, a small number, that follow those before: left and right, LIVE_RATE a second, from -1 to 1. */
  play(stream: number, frames: Float32Array): void;
  /** No frames of it follow for now. */
  rest(stream: number): void;
  /** Whether the guest wants to hear somebody. */
  recording(isOn: boolean): void;
}

/** What those hear and say who are there while the box runs: nobody, a window, several. Each hears what all hear, and the guest hears all. */
export class LiveAudio implements AudioBackend {
  readonly recordingLimits = undefined;
  readonly lead = LEAD_MS;
  readonly clock = new SampleClock();
  readonly #listeners = new Set<LiveListener>();
  /** Of streams that play. */
  readonly #numbers = new Set<number>();
  readonly #voices = new Set<Voice>();

  now(): number {
    return this.clock.now();
  }

  /** Returns how to end it. */
  listen(listener: LiveListener): () => void {
    this.#listeners.add(listener);
    listener.recording(this.#voices.size > 0);
    return () => {
      this.#listeners.delete(listener);
      this.clock.forget(listener);
    };
  }

  /** One of them says so many samples, LIVE_RATE a second, from -1 to 1. */
  hear(samples: Float32Array): void {
    for (const voice of this.#voices) voice.hear(samples);
  }

  play(format: AudioFormat): Playback {
    let number = 0;
    while (this.#numbers.has(number)) number++;
    this.#numbers.add(number);
    const reader = new StereoReader(format);
    const resampler = new Resampler(format.rate, LIVE_RATE, 2);
    const rest = (): void => {
      for (const listener of this.#listeners) listener.rest(number);
    };
    return {
      play: (bytes) => {
        if (this.#listeners.size === 0) return;
        const frames = resampler.push(reader.read(bytes));
        if (frames.length > 0) for (const listener of this.#listeners) listener.play(number, frames);
      },
      rest,
      end: () => {
        rest();
        this.#numbers.delete(number);
      },
    };
  }

  record(format: AudioFormat): Recording {
    const voice = new Voice(format);
    this.#voices.add(voice);
    if (this.#voices.size === 1) for (const listener of this.#listeners) listener.recording(true);
    return {
      record: (target) => voice.record(target),
      end: () => {
        if (this.#voices.delete(voice) && this.#voices.size === 0) for (const listener of this.#listeners) listener.recording(false);
      },
    };
  }

  close(): void {
    this.#listeners.clear();
  }
}

/** What is said on its way to one stream of a guest. */
class Voice {
  readonly #resampler: Resampler;
  readonly #ring: Float32Array;
  #from = 0;
  #count = 0;
  #isFlowing = false;

  constructor(private readonly format: AudioFormat) {
    this.#resampler = new Resampler(LIVE_RATE, format.rate, 1);
    this.#ring = new Float32Array(Math.ceil(VOICE_MAX * format.rate));
  }

  hear(samples: Float32Array): void {
    const size = this.#ring.length;
    for (const sample of this.#resampler.push(samples)) {
      this.#ring[(this.#from + this.#count) % size] = sample;
      if (this.#count < size) this.#count++;
      else this.#from = (this.#from + 1) % size;
    }
  }

  record(target: Uint8Array): void {
    const wanted = target.length / frameBytes(this.format);
    const { rate, samples } = this.format;
    if (this.#count >= Math.min(this.#ring.length, wanted + VOICE_AHEAD * rate)) this.#isFlowing = true;
    const count = this.#isFlowing ? Math.min(wanted, this.#count) : 0;
    if (count < wanted) this.#isFlowing = false;
    const mono = new Float32Array(count);
    for (let i = 0; i < count; i++) mono[i] = this.#ring[(this.#from + i) % this.#ring.length];
    this.#from = (this.#from + count) % this.#ring.length;
    this.#count -= count;
    writeMono(this.format, mono, target);
    fillWithSilence(samples, target.subarray(count * frameBytes(this.format)));
  }
}
