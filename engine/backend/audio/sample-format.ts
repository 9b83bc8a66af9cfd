/** How samples look, little-endian and interleaved, and how others than WAV knows become what it knows. */

export type Encoding = 'signed' | 'unsigned' | 'float' | 'mu-law' | 'a-law';

export interface SampleFormat {
  readonly encoding: Encoding;
  /** Bits that count; they are the low ones. */
  readonly bits: number;
  readonly bytes: number;
}

const linear = (encoding: 'signed' | 'unsigned', bits: number, bytes: number): SampleFormat => ({ encoding, bits, bytes });

/** By the names that ALSA has for them. */
export const SAMPLE_FORMATS = {
  MU_LAW: { encoding: 'mu-law', bits: 8, bytes: 1 },
  A_LAW: { encoding: 'a-law', bits: 8, bytes: 1 },
  S8: linear('signed', 8, 1),
  U8: linear('unsigned', 8, 1),
  S16: linear('signed', 16, 2),
  U16: linear('unsigned', 16, 2),
  S18_3: linear('signed', 18, 3),
  U18_3: linear('unsigned', 18, 3),
  S20_3: linear('signed', 20, 3),
  U20_3: linear('unsigned', 20, 3),
  S24_3: linear('signed', 24, 3),
  U24_3: linear('unsigned', 24, 3),
  S20: linear('signed', 20, 4),
  U20: linear('unsigned', 20, 4),
  S24: linear('signed', 24, 4),
  U24: linear('unsigned', 24, 4),
  S32: linear('signed', 32, 4),
  U32: linear('unsigned', 32, 4),
  FLOAT: { encoding: 'float', bits: 32, bytes: 4 },
  FLOAT64: { encoding: 'float', bits: 64, bytes: 8 },
} as const satisfies Record<string, SampleFormat>;
export type SampleFormatName = keyof typeof SAMPLE_FORMATS;

export interface AudioFormat {
  readonly samples: SampleFormatName;
  /** Frames a second. */
  readonly rate: number;
  readonly channels: number;
}

/** Bytes of a frame: a sample of each channel. */
export function frameBytes({ samples, channels }: AudioFormat): number {
  return SAMPLE_FORMATS[samples].bytes * channels;
}

/** Fill with what sounds like nothing; the target holds whole samples. */
export function fillWithSilence(samples: SampleFormatName, target: Uint8Array): void {
  const { encoding, bits, bytes }: SampleFormat = SAMPLE_FORMATS[samples];
  target.fill(encoding === 'mu-law' ? 0xff : encoding === 'a-law' ? 0xd5 : 0);
  if (encoding !== 'unsigned') return;
  const top = (bits - 1) >> 3;
  for (let at = top; at < target.length; at += bytes) target[at] = 1 << ((bits - 1) & 7);
}

/** Samples as WAV has them: all bits of their bytes count; those of one byte are unsigned, others signed. Changed where they are. */
export function asWavSamples(samples: SampleFormatName, bytes: Uint8Array): void {
  const { encoding, bits, bytes: width }: SampleFormat = SAMPLE_FORMATS[samples];
  if (encoding !== 'signed' && encoding !== 'unsigned') return;
  const shift = 8 * width - bits;
  const isFlipped = (encoding === 'signed') === (width === 1);
  if (shift === 0 && !isFlipped) return;
  for (let at = 0; at + width <= bytes.length; at += width) {
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = (value << 8) | bytes[at + i];
    value <<= shift;
    if (isFlipped) value ^= 1 << (8 * width - 1);
    for (let i = 0; i < width; i++) bytes[at + i] = value >>> (8 * i);
  }
}
