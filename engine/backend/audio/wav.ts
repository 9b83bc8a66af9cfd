import { closeSync, writeSync } from 'node:fs';
import { systemError } from '../../errors/system-error';
import { VmError } from '../../errors/vm-error';
import { beginFileSync } from '../../host/open-file';
import { type AudioFormat, asWavSamples, frameBytes, SAMPLE_FORMATS, type SampleFormat, type SampleFormatName } from './sample-format';

/** WAV files: RIFF with a chunk `fmt ` and a chunk `data` (Microsoft's multimedia registration, 1994; extensible ones of 2001). */

const PCM = 1;
const FLOAT = 3;
const A_LAW = 6;
const MU_LAW = 7;
const EXTENSIBLE = 0xfffe;
const HEADER_BYTES = 44;
/** Lengths have 32 bits. */
const DATA_MAX = 0xffff_ffff - HEADER_BYTES;
/** The lengths in the header are right after so many bytes at the latest. */
const HEADER_EVERY = 1 << 20;

/** By tag and bits: what the samples of a file are. */
const KINDS: readonly { tag: number; bits: number; samples: SampleFormatName }[] = [
  { tag: PCM, bits: 8, samples: 'U8' },
  { tag: PCM, bits: 16, samples: 'S16' },
  { tag: PCM, bits: 24, samples: 'S24_3' },
  { tag: PCM, bits: 32, samples: 'S32' },
  { tag: FLOAT, bits: 32, samples: 'FLOAT' },
  { tag: FLOAT, bits: 64, samples: 'FLOAT64' },
  { tag: A_LAW, bits: 8, samples: 'A_LAW' },
  { tag: MU_LAW, bits: 8, samples: 'MU_LAW' },
];
const TAGS = { signed: PCM, unsigned: PCM, float: FLOAT, 'mu-law': MU_LAW, 'a-law': A_LAW } as const;

export interface WavContents {
  format: AudioFormat;
  /** Whole frames. */
  data: Uint8Array;
}

/** What a WAV file holds; undefined where it is none, or of another kind. */
export function readWav(bytes: Uint8Array): WavContents | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = (at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes.length < 12 || name(0) !== 'RIFF' || name(8) !== 'WAVE') return undefined;
  let format: AudioFormat | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    const start = at + 8;
    if (name(at) === 'fmt ' && length >= 16 && start + length <= bytes.length) {
      const tag = view.getUint16(start, true);
      const bits = view.getUint16(start + 14, true);
      const kind = tag === EXTENSIBLE && length >= 26 ? view.getUint16(start + 24, true) : tag;
      const found = KINDS.find((one) => one.tag === kind && one.bits === bits);
      if (!found) return undefined;
      format = { samples: found.samples, channels: view.getUint16(start + 2, true), rate: view.getUint32(start + 4, true) };
    } else if (name(at) === 'data') {
      if (!format || format.channels === 0 || format.rate === 0) return undefined;
      // A recorder that was killed leaves a length that is wrong.
      const available = Math.min(length, bytes.length - start);
      const unit = frameBytes(format);
      return { format, data: bytes.subarray(start, start + available - (available % unit)) };
    }
    at = start + length + (length & 1);
  }
  return undefined;
}

/** The header of a file with so many bytes of samples. */
function header(format: AudioFormat, dataBytes: number): Uint8Array {
  const { encoding, bytes }: SampleFormat = SAMPLE_FORMATS[format.samples];
  const unit = frameBytes(format);
  const view = new DataView(new ArrayBuffer(HEADER_BYTES));
  const text = (at: number, value: string): void => {
    for (let i = 0; i < 4; i++) view.setUint8(at + i, value.charCodeAt(i));
  };
  text(0, 'RIFF');
  view.setUint32(4, HEADER_BYTES - 8 + dataBytes, true);
  text(8, 'WAVE');
  text(12, 'fmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, TAGS[encoding], true);
  view.setUint16(22, format.channels, true);
  view.setUint32(24, format.rate, true);
  view.setUint32(28, format.rate * unit, true);
  view.setUint16(32, unit, true);
  view.setUint16(34, 8 * bytes, true);
  text(36, 'data');
  view.setUint32(40, dataBytes, true);
  return new Uint8Array(view.buffer);
}

/** Writes one WAV file, of one format, piece by piece. */
export class WavWriter {
  readonly #file: number;
  #dataBytes = 0;
  #headerAt = 0;

  /** One of that name is replaced; with `isNew` that is an error. Throws VmError 'Resource'. */
  constructor(
    path: string,
    readonly format: AudioFormat,
    { isNew = false } = {},
  ) {
    try {
      // Whoever may read it hears all that was played.
      this.#file = beginFileSync(path, { isNew });
    } catch (cause) {
      throw systemError(cause, `The sound file ${path} could not be made`) ?? cause;
    }
    this.#writeHeader();
  }

  /** Whole frames. False where the file is as long as it can be. Throws what the host says. */
  write(bytes: Uint8Array): boolean {
    if (this.#dataBytes + bytes.length > DATA_MAX) return false;
    const copy = Uint8Array.from(bytes);
    asWavSamples(this.format.samples, copy);
    for (let done = 0; done < copy.length; )
      done += writeSync(this.#file, copy, done, copy.length - done, HEADER_BYTES + this.#dataBytes + done);
    this.#dataBytes += copy.length;
    if (this.#dataBytes - this.#headerAt >= HEADER_EVERY) this.#writeHeader();
    return true;
  }

  /** What was written so far is a whole file. */
  settle(): void {
    if (this.#headerAt !== this.#dataBytes) this.#writeHeader();
  }

  close(): void {
    try {
      this.settle();
    } finally {
      closeSync(this.#file);
    }
  }

  #writeHeader(): void {
    writeSync(this.#file, header(this.format, this.#dataBytes), 0, HEADER_BYTES, 0);
    this.#headerAt = this.#dataBytes;
  }
}

/** Throws VmError 'Image' where the bytes are no WAV file that can be used. */
export function requireWav(bytes: Uint8Array, path: string): WavContents {
  const wav = readWav(bytes);
  if (wav) return wav;
  throw new VmError(
    'Image',
    `The sound file ${path} is no WAV file with samples of 8, 16, 24 or 32 bits, floating point, A-law or µ-law. Convert it first.`,
    { code: 'sound-file-unknown', params: { path } },
  );
}
