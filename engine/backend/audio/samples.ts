import { type AudioFormat, frameBytes, SAMPLE_FORMATS, type SampleFormat } from './sample-format';

/** Reads and writes one sample, from -1 to 1. */
interface SampleCodec {
  read(view: DataView, at: number): number;
  write(view: DataView, at: number, value: number): void;
}

/** µ-law and A-law as G.711 decodes them, by code, from -1 to 1. */
const MU_LAW = Float32Array.from({ length: 256 }, (_, code) => {
  const bits = ~code & 0xff;
  const magnitude = ((((bits & 15) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84;
  return (bits & 0x80 ? -magnitude : magnitude) / 32768;
});
const A_LAW = Float32Array.from({ length: 256 }, (_, code) => {
  const bits = code ^ 0x55;
  const segment = (bits >> 4) & 7;
  const magnitude = segment === 0 ? ((bits & 15) << 4) + 8 : (((bits & 15) << 4) + 0x108) << (segment - 1);
  return (bits & 0x80 ? magnitude : -magnitude) / 32768;
});

function lawCodec(law: Float32Array): SampleCodec {
  const codes = [...law.keys()].sort((one, other) => law[one] - law[other]);
  const nearest = (value: number): number => {
    let [low, high] = [0, 255];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (law[codes[middle]] <= value) low = middle;
      else high = middle;
    }
    return value - law[codes[low]] < law[codes[high]] - value ? codes[low] : codes[high];
  };
  return { read: (view, at) => law[view.getUint8(at)], write: (view, at, value) => view.setUint8(at, nearest(value)) };
}

function linearCodec({ encoding, bits, bytes }: SampleFormat): SampleCodec {
  const scale = 2 ** (bits - 1);
  const middle = encoding === 'unsigned' ? scale : 0;
  const unused = 32 - bits;
  return {
    read: (view, at) => {
      let word = 0;
      for (let i = bytes - 1; i >= 0; i--) word = (word << 8) | view.getUint8(at + i);
      const value = encoding === 'unsigned' ? ((word << unused) >>> unused) - middle : (word << unused) >> unused;
      return value / scale;
    },
    write: (view, at, value) => {
      const word = Math.max(-scale, Math.min(scale - 1, Math.round(value * scale))) + middle;
      for (let i = 0; i < bytes; i++) view.setUint8(at + i, (word >> (8 * i)) & 0xff);
    },
  };
}

function codecOf(format: SampleFormat): SampleCodec {
  switch (format.encoding) {
    case 'mu-law':
      return lawCodec(MU_LAW);
    case 'a-law':
      return lawCodec(A_LAW);
    case 'float':
      return format.bytes === 4
        ? { read: (view, at) => view.getFloat32(at, true), write: (view, at, value) => view.setFloat32(at, value, true) }
        : { read: (view, at) => view.getFloat64(at, true), write: (view, at, value) => view.setFloat64(at, value, true) };
    default:
      return linearCodec(format);
  }
}

/** -3 dB: what ITU-R BS.775 gives centre and surround in two channels. */
const LESS = Math.SQRT1_2;
/**
 * How much of each channel is heard left and right, by how many there are, in the device's order: front, rear, centre and low, sides. They are
 * scaled below so that all at full volume is full volume.
 */
const DOWNMIX: readonly (readonly [number, number])[] = [
  [1, 0],
  [0, 1],
  [LESS, 0],
  [0, LESS],
  [LESS, LESS],
  [0, 0],
  [LESS, 0],
  [0, LESS],
];

function mixOf(channels: number): Float32Array {
  if (channels === 1) return Float32Array.of(1, 1);
  const heard = DOWNMIX.slice(0, channels);
  const total = heard.reduce((sum, [left]) => sum + left, 0);
  return Float32Array.from(heard.flatMap(([left, right]) => [left / total, right / total]));
}

/** Makes stereo of what a guest plays: left and right of each frame, from -1 to 1. */
export class StereoReader {
  readonly #codec: SampleCodec;
  readonly #mix: Float32Array;
  readonly #bytes: number;
  readonly #frame: number;
  /** The begin of a frame that the piece before ended in. */
  #rest = new Uint8Array(0);

  constructor(private readonly format: AudioFormat) {
    this.#codec = codecOf(SAMPLE_FORMATS[format.samples]);
    this.#bytes = SAMPLE_FORMATS[format.samples].bytes;
    this.#mix = mixOf(format.channels);
    this.#frame = frameBytes(format);
  }

  read(piece: Uint8Array): Float32Array {
    let bytes = piece;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + piece.length);
      bytes.set(this.#rest);
      bytes.set(piece, this.#rest.length);
    }
    const frames = Math.floor(bytes.length / this.#frame);
    this.#rest = bytes.slice(frames * this.#frame);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const { channels } = this.format;
    const stereo = new Float32Array(2 * frames);
    for (let frame = 0, at = 0; frame < frames; frame++) {
      let left = 0;
      let right = 0;
      for (let channel = 0; channel < channels; channel++, at += this.#bytes) {
        const value = this.#codec.read(view, at);
        left += value * this.#mix[2 * channel];
        right += value * this.#mix[2 * channel + 1];
      }
      // A float may be anything, and silence what others play with it.
      stereo[2 * frame] = bounded(left);
      stereo[2 * frame + 1] = bounded(right);
    }
    return stereo;
  }
}

function bounded(value: number): number {
  return value > 1 ? 1 : value < -1 ? -1 : Number.isNaN(value) ? 0 : value;
}

/** Fill the target, whole frames of the format, with as many samples from -1 to 1, the same in each channel. Answers how many frames were filled. */
export function writeMono({ samples, channels }: AudioFormat, mono: Float32Array, target: Uint8Array): number {
  const codec = codecOf(SAMPLE_FORMATS[samples]);
  const { bytes } = SAMPLE_FORMATS[samples];
  const view = new DataView(target.buffer, target.byteOffset, target.length);
  const frames = Math.min(mono.length, Math.floor(target.length / (bytes * channels)));
  for (let frame = 0, at = 0; frame < frames; frame++)
    for (let channel = 0; channel < channels; channel++, at += bytes) codec.write(view, at, mono[frame]);
  return frames;
}
