import { type AudioFormat, fillWithSilence, type SampleFormatName } from './sample-format';

/** What a guest plays goes here, in the pace of its clock. */
export interface Playback {
  /** A piece of what is played, whole frames. It is the caller's memory: what is not used at once is copied. */
  play(bytes: Uint8Array): void;
  /** The guest has nothing more to play for now, or has paused it. */
  rest(): void;
  /** Nothing follows. */
  end(): void;
}

/** What a guest hears comes from here. */
export interface Recording {
  /** Fill the target, whole frames, with what is heard next. */
  record(target: Uint8Array): void;
  end(): void;
}

/** What a back end can hear, where that is not all. */
export interface AudioLimits {
  samples: readonly SampleFormatName[];
  rates: readonly number[];
  channels: number;
}

/** Where sound goes and comes from: nowhere, files, a window. It knows no device; the device keeps the time, by its clock. */
export interface AudioBackend {
  /** What can be recorded; undefined for anything. */
  readonly recordingLimits: AudioLimits | undefined;
  /** Milliseconds before its time that what is played is handed over. */
  readonly lead: number;
  /** The clock by which it is heard: milliseconds from some moment on, without jumps. */
  now(): number;
  play(format: AudioFormat): Playback;
  record(format: AudioFormat): Recording;
  close(): void;
}

/** Plays for nobody, and hears nothing. */
export class SilentAudio implements AudioBackend {
  readonly recordingLimits = undefined;
  readonly lead = 0;

  now(): number {
    return performance.now();
  }

  play(_format: AudioFormat): Playback {
    return { play: () => undefined, rest: () => undefined, end: () => undefined };
  }

  record({ samples }: AudioFormat): Recording {
    return { record: (target) => fillWithSilence(samples, target), end: () => undefined };
  }

  close(): void {}
}
