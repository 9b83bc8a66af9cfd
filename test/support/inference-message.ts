import { setImmediate as nextTurn } from 'node:timers/promises';
import type { InferenceBackend, OpenModel, ResultRoom } from '../../engine/backend/inference/inference-backend';
import { InferenceServer } from '../../engine/backend/inference/inference-server';
import {
  type Header,
  HEADER_BYTES,
  InferenceError,
  putInto,
  readHeader,
  STATUS,
  writeHeader,
} from '../../engine/backend/inference/message';

/** A request as guests write it. */
export function inferenceRequest(fields: Partial<Header>, body: Uint8Array = new Uint8Array()): Uint8Array<ArrayBuffer> {
  const header = { operation: 0, status: 0, id: 0, handle: 0, room: 0, ...fields, length: HEADER_BYTES + body.length };
  return new Uint8Array(Buffer.concat([writeHeader(header), body]));
}

/** The same for the queue of the device. */
export function aiRequest(client: number, fields: Partial<Header>, body?: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat([Uint32Array.of(client, 0), inferenceRequest(fields, body)].map((part) => Buffer.from(part.buffer))));
}

/** The answers that a stream of bytes begins with, and what is behind them. */
export function inferenceAnswers(bytes: Uint8Array): { answers: { header: Header; body: Buffer }[]; rest: Buffer } {
  let rest = Buffer.from(bytes);
  const answers: { header: Header; body: Buffer }[] = [];
  while (rest.length >= HEADER_BYTES && rest.readUInt32LE(0) >= HEADER_BYTES && rest.length >= rest.readUInt32LE(0)) {
    const header = readHeader(rest);
    answers.push({ header, body: rest.subarray(HEADER_BYTES, header.length) });
    rest = rest.subarray(header.length);
  }
  return { answers, rest };
}

export interface FakeTensor {
  name: string;
  /** ONNX's number; that of float32 unless given. */
  type?: number;
  dimensions?: number[];
  data?: Uint8Array;
}

/** One tensor of a message. */
export function tensorRecord({ name, type = 1, dimensions = [], data = new Uint8Array() }: FakeTensor): Uint8Array {
  const up = (length: number): number => (length + 7) & ~7;
  const text = Buffer.from(name);
  const front = 8 + up(4 * dimensions.length + text.length);
  const bytes = Buffer.alloc(front + up(data.length));
  bytes.writeUInt16LE(text.length, 0);
  bytes.writeUInt8(type, 2);
  bytes.writeUInt8(dimensions.length, 3);
  bytes.writeUInt32LE(data.length, 4);
  for (const [at, size] of dimensions.entries()) bytes.writeUInt32LE(size, 8 + 4 * at);
  text.copy(bytes, 8 + 4 * dimensions.length);
  bytes.set(data, front);
  return bytes;
}

/** The body of a request to run a model. */
export function runBody(inputs: readonly FakeTensor[], outputs: readonly string[] = []): Uint8Array {
  const counts = Buffer.alloc(8);
  counts.writeUInt16LE(inputs.length, 0);
  counts.writeUInt16LE(outputs.length, 2);
  return Buffer.concat([counts, ...inputs.map(tensorRecord), ...outputs.map((name) => tensorRecord({ name }))]);
}

/** Floats as the bytes of a tensor. */
export function floats(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** The tensors of the answer to a run. */
export function resultsOf(body: Uint8Array): { name: string; type: number; dimensions: number[]; data: Uint8Array<ArrayBuffer> }[] {
  const bytes = Buffer.from(body);
  let at = 8;
  return Array.from({ length: bytes.readUInt16LE(0) }, () => {
    const [nameBytes, type, rank, length] = [bytes.readUInt16LE(at), bytes[at + 2], bytes[at + 3], bytes.readUInt32LE(at + 4)];
    const sizes = Array.from({ length: rank }, (_, i) => bytes.readUInt32LE(at + 8 + 4 * i));
    const name = bytes.toString('utf8', at + 8 + 4 * rank, at + 8 + 4 * rank + nameBytes);
    at += 8 + ((4 * rank + nameBytes + 7) & ~7);
    const data = Uint8Array.from(bytes.subarray(at, at + length));
    at += (length + 7) & ~7;
    return { name, type, dimensions: sizes, data };
  });
}

/** Runs nothing: a model's result is the request itself. A model whose first byte is 0 is bad. */
export class FakeInference implements InferenceBackend {
  readonly name = 'fake';
  /** Models that are open. */
  models = 0;

  async open([first]: Uint8Array): Promise<OpenModel> {
    await nextTurn();
    if (first === 0) throw new InferenceError(STATUS.badModel, 'It begins with 0.');
    this.models++;
    return {
      inputs: [{ name: 'in', type: 'float32', dimensions: [2] }],
      outputs: [],
      run: async (request: readonly Uint8Array[], room: ResultRoom) => {
        await nextTurn();
        const body = Buffer.concat(request);
        if (!('pieces' in room)) return { length: body.length, body };
        return { length: putInto(room.pieces, room.at, body) };
      },
      close: async () => {
        this.models--;
        await nextTurn();
      },
    };
  }

  async close(): Promise<void> {}
}

/** A server that has the fake. */
export function fakeInferenceServer(backend = new FakeInference()): InferenceServer {
  return new InferenceServer({ backend, limits: { memoryBytes: 1 << 20, milliseconds: 1000 } });
}
