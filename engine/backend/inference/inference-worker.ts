import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import type { ModelInterface } from './inference-backend';
import { InferenceError, STATUS, type Status } from './message';
import type { OnnxMetadata, OnnxRuntime, OnnxSession, OnnxTensor } from './onnx-runtime';
import { ANY_SIZE, lengthOfResults, readRun, type TensorDescription, type TensorRecord, type TensorType, writeResults } from './tensors';

/** What the worker of one model begins with. */
export interface InferenceWorkerData {
  /** ONNX Runtime: its script, and its compiled code. */
  script: string;
  module: WebAssembly.Module;
  /** Bytes of its memory at most. */
  memoryBytes: number;
  model: Uint8Array<ArrayBuffer>;
}

/** Sent to the worker, one at a time. */
export interface WorkerRequest {
  request: readonly Uint8Array[];
  /** Into these, from byte `at` on; undefined for new memory. */
  pieces: readonly Uint8Array[] | undefined;
  at: number;
  /** Bytes that there is room for. */
  bytes: number;
}

export type WorkerAnswer =
  | { kind: 'open'; model: ModelInterface }
  | { kind: 'result'; length: number; body: Uint8Array | undefined }
  | { kind: 'error'; status: Status; message: string; needed: number; isFatal: boolean };

if (!parentPort) throw new Error('inference-worker runs as a worker thread only');
const port = parentPort;
const { script, module, memoryBytes, model } = workerData as InferenceWorkerData;
const PAGE = 65536;

// ONNX Runtime makes its memory by itself, of up to 4 GiB, and compiles its code by itself. Both are had by it through these two only.
const web = globalThis.WebAssembly;
const maximum = Math.floor(memoryBytes / PAGE);
const PlainMemory = web.Memory;
web.Memory = new Proxy(PlainMemory, {
  construct: (_, [descriptor]: [WebAssembly.MemoryDescriptor]) =>
    new PlainMemory({ ...descriptor, maximum: Math.max(descriptor.initial, Math.min(descriptor.maximum ?? PAGE, maximum)) }),
});
const instantiate = web.instantiate.bind(web);
Object.assign(web, {
  instantiate: async (_: unknown, imports: WebAssembly.Imports) => ({ module, instance: await instantiate(module, imports) }),
});

/** What ONNX Runtime says where it got no memory. */
const NO_MEMORY = /bad_alloc|out of memory|enlarge memory|failed to allocate|std::length_error|\bOOM\b/i;

function describe(all: readonly OnnxMetadata[]): TensorDescription[] {
  return all.map((one) =>
    one.isTensor
      ? { name: one.name, type: one.type, dimensions: one.shape.map((size) => (typeof size === 'number' ? size : ANY_SIZE)) }
      : { name: one.name, type: undefined, dimensions: [] },
  );
}

/** Elements as ONNX Runtime wants them: in an array of their type. */
function elements(type: TensorType, data: Uint8Array): ArrayBufferView {
  const { buffer, byteOffset, length } = data;
  switch (type) {
    case 'float32':
      return new Float32Array(buffer, byteOffset, length / 4);
    case 'float64':
      return new Float64Array(buffer, byteOffset, length / 8);
    case 'int8':
      return new Int8Array(buffer, byteOffset, length);
    case 'int16':
      return new Int16Array(buffer, byteOffset, length / 2);
    case 'float16':
    case 'uint16':
      return new Uint16Array(buffer, byteOffset, length / 2);
    case 'int32':
      return new Int32Array(buffer, byteOffset, length / 4);
    case 'uint32':
      return new Uint32Array(buffer, byteOffset, length / 4);
    case 'int64':
      return new BigInt64Array(buffer, byteOffset, length / 8);
    case 'uint64':
      return new BigUint64Array(buffer, byteOffset, length / 8);
    default:
      return data;
  }
}

/** What the worker says where something failed. A trap leaves ONNX Runtime in no state to go on. */
function failure(error: unknown, otherwise: Status): WorkerAnswer {
  if (error instanceof InferenceError)
    return { kind: 'error', status: error.status, message: error.message, needed: error.needed, isFatal: false };
  const message = (error instanceof Error ? error.message : String(error)).slice(0, 2000);
  const isTrap = error instanceof WebAssembly.RuntimeError || error instanceof RangeError || /^Aborted|^\d+$/.test(message);
  // Thrown out of C++ where nobody catches it, an exception is but a number.
  const isMemory = NO_MEMORY.test(message) || /^\d+$/.test(message);
  return { kind: 'error', status: isMemory ? STATUS.outOfMemory : otherwise, message, needed: 0, isFatal: isTrap };
}

async function open(ort: OnnxRuntime): Promise<OnnxSession> {
  // One thread each: models run beside each other, and harts beside them.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = new ArrayBuffer(8);
  ort.env.logLevel = 'fatal';
  return ort.InferenceSession.create(model, { executionProviders: ['wasm'], logSeverityLevel: 4 });
}

async function run(ort: OnnxRuntime, session: OnnxSession, work: WorkerRequest): Promise<WorkerAnswer> {
  const begun = performance.now();
  const { inputs, outputs } = readRun(work.request);
  const feeds: Record<string, OnnxTensor> = Object.create(null) as Record<string, OnnxTensor>;
  for (const { name, type, dimensions, data } of inputs) {
    if (!session.inputNames.includes(name))
      throw new InferenceError(STATUS.failed, `The model has no input ${name}; it has ${session.inputNames.join(', ')}.`);
    feeds[name] = new ort.Tensor(type, elements(type, data), dimensions);
  }
  const unknown = outputs.find((name) => !session.outputNames.includes(name));
  if (unknown !== undefined)
    throw new InferenceError(STATUS.failed, `The model has no output ${unknown}; it has ${session.outputNames.join(', ')}.`);
  const found = outputs.length > 0 ? await session.run(feeds, outputs) : await session.run(feeds);
  const names = outputs.length > 0 ? outputs : session.outputNames;
  const results = names.map((name): TensorRecord => {
    const { type, dims, data } = found[name];
    if (type === 'string') throw new InferenceError(STATUS.unsupported, `The output ${name} is of strings, which there are not here.`);
    const { buffer, byteOffset, byteLength } = data;
    return { name, type, dimensions: [...dims], data: new Uint8Array(buffer, byteOffset, byteLength) };
  });
  const length = lengthOfResults(results);
  if (length > work.bytes)
    throw new InferenceError(STATUS.noRoom, `The results have ${length} bytes, and there is room for ${work.bytes}.`, length);
  const body = work.pieces ? undefined : new Uint8Array(length);
  writeResults(results, Math.round((performance.now() - begun) * 1000), work.pieces ?? [body as Uint8Array], body ? 0 : work.at);
  return { kind: 'result', length, body };
}

function answer(message: WorkerAnswer): void {
  const body = message.kind === 'result' ? message.body : undefined;
  port.postMessage(message, body ? [body.buffer as ArrayBuffer] : []);
}

try {
  const ort = (await import(pathToFileURL(script).href)) as OnnxRuntime;
  const session = await open(ort);
  answer({ kind: 'open', model: { inputs: describe(session.inputMetadata), outputs: describe(session.outputMetadata) } });
  port.on('message', (work: WorkerRequest) => {
    run(ort, session, work).then(answer, (error: unknown) => answer(failure(error, STATUS.failed)));
  });
} catch (error) {
  answer(failure(error, STATUS.badModel));
}
