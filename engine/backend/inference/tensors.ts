import { InferenceError, putInto, STATUS } from './message';

/** Inputs, or outputs, of a request at most; dimensions of a tensor; bytes of a name. */
const TENSORS_MAX = 256;
const RANK_MAX = 16;
const NAME_MAX = 1024;
const RECORD_BYTES = 8;
/** A dimension that may have any size, in descriptions. */
export const ANY_SIZE = 0xffff_ffff;

/** Types of tensors by ONNX's numbers for them (onnx.proto, TensorProto.DataType), with the bytes of an element. */
const TYPES: Readonly<Record<number, { name: TensorType; bytes: number }>> = {
  1: { name: 'float32', bytes: 4 },
  2: { name: 'uint8', bytes: 1 },
  3: { name: 'int8', bytes: 1 },
  4: { name: 'uint16', bytes: 2 },
  5: { name: 'int16', bytes: 2 },
  6: { name: 'int32', bytes: 4 },
  7: { name: 'int64', bytes: 8 },
  9: { name: 'bool', bytes: 1 },
  10: { name: 'float16', bytes: 2 },
  11: { name: 'float64', bytes: 8 },
  12: { name: 'uint32', bytes: 4 },
  13: { name: 'uint64', bytes: 8 },
};
const NUMBERS = new Map(Object.entries(TYPES).map(([number, { name }]) => [name as string, Number(number)]));

export type TensorType =
  | 'float32'
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'bool'
  | 'float16'
  | 'float64'
  | 'uint32'
  | 'uint64';

/** A tensor in a message. */
export interface TensorRecord {
  name: string;
  type: TensorType;
  dimensions: number[];
  /** Its elements, at a multiple of their size in their buffer; the guest's own bytes where they lie so. */
  data: Uint8Array;
}

/** What a model takes or gives; ANY_SIZE for dimensions that vary. */
export type TensorDescription = Omit<TensorRecord, 'data' | 'type'> & {
  /** Undefined for what is no tensor of a type that we have. */
  type: TensorType | undefined;
};

const up = (length: number): number => (length + 7) & ~7;

/** Reads bytes that lie in pieces, each once: whoever changes them meanwhile changes nothing that was checked. */
class PieceReader {
  #piece = 0;
  #at = 0;
  #left: number;

  constructor(private readonly pieces: readonly Uint8Array[]) {
    this.#left = pieces.reduce((sum, { length }) => sum + length, 0);
  }

  get left(): number {
    return this.#left;
  }

  /** The next bytes: those of the piece where they lie in one, at a multiple of `alignment` of its buffer, else a copy. */
  take(length: number, alignment: number): Uint8Array {
    this.#need(length);
    const piece = this.pieces[this.#piece];
    if (piece && this.#at + length <= piece.length && (piece.byteOffset + this.#at) % alignment === 0) {
      const bytes = piece.subarray(this.#at, this.#at + length);
      this.skip(length);
      return bytes;
    }
    return this.copy(length);
  }

  copy(length: number): Uint8Array<ArrayBuffer> {
    this.#need(length);
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const part = this.pieces[this.#piece].subarray(this.#at, this.#at + length - done);
      bytes.set(part, done);
      done += part.length;
      this.skip(part.length);
    }
    return bytes;
  }

  skip(length: number): void {
    this.#need(length);
    this.#left -= length;
    this.#at += length;
    while (this.#piece < this.pieces.length && this.#at >= this.pieces[this.#piece].length) this.#at -= this.pieces[this.#piece++].length;
  }

  #need(length: number): void {
    if (length > this.#left) throw new InferenceError(STATUS.badMessage, `The message ends ${length - this.#left} bytes too early.`);
  }
}

/** Read what a model is to be run with: the body of the message. Throws InferenceError. */
export function readRun(pieces: readonly Uint8Array[]): { inputs: TensorRecord[]; outputs: string[] } {
  const reader = new PieceReader(pieces);
  const counts = new DataView(reader.copy(8).buffer);
  const [inputCount, outputCount] = [counts.getUint16(0, true), counts.getUint16(2, true)];
  if (inputCount > TENSORS_MAX || outputCount > TENSORS_MAX)
    throw new InferenceError(STATUS.tooLarge, `A request has at most ${TENSORS_MAX} inputs and as many outputs.`);
  const inputs = Array.from({ length: inputCount }, () => readRecord(reader));
  const outputs = Array.from({ length: outputCount }, () => readHead(reader).name);
  return { inputs, outputs };
}

function readHead(reader: PieceReader): { name: string; type: number; length: number; dimensions: number[] } {
  const head = new DataView(reader.copy(RECORD_BYTES).buffer);
  const nameBytes = head.getUint16(0, true);
  const rank = head.getUint8(3);
  if (nameBytes > NAME_MAX || rank > RANK_MAX)
    throw new InferenceError(STATUS.tooLarge, `A tensor has a name of at most ${NAME_MAX} bytes, and at most ${RANK_MAX} dimensions.`);
  const rest = reader.copy(up(4 * rank + nameBytes));
  const sizes = new DataView(rest.buffer);
  return {
    name: new TextDecoder().decode(rest.subarray(4 * rank, 4 * rank + nameBytes)),
    type: head.getUint8(2),
    length: head.getUint32(4, true),
    dimensions: Array.from({ length: rank }, (_, at) => sizes.getUint32(4 * at, true)),
  };
}

function readRecord(reader: PieceReader): TensorRecord {
  const { name, type: number, length, dimensions } = readHead(reader);
  const type = TYPES[number] as (typeof TYPES)[number] | undefined;
  if (!type) throw new InferenceError(STATUS.unsupported, `The input ${name} has the type ${number}, which there is not here.`);
  const expected = dimensions.reduce((product, size) => product * size, type.bytes);
  if (expected !== length)
    throw new InferenceError(
      STATUS.badMessage,
      `The input ${name} of ${dimensions.join(' × ')} ${type.name} has ${length} bytes, not ${expected}.`,
    );
  const data = reader.take(length, type.bytes);
  reader.skip(Math.min(up(length) - length, reader.left));
  return { name, type: type.name, dimensions, data };
}

function headOf({ name, type, dimensions }: TensorDescription, length: number): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(name);
  const bytes = new Uint8Array(RECORD_BYTES + up(4 * dimensions.length + text.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, text.length, true);
  view.setUint8(2, type === undefined ? 0 : (NUMBERS.get(type) ?? 0));
  view.setUint8(3, dimensions.length);
  view.setUint32(4, length, true);
  for (const [at, size] of dimensions.entries()) view.setUint32(RECORD_BYTES + 4 * at, size, true);
  bytes.set(text, RECORD_BYTES + 4 * dimensions.length);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  putInto([bytes], 0, Buffer.concat(parts));
  return bytes;
}

/** The body of the answer to `open`. */
export function describeModel(inputs: readonly TensorDescription[], outputs: readonly TensorDescription[]): Uint8Array<ArrayBuffer> {
  const counts = new Uint8Array(8);
  new DataView(counts.buffer).setUint16(0, inputs.length, true);
  new DataView(counts.buffer).setUint16(2, outputs.length, true);
  return joined([counts, ...[...inputs, ...outputs].map((one) => headOf(one, 0))]);
}

/** Bytes of the body that `writeResults` writes. */
export function lengthOfResults(results: readonly TensorRecord[]): number {
  const heads = results.map((one) => headOf(one, 0).length + up(one.data.length));
  return heads.reduce((sum, length) => sum + length, 8);
}

/** Write the body of the answer to `run` into pieces, from byte `at` of them on. */
export function writeResults(results: readonly TensorRecord[], microseconds: number, pieces: readonly Uint8Array[], at: number): void {
  const counts = new Uint8Array(8);
  new DataView(counts.buffer).setUint16(0, results.length, true);
  new DataView(counts.buffer).setUint32(4, microseconds, true);
  let end = at + putInto(pieces, at, counts);
  for (const one of results) {
    end += putInto(pieces, end, headOf(one, one.data.length));
    putInto(pieces, end, one.data);
    // What lies between is whatever was there.
    const padding = up(one.data.length) - one.data.length;
    if (padding > 0) putInto(pieces, end + one.data.length, new Uint8Array(padding));
    end += up(one.data.length);
  }
}
