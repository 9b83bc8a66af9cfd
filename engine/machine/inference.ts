import { InferenceServer } from '../backend/inference/inference-server';
import { InferenceStream } from '../backend/inference/inference-stream';
import { ModelFolder } from '../backend/inference/model-folder';
import { WasmInference } from '../backend/inference/wasm-inference';
import { VmError } from '../errors/vm-error';
import type { MachineConfig } from '../settings/settings';
import { builtFile } from '../threads/built-file';
import { compileLazily } from '../threads/lazy-compilation';
import type { ConsolePort } from '../virtio/devices/console-port';

/**
 * Console ports by which a guest without our driver asks for inference. Linux lets one program at a time have a port open, so there are
 * several that do the same.
 */
export const INFERENCE_PORTS: readonly string[] = [0, 1, 2, 3].map((number) => `org.hartbox.ai.${number}`);

/** What runs models for a machine's guest; undefined for one without. Throws VmError 'Config' where the folder of models cannot be used. */
export async function openInference(
  { ai, aiModels, aiMemory, aiSeconds }: MachineConfig,
  v8Flags: readonly string[],
): Promise<InferenceServer | undefined> {
  if (!ai) return undefined;
  const folder = aiModels === undefined ? undefined : await openFolder(aiModels);
  const limits = { memoryBytes: aiMemory, milliseconds: 1000 * aiSeconds };
  const files = {
    worker: builtFile('inference-worker.js'),
    script: builtFile('onnxruntime.mjs'),
    code: builtFile('onnxruntime.wasm'),
  };
  const backend = new WasmInference({ files, limits, compile: (code) => compileLazily(code, v8Flags) });
  return new InferenceServer({ backend, limits, folder });
}

async function openFolder(path: string): Promise<ModelFolder> {
  try {
    return await ModelFolder.open(path);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw VmError.config(`The folder of models ${path} cannot be used (${why}). Name a folder that exists and that you may read.`, {
      code: 'model-folder',
      params: { path, why },
    });
  }
}

/** Bytes given to a port at once, so that it can ask to wait. */
const PIECE = 1 << 20;

/** Serves inference over a console port, to one program of the guest after another. */
export function serveInference(port: ConsolePort, server: InferenceServer): void {
  let stream: InferenceStream | undefined;
  let waiting: { bytes: Uint8Array; sent: () => void }[] = [];
  let isFull = false;
  const pump = (): void => {
    while (waiting.length > 0 && !isFull) {
      const [{ bytes, sent }] = waiting;
      isFull = !port.write(bytes.subarray(0, PIECE));
      if (bytes.length > PIECE) waiting[0].bytes = bytes.subarray(PIECE);
      else {
        waiting.shift();
        sent();
      }
    }
  };
  port.onDrain(() => {
    isFull = false;
    pump();
  });
  const begin = (): InferenceStream => {
    const own = new InferenceStream(server.client(), (...pieces) => {
      if (stream !== own) return Promise.resolve();
      const done = pieces.map((bytes) => new Promise<void>((sent) => waiting.push({ bytes, sent })));
      pump();
      return Promise.all(done).then(() => undefined);
    });
    return own;
  };
  port.onOpenChange((isOpen) => {
    void stream?.close();
    // What the last program has not read is not the next one's.
    port.discard();
    isFull = false;
    for (const { sent } of waiting) sent();
    waiting = [];
    stream = isOpen ? begin() : undefined;
  });
  port.onData((data) => stream?.receive(data));
}
