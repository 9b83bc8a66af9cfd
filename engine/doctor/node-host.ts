import { open, readFile, realpath, statfs } from 'node:fs/promises';
import { getServers } from 'node:dns';
import { createServer } from 'node:net';
import { availableParallelism, freemem, homedir, hostname, release, totalmem, userInfo } from 'node:os';
import { join } from 'node:path';
import { asVmError } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { dataDirectory } from '../host/data-directory';
import { ensureFolder } from '../host/ensure-folder';
import { hostFiles } from '../host/patient-files';
import { notedAsUnfinished, temporaryName } from '../host/unfinished-files';
import { HARTBOX_VERSION, NODE_RANGE } from '../host/version';
import { isGuestPresent } from '../images/default-guest';
import { debianMirrors } from '../images/mirror';
import { findRunning } from '../runner/control-socket';
import { Library } from '../runner/library';
import { v8Verdict } from '../threads/v8-verdict';
import type { V8Verdict } from '../threads/v8-verdict-schema';
import type { BoxHealth, DoctorHost, Graphics, V8Features } from './host';
import type { PrivateDetails } from './private-details';
import type { ReportFacts } from './report';

const MiB = 2 ** 20;
/** The probe of the disk writes no more than this, and begins no new piece after that many milliseconds. */
const PROBE_PIECES = 32;
const PROBE_MS = 500;
/** How long a mirror may take to answer, in milliseconds. */
const MIRROR_MS = 5000;

export interface NodeHostOptions {
  dataFolder?: string;
  /** What found out which flags V8 takes, where that is not a Node process; default: v8Verdict(). */
  verdict?: () => Promise<V8Verdict>;
  graphics?: Graphics | undefined;
}

/** The computer that this process runs on. */
export function nodeHost({
  dataFolder = dataDirectory(),
  verdict = () => v8Verdict(dataFolder),
  graphics,
}: NodeHostOptions = {}): DoctorHost {
  const library = new Library(dataFolder);
  const { node, v8, electron } = process.versions as NodeJS.ProcessVersions & { electron?: string };
  return {
    versions: { node, v8, electron },
    args: process.argv,
    nodeRange: NODE_RANGE,
    platform: process.platform,
    isRoot: process.getuid?.() === 0,
    env: process.env,
    dataFolder,
    graphics,
    features: v8Features,
    v8Verdict: verdict,
    processors: availableParallelism,
    memory: () => ({ free: freemem(), total: totalmem() }),
    systemFile: (path) => readFile(path, 'utf8').catch(() => undefined),
    writeDataFolder: async () => {
      ensureFolder(dataFolder);
      await withProbe(dataFolder, (file) => file.writeFile('Hartbox'));
    },
    diskRoom: async () => {
      const { bavail, bsize } = await statfs(dataFolder);
      return bavail * bsize;
    },
    diskSpeed: () => withProbe(dataFolder, measureSpeed),
    recover: () => library.recover(),
    boxes: () => boxHealth(library, dataFolder),
    hasGuest: () => isGuestPresent(dataFolder),
    nameServers: getServers,
    mirrors: () => debianMirrors(),
    askMirror,
    listen,
    openTun: async () => {
      await (await open('/dev/net/tun', 'r+')).close();
    },
  };
}

/** Modules that are valid where V8 knows what is in them, after the header and a function type where they need one. */
const MODULES = {
  // (func (result v128) i32.const 0, i8x16.splat, i8x16.popcnt)
  simd: [1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
  // (func (result v128) … i8x16.relaxed_swizzle)
  relaxedSimd: [1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11],
  // (memory i64 1)
  memory64: [5, 3, 1, 4, 1],
  // (func return_call 0)
  tailCalls: [1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 6, 1, 4, 0, 18, 0, 11],
};
const HEADER = [0, 97, 115, 109, 1, 0, 0, 0];

function v8Features(): V8Features {
  const isValid = (module: number[]): boolean => WebAssembly.validate(new Uint8Array([...HEADER, ...module]));
  const { simd, relaxedSimd, memory64, tailCalls } = MODULES;
  let threads = false;
  try {
    threads = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer instanceof SharedArrayBuffer;
  } catch {
    // Neither has it.
  }
  return {
    threads,
    simd: isValid(simd),
    relaxedSimd: isValid(relaxedSimd),
    memory64: isValid(memory64),
    tailCalls: isValid(tailCalls),
  };
}

type OpenFile = Awaited<ReturnType<typeof open>>;

/** Do something with a new file in a folder, which is removed then, or by the next clean-up. */
async function withProbe<Result>(folder: string, work: (file: OpenFile) => Promise<Result>): Promise<Result> {
  const path = temporaryName(join(folder, 'doctor'));
  return notedAsUnfinished(path, async () => {
    const file = await open(path, 'wx', 0o600);
    try {
      return await work(file);
    } finally {
      await file.close();
      await hostFiles.remove(path);
    }
  });
}

async function measureSpeed(file: OpenFile): Promise<number> {
  // Zeroes would be left out by some file systems, and squeezed by others.
  const piece = Buffer.from(crypto.getRandomValues(new Uint32Array(16_384)).buffer);
  const whole = Buffer.concat(Array.from({ length: MiB / piece.length }, () => piece));
  const since = performance.now();
  let written = 0;
  for (let n = 0; n < PROBE_PIECES && (n === 0 || performance.now() - since < PROBE_MS); n++) {
    whole.writeUInt32LE(n);
    await file.write(whole);
    written += whole.length;
  }
  await file.datasync();
  return (written / Math.max(performance.now() - since, 1)) * 1000;
}

async function boxHealth(library: Library, dataFolder: string): Promise<BoxHealth[]> {
  return Promise.all(
    (await library.list()).map(async ({ id, values, error }): Promise<BoxHealth> => {
      const name = values?.name ?? id;
      if (error) return { name, problem: { kind: 'unusable', why: error.message } };
      try {
        (await findRunning(dataFolder, id))?.close();
        return { name };
      } catch (failure) {
        return { name, problem: { kind: 'unreachable', why: asVmError(failure).message } };
      }
    }),
  );
}

async function askMirror(mirror: string): Promise<void> {
  const { signal, abort } = withLimit(MIRROR_MS);
  try {
    const answer = await fetch(`${mirror}/dists/trixie/InRelease`, { method: 'HEAD', signal });
    if (!answer.ok) throw new VmError('Network', `it answers ${answer.status}`);
  } catch (error) {
    if (error instanceof VmError) throw error;
    const { name, message, cause } = error as Error & { cause?: { code?: string } };
    throw new VmError('Network', name === 'AbortError' ? `no answer in ${MIRROR_MS / 1000} s` : (cause?.code ?? message));
  } finally {
    abort();
  }
}

/** Not AbortSignal.timeout(), whose timer keeps no process alive: a fetch that hangs would end it early. */
function withLimit(milliseconds: number): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), milliseconds);
  return { signal: controller.signal, abort: () => clearTimeout(timer) };
}

function listen(): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => server.close(() => resolve()));
  });
}

/** What a report says of this computer. */
export function reportFacts(): ReportFacts {
  const { node, v8, electron } = process.versions as NodeJS.ProcessVersions & { electron?: string };
  return { hartbox: HARTBOX_VERSION, system: `${process.platform} ${release()} ${process.arch}`, node, v8, electron, at: Date.now() };
}

/** What a report must not say. */
export async function privateDetails(): Promise<PrivateDetails> {
  const or = <Value>(ask: () => Value, otherwise: Value): Value => {
    try {
      return ask();
    } catch {
      // A user whom the system does not know has no name to be found.
      return otherwise;
    }
  };
  const home = or(homedir, '');
  return {
    homes: [home, await realpath(home).catch(() => home)].filter(Boolean),
    user: or(() => userInfo().username, process.env['USER'] ?? process.env['USERNAME'] ?? ''),
    host: hostname(),
  };
}
