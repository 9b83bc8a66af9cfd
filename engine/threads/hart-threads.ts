import { readFileSync } from 'node:fs';
import { MessageChannel, Worker, type WorkerOptions } from 'node:worker_threads';
import { keepAlive } from '../host/keep-alive';
import { setV8Flags } from '../hart/v8-flags';
import { hostMemory, type HostMemory } from '../host/host-memory';
import { builtFile } from './built-file';
import type { CompileWorkerData } from './compile-worker';
import type { HartWorkerData } from './hart-worker';

export interface HartThreadsOptions {
  harts: number;
  /** Whether hot code is translated to WebAssembly. */
  jit: boolean;
  /** Whether what regions do is checked. */
  checked: boolean;
  /** For V8, out of V8_FLAGS. */
  flags: readonly string[];
  /** What order this host keeps; found out unless given. */
  host?: HostMemory;
}

/**
 * The threads of a machine that is still being made. They load and compile their code while its files are read and its board is built,
 * which takes as long; then HartPool gives them the rest. Until then they keep no process from ending.
 */
export class HartThreads {
  private readonly all: Worker[] = [];
  readonly workers: readonly Worker[];
  readonly compiler: Worker | undefined;
  readonly helpers: Promise<WebAssembly.Module>;
  /** What a thread failed with before anybody asked anything of it. */
  failure: unknown;

  constructor({ harts, jit, checked, flags, host = hostMemory() }: HartThreadsOptions) {
    setV8Flags(harts, flags);
    const channels = Array.from({ length: jit ? harts : 0 }, () => new MessageChannel());
    try {
      this.workers = Array.from({ length: harts }, (_, id) => {
        const compiler = channels[id]?.port1;
        const workerData: HartWorkerData = { id, compiler, host };
        return this.started('hart-worker.js', { workerData, transferList: compiler ? [compiler] : [], name: `hart-${id}` });
      });
      if (jit) {
        const ports = channels.map(({ port2 }) => port2);
        const workerData: CompileWorkerData = { ports, checked, host };
        this.compiler = this.started('compile-worker.js', { workerData, transferList: ports, name: 'compiler' });
      }
    } catch (cause) {
      void this.end();
      throw cause;
    }
    this.helpers = keepAlive(WebAssembly.compile(readFileSync(builtFile('helpers.wasm'))));
    // Whoever awaits it sees the failure.
    this.helpers.catch(() => {});
  }

  /** From now on the process lives until end(). */
  hold(): void {
    for (const thread of this.all) thread.ref();
  }

  async end(): Promise<void> {
    await Promise.all(this.all.map((thread) => thread.terminate()));
  }

  private started(script: string, options: WorkerOptions): Worker {
    const worker = new Worker(builtFile(script), options);
    this.all.push(worker);
    worker.unref();
    worker.on('error', (cause) => {
      this.failure ??= cause;
    });
    return worker;
  }
}
