import { join, parse } from 'node:path';
import { reasonCode, reasonOf } from '../../errors/system-error';
import { VmError } from '../../errors/vm-error';
import type { AudioBackend, AudioLimits, Playback, Recording } from './audio-backend';
import { type AudioFormat, fillWithSilence } from './sample-format';
import { type WavContents, WavWriter } from './wav';

/** Files of one name: a guest may change its format, or play several things at once, as often as it likes. */
const FILES_MAX = 16;
/** Of a file, at most. */
const NUMBER_MAX = 9999;

export interface WavAudioOptions {
  /** Where what the guest plays goes: `sound.wav`, and the next free of `sound-2.wav` … for what is played at the same time or in another format. */
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
  /** Of the last file. */
  #number = 1;
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
    const before = this.#files.length;
    this.#attempt(() => this.#files.push({ writer: this.#write(playFile, format), isInUse: false }));
    return this.#files.at(before);
  }

  /** The user has named the first file, which is replaced. Of the others the guest says how many there are, so none is put in the place of another. */
  #write(playFile: string, format: AudioFormat): WavWriter {
    if (this.#files.length === 0) return new WavWriter(playFile, format);
    const { dir, name, ext } = parse(playFile);
    while (this.#number < NUMBER_MAX) {
      try {
        return new WavWriter(join(dir, `${name}-${++this.#number}${ext}`), format, { isNew: true });
      } catch (error) {
        if (!(error instanceof VmError) || error.code !== 'EEXIST') throw error;
      }
    }
    throw new VmError('Resource', `${playFile} and all of its numbers up to ${NUMBER_MAX} are there already.`);
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
