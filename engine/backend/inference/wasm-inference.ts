import { readFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type { InferenceBackend, InferenceLimits, OpenModel, ResultRoom } from './inference-backend';
import type { InferenceWorkerData, WorkerAnswer, WorkerRequest } from './inference-worker';
import { InferenceError, STATUS } from './message';

/** What a worker keeps beside the model's memory, MiB. */
const SCRIPT_MEMORY = 256;
/** How long reading a model may take: much of ONNX Runtime is compiled on the way. Milliseconds. */
const OPEN_MS = 120_000;

export interface WasmInferenceOptions {
  /** Files that the build has made (electron.vite.config.ts): the worker, and ONNX Runtime's script and its code. */
  files: { worker: string; script: string; code: string };
  limits: InferenceLimits;
  /** Compiles WebAssembly: only as far as it is used, which here is a tenth. */
  compile?: (code: Uint8Array<ArrayBuffer>) => Promise<WebAssembly.Module>;
}

/**
 * ONNX Runtime as WebAssembly, on every system. Each model is in a worker of its own: whatever it does ends with that, its memory has an end
 * of its own, and models run at the same time.
 */
export class WasmInference implements InferenceBackend {
  readonly name = 'ONNX Runtime Web 1.30, WebAssembly';
  /** The code, compiled once: all workers share it, and what V8 has optimised of it. */
  #module: Promise<WebAssembly.Module> | undefined;
  readonly #open = new Set<WorkerModel>();

  constructor(private readonly options: WasmInferenceOptions) {}

  async open(model: Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<OpenModel> {
    const { files, limits, compile = (code) => WebAssembly.compile(code) } = this.options;
    this.#module ??= readFile(files.code).then((code) => compile(code as Uint8Array<ArrayBuffer>));
    const module = await this.#module;
    if (signal?.aborted) throw new InferenceError(STATUS.gone, 'The model was closed.');
    const data: InferenceWorkerData = { script: files.script, module, memoryBytes: limits.memoryBytes, model };
    const opened = new WorkerModel(files.worker, data, limits.milliseconds, () => this.#open.delete(opened));
    this.#open.add(opened);
    const abort = (): void => void opened.close();
    signal?.addEventListener('abort', abort);
    await opened.ready.finally(() => signal?.removeEventListener('abort', abort));
    return opened;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((model) => model.close()));
  }
}

/** A model and its worker, to which one request at a time is given. */
class WorkerModel implements OpenModel {
  inputs: OpenModel['inputs'] = [];
  outputs: OpenModel['outputs'] = [];
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  /** Takes the next answer. */
  #take: ((answer: WorkerAnswer) => void) | undefined;
  /** Why nothing can be asked any more. */
  #end: InferenceError | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    script: string,
    workerData: InferenceWorkerData,
    private readonly milliseconds: number,
    private readonly onEnd: () => void,
  ) {
    this.#worker = new Worker(script, {
      workerData,
      transferList: [workerData.model.buffer],
      resourceLimits: { maxOldGenerationSizeMb: SCRIPT_MEMORY },
    });
    this.#worker.on('message', (answer: WorkerAnswer) => this.#take?.(answer));
    this.#worker.on('error', (error) => {
      const isMemory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
      this.#fail(new InferenceError(isMemory ? STATUS.outOfMemory : STATUS.failed, `What runs the model has ended: ${error.message}`));
    });
    this.#worker.on('exit', () => this.#fail(new InferenceError(STATUS.failed, 'What runs the model has ended.')));
    this.ready = this.#exchange(undefined, OPEN_MS).then((answer) => {
      if (answer.kind !== 'open') return;
      this.inputs = answer.model.inputs;
      this.outputs = answer.model.outputs;
    });
    this.#last = this.ready.catch(() => undefined);
  }

  async run(request: readonly Uint8Array[], room: ResultRoom): Promise<{ length: number; body?: Uint8Array }> {
    const pieces = 'pieces' in room ? room.pieces : undefined;
    const at = 'pieces' in room ? room.at : 0;
    const bytes = 'pieces' in room ? room.pieces.reduce((sum, { length }) => sum + length, -at) : room.bytes;
    const turn = this.#last.then(() => this.#exchange({ request, pieces, at, bytes }, this.milliseconds));
    this.#last = turn.catch(() => undefined);
    const answer = await turn;
    if (answer.kind !== 'result') throw new InferenceError(STATUS.failed, 'What runs the model gave no result.');
    return { length: answer.length, ...(answer.body && { body: answer.body }) };
  }

  async close(): Promise<void> {
    this.#fail(new InferenceError(STATUS.gone, 'The model was closed.'));
    await this.#ended;
  }

  #exchange(work: WorkerRequest | undefined, milliseconds: number): Promise<WorkerAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#end) {
        reject(new InferenceError(STATUS.gone, this.#end.message));
        return;
      }
      const timer = setTimeout(() => {
        this.#fail(new InferenceError(STATUS.timeout, `It took longer than ${milliseconds / 1000} seconds; the model was closed.`));
      }, milliseconds);
      this.#take = (answer) => {
        clearTimeout(timer);
        this.#take = undefined;
        if (answer.kind !== 'error') {
          resolve(answer);
          return;
        }
        const error = new InferenceError(answer.status, answer.message, answer.needed);
        // Memory is free again only when nothing writes to it any more.
        if (answer.isFatal || !work) void this.#stop(error).then(() => reject(error));
        else reject(error);
      };
      if (work) this.#worker.postMessage(work);
    });
  }

  /** Nothing can be asked any more: what is being waited for fails once the worker has ended. */
  #fail(error: InferenceError): void {
    if (this.#end) return;
    const take = this.#take;
    void this.#stop(error).then(() => {
      take?.({ kind: 'error', status: error.status, message: error.message, needed: 0, isFatal: false });
    });
  }

  #stop(error: InferenceError): Promise<unknown> {
    if (!this.#end) {
      this.#end = error;
      this.#ended = this.#worker.terminate();
      this.onEnd();
    }
    return this.#ended;
  }
}
