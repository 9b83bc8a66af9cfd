import { once } from 'node:events';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { formatTable } from '../../engine/cli/table';
import type { DefaultGuest } from '../../engine/images/default-guest';
import { builtFile } from '../../engine/threads/built-file';
import { SPEECH_MODEL } from '../support/direct-inference';
import { buildGuestModules } from '../support/guest-modules';
import { linearModel, pictureModel } from '../support/onnx-writer';
import type { ConsoleSession } from './console-session';
import { compileProgram, initrdWith } from './guest-program';
import { median } from './measurement';
import { hartbox } from './peers';
import { PROMPT } from './prompt';

/** Runs of a model in a turn, and before the first. */
const RUNS = 200;
const WARM_UP = 400;
/** Requests that are under way at the same time where throughput is measured: programs/ai.c has as many connections, each with a model of its own. */
const TOGETHER = 2;
/** Time in the guest over time directly, at most. */
const GOAL = 1.3;

/** As programs/ai.c has them. */
interface Model {
  name: 'speech' | 'linear' | 'picture';
  /** For people. */
  size: string;
  inputs: { name: string; type: 'float32' | 'int64'; data: Float32Array | BigInt64Array; dimensions: number[] }[];
}

const input = (name: string, dimensions: number[]): Model['inputs'][number] => {
  const length = dimensions.reduce((product, size) => product * size, 1);
  return { name, type: 'float32', data: Float32Array.from({ length }, (_, at) => (at % 7) / 8), dimensions };
};

const MODELS: readonly Model[] = [
  {
    name: 'speech',
    size: '2.3 MB, 3 KiB in, 1 KiB out',
    inputs: [
      input('input', [1, 512]),
      input('state', [2, 1, 128]),
      { name: 'sr', type: 'int64', data: BigInt64Array.of(16000n), dimensions: [] },
    ],
  },
  { name: 'linear', size: '1 MiB, 256 KiB in, 1 MiB out', inputs: [input('x', [256, 256])] },
  { name: 'picture', size: '8 MB, 588 KiB in, 4 KiB out', inputs: [input('x', [1, 3, 224, 224])] },
];

/** By which the guest asks, with the command that does. */
const WAYS = {
  device: (model: string): string => `insmod /bench/hartbox_ai.ko && /bench/ai ${model}; rmmod hartbox_ai`,
  port: (model: string): string => `/bench/ai ${model}`,
} as const;

/** Runs models: how long one takes, and how many there are in a second. */
interface Runner {
  /** Median of one run after the other, milliseconds. */
  latency(): Promise<number>;
  /** Runs a second, with as many requests at the same time as there are. */
  throughput(): Promise<number>;
}

const directWorker = `
const { parentPort, workerData: { script, code, model, inputs } } = require('node:worker_threads');
import(script).then(async (ort) => {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = code.buffer;
  const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
  parentPort.on('message', async (count) => {
    const milliseconds = [];
    for (let i = 0; i < count; i++) {
      const begun = performance.now();
      const feeds = {};
      for (const { name, type, data, dimensions } of inputs) feeds[name] = new ort.Tensor(type, data, dimensions);
      await session.run(feeds);
      milliseconds.push(performance.now() - begun);
    }
    parentPort.postMessage(milliseconds);
  });
  parentPort.postMessage([]);
});`;

/** ONNX Runtime called directly, each model in a worker as those that work for guests are, with what programs do with it and no more. */
class Direct implements Runner {
  private constructor(private readonly workers: Worker[]) {}

  static async start({ inputs }: Model, model: Uint8Array): Promise<Direct> {
    // As engine processes have it for their harts. Else V8 replaces its baseline code only after hundreds of runs, and later on a busy host.
    setFlagsFromString('--no-liftoff');
    const script = builtFile('onnxruntime.mjs');
    const code = Uint8Array.from(await readFile(builtFile('onnxruntime.wasm')));
    const workers = Array.from(
      { length: TOGETHER },
      () => new Worker(directWorker, { eval: true, workerData: { script, code, model, inputs } }),
    );
    const direct = new Direct(workers);
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    await direct.#run(workers, WARM_UP);
    return direct;
  }

  async latency(): Promise<number> {
    const [milliseconds] = await this.#run(this.workers.slice(0, 1), RUNS);
    return median(milliseconds);
  }

  async throughput(): Promise<number> {
    const begun = performance.now();
    await this.#run(this.workers, RUNS);
    return (1000 * TOGETHER * RUNS) / (performance.now() - begun);
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  #run(workers: Worker[], count: number): Promise<number[][]> {
    return Promise.all(
      workers.map(async (worker) => {
        worker.postMessage(count);
        const [milliseconds] = (await once(worker, 'message')) as [number[]];
        return milliseconds;
      }),
    );
  }
}

/** A program of the guest, at whose console it is. */
class InGuest implements Runner {
  private constructor(private readonly session: ConsoleSession) {}

  static async start(session: ConsoleSession, command: string): Promise<InGuest> {
    session.send(command);
    const [, failure] = await session.expect(/ai: (?:ready|(FAILED: .*))\n/, 300);
    if (failure !== undefined) throw new Error(`the guest's program: ${failure}`);
    return new InGuest(session);
  }

  latency(): Promise<number> {
    return this.#ask(`alone ${RUNS}`, /ai: median ([\d.]+)\n/);
  }

  throughput(): Promise<number> {
    return this.#ask(`together ${RUNS}`, /ai: rate ([\d.]+)\n/);
  }

  async stop(): Promise<void> {
    this.session.send('end');
    await this.session.expect(PROMPT, 60);
  }

  async #ask(line: string, answer: RegExp): Promise<number> {
    this.session.send(line);
    const [, value] = await this.session.expect(answer, 300);
    return Number(value);
  }
}

/** What was measured of a runner, a value for each turn. */
interface Measured {
  latencies: number[];
  throughputs: number[];
}

async function measure(runner: Runner, { latencies, throughputs }: Measured): Promise<void> {
  latencies.push(await runner.latency());
  throughputs.push(await runner.throughput());
}

/**
 * How long inference takes a program of the guest, and how much of it there is in a second, beside the same models called directly on this
 * Node; by `runs` turns. `builds`: checkouts to measure beside this one.
 */
export async function inference(
  guest: DefaultGuest,
  folder: string,
  runs: number,
  builds: string[],
  say: (message: string) => void,
): Promise<void> {
  const library = fileURLToPath(new URL('../../resources/guest/ai/hartbox_ai.c', import.meta.url));
  const program = await compileProgram(folder, 'ai', ['-pthread'], [library]);
  let initrd = await initrdWith(guest, folder, 'ai', program);
  for (const [name, module] of await buildGuestModules(folder, ['hartbox_ai']))
    initrd = await initrdWith({ ...guest, initrd }, folder, `${name}.ko`, module);
  const models = join(folder, 'models');
  await mkdir(models);
  await copyFile(SPEECH_MODEL, join(models, 'speech.onnx'));
  await writeFile(
    join(models, 'linear.onnx'),
    linearModel(
      256,
      1024,
      (at) => (at % 5) - 2,
      (at) => at,
    ),
  );

  await writeFile(join(models, 'picture.onnx'), pictureModel());

  const peers = [undefined, ...builds].map((build) => hartbox({ build, options: ['--ai', '--ai-models', models] }));
  const sessions = peers.map((peer) => ({ name: peer.name, session: peer.start({ ...guest, initrd }) }));
  const rows: string[][] = [];
  try {
    for (const { session } of sessions) await session.expect(PROMPT, 120);
    for (const model of MODELS) {
      const direct = await Direct.start(model, await readFile(join(models, `${model.name}.onnx`)));
      for (const [way, command] of Object.entries(WAYS)) {
        const directly: Measured = { latencies: [], throughputs: [] };
        const inGuests: (Measured & { name: string; runner: InGuest })[] = [];
        for (const { name, session } of sessions)
          inGuests.push({ name, runner: await InGuest.start(session, command(model.name)), latencies: [], throughputs: [] });
        for (let turn = 0; turn < runs; turn++) {
          say(`${model.name} by ${way}, turn ${turn + 1} of ${runs}`);
          await measure(direct, directly);
          for (const one of inGuests) await measure(one.runner, one);
        }
        for (const { name, runner, ...measured } of inGuests) {
          await runner.stop();
          rows.push([model.name, model.size, way, name, ...columns(directly, measured)]);
        }
      }
      await direct.stop();
    }
  } finally {
    for (const { session } of sessions) await session.stop();
  }
  const heads = ['model', 'of', 'way', 'in', 'direct ms', 'guest ms', 'ratio', 'direct runs/s', 'guest runs/s', 'ratio'];
  process.stdout.write(
    `${formatTable(
      [heads, ...rows],
      heads.flatMap((_, column) => (column >= 4 ? [column] : [])),
    )}\nratio: time in the guest over time directly; the goal is ${GOAL}. Medians of ${runs} turns of ${RUNS} runs, ms one after the other, runs/s ${TOGETHER} at the same time. ` +
      `Load ${loadavg()[0].toFixed(1)} on ${availableParallelism()} cores; Node ${process.versions.node}.\n`,
  );
}

function columns(direct: Measured, inGuest: Measured): string[] {
  const [milliseconds, guestMilliseconds] = [median(direct.latencies), median(inGuest.latencies)];
  const [rate, guestRate] = [median(direct.throughputs), median(inGuest.throughputs)];
  return [
    ...[milliseconds.toFixed(3), guestMilliseconds.toFixed(3), (guestMilliseconds / milliseconds).toFixed(2)],
    ...[rate.toFixed(0), guestRate.toFixed(0), (rate / guestRate).toFixed(2)],
  ];
}
