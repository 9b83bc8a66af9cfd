import { createWriteStream } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createDisk } from '../backend/disk/disk-images';
import { VmError } from '../errors/vm-error';
import { type CpioEntry, writeCpio } from '../images/cpio';
import { readDeb } from '../images/deb';
import { rootArchive } from '../images/debian/root-archive';
import { onDisk } from '../images/download';
import { collect, readPackage } from '../images/package-files';
import type { DebianPackage } from '../images/packages';
import { hostFiles } from '../host/patient-files';
import { Runner } from '../runner/runner';
import type { V8Verdict } from '../threads/v8-verdict-schema';
import { earlyBootFile } from './debian-early-boot';
import type { DebianRecipe } from './debian-recipe';

const MiB = 2 ** 20;
/** What the built-in Linux runs a command by; see resources/guest/session.sh. */
const PORTS = { stdin: 'hartbox.stdin', stdout: 'hartbox.stdout', stderr: 'hartbox.stderr', status: 'hartbox.status' };
/** Packages that mke2fs is in, with what it needs. */
const FORMATTER = ['e2fsprogs', 'libext2fs2t64', 'libcom-err2', 'libblkid1', 'libuuid1', 'libc6'];
const FORMATTER_FILE =
  /^usr\/(?:sbin\/mke2fs|lib\/riscv64-linux-gnu\/(?:ld-linux-|libc\.so\.|libext2fs\.|libe2p\.|libcom_err\.|libblkid\.|libuuid\.)[^/]*)$/;
/** A machine that says nothing for so long, in milliseconds, does nothing any more: the longest script takes two minutes on a slow host. */
const SILENCE_MS = 20 * 60_000;
/** What is kept of its output for the message about what went wrong, in characters. */
const TAIL = 4000;

export interface DebianBuild {
  recipe: DebianRecipe;
  /** In the order in which they are configured. */
  packages: readonly DebianPackage[];
  /** Where the packages lie. */
  cache: string;
  /** A folder of its own for what is in between. */
  work: string;
  dataDirectory: string;
  /** See VirtualMachineOptions. */
  v8?: V8Verdict | undefined;
  /** What the machine is for, for people. */
  program: string;
  signal?: AbortSignal | undefined;
  /** Bytes of packages unpacked; then each package that is being configured, and how many that makes. */
  onUnpack?: (done: number) => void;
  onConfigure?: (name: string, done: number) => void;
  /** What the machine prints. */
  onOutput?: ((text: string) => void) | undefined;
}

/**
 * Makes a disk of Debian: its files are put together here, and a machine with the built-in Linux formats the disk, unpacks them and has
 * dpkg configure the packages. Resolves with the path of a qcow2 image in `work`. Throws VmError 'Guest' where that fails, with the last of
 * what the machine printed; an abort throws the signal's reason.
 */
export async function buildDebianDisk(build: DebianBuild): Promise<string> {
  const { recipe, packages, cache, work, signal } = build;
  const disk = join(work, 'disk.qcow2');
  const archive = join(work, 'root.tar');
  const order = packages.map((one) => one.name);
  const files = [
    ...recipe.files,
    await earlyBootFile(cache, packages, recipe.earlyBoot),
    { path: 'hartbox-order', contents: `${order.join('\n')}\n` },
  ];
  await onDisk(archive, () =>
    pipeline(
      rootArchive(packages, { cache, files, onProgress: build.onUnpack, signal }),
      createWriteStream(archive, { highWaterMark: MiB }),
    ),
  );
  signal?.throwIfAborted();
  await createDisk({ file: disk, format: 'qcow2', size: recipe.diskSize });
  await configure(build, disk, archive, await formatter(cache, packages));
  await hostFiles.remove(archive);
  return disk;
}

/** mke2fs and its libraries, for the early file system of the machine. */
async function formatter(cache: string, packages: readonly DebianPackage[]): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [
    { type: 'directory', path: 'hartbox' },
    { type: 'directory', path: 'hartbox/bin' },
  ];
  for (const one of packages.filter(({ name }) => FORMATTER.includes(name))) {
    for await (const { path, type, target, contents } of readDeb(readPackage(cache, one), one.name)) {
      if (!FORMATTER_FILE.test(path)) continue;
      const to = path.includes('/sbin/') ? `hartbox/bin/${basename(path)}` : `lib/${basename(path)}`;
      if (type === 'symlink') entries.push({ type: 'symlink', path: to, target: basename(target) });
      else entries.push({ type: 'file', path: to, mode: 0o755, data: await collect(contents, path) });
    }
  }
  return entries;
}

async function configure(
  { recipe, dataDirectory, v8, program, signal, packages, onConfigure, onOutput }: DebianBuild,
  disk: string,
  archive: string,
  early: readonly CpioEntry[],
): Promise<void> {
  const script = Buffer.from(recipe.script);
  const runner = new Runner({
    config: {
      source: 'linux',
      append: 'quiet',
      memory: 1024 * MiB,
      // One does the work; the other what goes on beside it, where there is a core for it.
      harts: availableParallelism() > 3 ? 2 : 1,
      network: [],
      drives: [
        { file: disk, format: 'qcow2' },
        { file: archive, format: 'raw', readonly: true },
      ],
    },
    program,
    dataDirectory,
    v8,
    ports: Object.values(PORTS),
    extraInitrd: writeCpio([...early, { type: 'file', path: 'hartbox/exec', mode: 0o755, data: script }]),
  });
  let output = '';
  let status = '';
  let configured = 0;
  let line = '';
  let silence: NodeJS.Timeout | undefined;
  const hear = (text: string): void => {
    silence?.refresh();
    onOutput?.(text);
    output = (output + text).slice(-TAIL);
    const lines = (line + text).split('\n');
    line = (lines.pop() ?? '').slice(-TAIL);
    for (const one of lines) {
      const name = /^Setting up ([a-z0-9][a-z0-9+.-]*)/.exec(one)?.[1];
      if (name === undefined) continue;
      configured = Math.min(configured + 1, packages.length);
      onConfigure?.(name, configured);
    }
  };
  const abort = (): void => void runner.forceOff();
  try {
    signal?.addEventListener('abort', abort);
    const machine = await runner.prepare();
    const decoder = new TextDecoder();
    machine.console.onData((data) => hear(new TextDecoder().decode(data)));
    machine.port(PORTS.stdout).onData((data) => hear(decoder.decode(data, { stream: true })));
    machine.port(PORTS.stderr).onData((data) => hear(new TextDecoder().decode(data)));
    machine.port(PORTS.status).onData((data) => {
      status = (status + new TextDecoder().decode(data)).slice(-16);
    });
    let isSilent = false;
    silence = setTimeout(() => {
      isSilent = true;
      abort();
    }, SILENCE_MS);
    await runner.start();
    const exit = await runner.wait();
    signal?.throwIfAborted();
    if (exit.error) throw exit.error;
    if (status.trim() === '0' && output.includes('@ done')) return;
    const why = isSilent ? `it did nothing for ${SILENCE_MS / 60_000} minutes` : 'a step failed';
    throw new VmError('Guest', `The system could not be set up: ${why}. The last of what the machine said:\n${output.trim()}`, {
      code: 'image-build-failed',
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(silence);
    signal?.removeEventListener('abort', abort);
    if (runner.status.state !== 'off') await runner.forceOff();
  }
}
