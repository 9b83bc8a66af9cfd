import { parse } from 'node:path';
import { reasonCode, reasonOf } from '../../errors/system-error';
import { VmError } from '../../errors/vm-error';
import type { AudioBackend, AudioLimits, Playback, Recording } from './audio-backend';
import { type AudioFormat, fillWithSilence } from './sample-format';
import { type WavContents, WavWriter } from './wav';

/** Files of one name: a guest may change its format, or play several things at once, as often as it likes. */
const FILES_MAX = 16;

export interface WavAudioOptions {
  /** Where what the guest plays goes: `sound.wav`, and `sound-2.wav` … for what is played at the same time or in another format. */
  playFile?: string | undefined;
  /** What the guest hears, once; silence follows. */
  heard?: WavContents | undefined;
  warn?: (error: VmError) => void;
}

/** WAV files instead of loudspeakers and microphone. */
export class WavAudio implements AudioBackend {
  readonly recordingLimits: AudioLimits | undefined;
  readonly lead = 0;
  /** By number. */
  readonly #files: { writer: WavWriter; isInUse: boolean }[] = [];
  #isFailed = false;

  constructor(private readonly options: WavAudioOptions) {
    if (!options.heard) return;
    const { samples, rate, channels } = options.heard.format;
    this.recordingLimits = { samples: [samples], rates: [rate], channels };
  }

  now(): number {
    return performance.now();
  }

  play(format: AudioFormat): Playback {
    const file = this.#fileFor(format);
    if (!file) return { play: () => undefined, rest: () => undefined, end: () => undefined };
    file.isInUse = true;
    return {
      play: (bytes) => {
        if (!this.#isFailed) this.#attempt(() => file.writer.write(bytes));
      },
      rest: () => undefined,
      end: () => {
        file.isInUse = false;
        if (!this.#isFailed) this.#attempt(() => file.writer.settle());
      },
    };
  }

  record({ samples }: AudioFormat): Recording {
    const { heard } = this.options;
    let at = 0;
    return {
      record: (target) => {
        const piece = heard?.data.subarray(at, at + target.length) ?? new Uint8Array(0);
        at += piece.length;
        target.set(piece);
        fillWithSilence(samples, target.subarray(piece.length));
      },
      end: () => undefined,
    };
  }

  close(): void {
    for (const { writer } of this.#files.splice(0)) this.#attempt(() => writer.close());
  }

  #fileFor(format: AudioFormat): { writer: WavWriter; isInUse: boolean } | undefined {
    const { playFile } = this.options;
    if (playFile === undefined || this.#isFailed) return undefined;
    const same = (one: AudioFormat): boolean =>
      one.samples === format.samples && one.rate === format.rate && one.channels === format.channels;
    const found = this.#files.find(({ writer, isInUse }) => !isInUse && same(writer.format));
    if (found || this.#files.length === FILES_MAX) return found;
    const { dir, name, ext } = parse(playFile);
    const number = this.#files.length + 1;
    const path = number === 1 ? playFile : `${dir === '' ? '' : `${dir}/`}${name}-${number}${ext}`;
    this.#attempt(() => this.#files.push({ writer: new WavWriter(path, format), isInUse: false }));
    return this.#files[number - 1];
  }

  /** The guest plays on when the host has no room for it: it is told once. */
  #attempt(work: () => unknown): void {
    try {
      work();
    } catch (cause) {
      if (this.#isFailed) return;
      this.#isFailed = true;
      this.options.warn?.(
        new VmError(
          'Resource',
          `What the guest plays cannot be written to ${this.options.playFile}, and is lost from here on: ${reasonOf(cause)}`,
          {
            cause,
            code: 'sound-file-not-written',
            params: { path: this.options.playFile ?? '', reason: reasonCode(cause) },
          },
        ),
      );
    }
  }
}
