import { createHash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { z } from 'zod';
import { ensureFolder } from '../host/ensure-folder';
import { VmError } from '../errors/vm-error';
import { replaceFile } from '../host/new-file';
import { hostFiles } from '../host/patient-files';
import { readCpio, writeCpio } from './cpio';
import { dataDirectory } from '../host/data-directory';
import { onDisk, type Patience } from './download';
import { buildInitramfs, guestModules, initramfsRecipe, type KernelModule } from './initramfs';
import { packageDamaged, readKernelPackage } from './kernel-package';
import { fromFirstMirror } from './mirror';
import { acquireFolder, downloadPackages, extractFile, isIntact, type Part, partSchema, writePart } from './package-files';
import type { DebianPackage } from './packages';
import { findGuestPackages, type GuestPackages } from './suite';

/**
 * The kernel's command line: messages (warnings and worse) to the UART. Left out is what this guest has no use for and what
 * would be two thirds of its boot (millions of instructions): the crypto self-tests (400), the test of the jitter entropy source (175), the
 * keys of module signatures (26) and the names of enums in trace events (80). The early console is for a panic before the UART's driver.
 */
const COMMAND_LINE =
  'console=ttyS0 quiet earlycon=sbi cryptomgr.notests initcall_blacklist=jent_mod_init,load_system_certificate_list,trace_eval_init';
/** Bytes of RAM in which kernel and unpacked initramfs have room: with 112 MiB the kernel panics. */
const MINIMUM_MEMORY = 128 << 20;

/** What there is to boot: paths of files, and the kernel's command line. */
export interface DefaultGuest {
  kernel: string;
  initrd: string;
  firmware: string;
  append: string;
  /** Bytes of RAM that it needs at least. */
  minimumMemory: number;
}

export interface SetupProgress {
  /** wait: another process is at it; index: looking for packages; download; unpack; build: the initramfs. */
  phase: 'wait' | 'index' | 'download' | 'unpack' | 'build';
  /** Bytes done and to do in this phase; both 0 where that is not known. */
  received: number;
  total: number;
}

export interface DefaultGuestOptions {
  /** Default: see dataDirectory(). */
  dataDirectory?: string | undefined;
  /** The one Debian mirror to use; default: see debianMirrors(). */
  mirror?: string | undefined;
  /** Ask the mirror whether there are newer packages; otherwise what is there is used without asking. */
  update?: boolean | undefined;
  onProgress?: ((progress: SetupProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Keys that may sign the suite, ASCII-armoured; default: the Debian archive's. */
  keys?: readonly string[] | undefined;
  patience?: Patience | undefined;
  /** Folder of the guest that came with Hartbox; default: that of an installed one. */
  bundled?: string | undefined;
}

const partNames = ['kernel', 'firmware', 'parts', 'initrd'] as const;
type PartName = (typeof partNames)[number];

/** guest.json: what lies in the guest's folder and how it was made. */
const manifestSchema = z.object({
  folder: z.string().regex(/^[0-9a-f]{16}$/),
  recipe: z.string(),
  /** Modules that were asked for when the parts were taken out of the kernel package. */
  modules: z.array(z.string()).refine((modules) => guestModules.every((name) => modules.includes(name))),
  kernelVersion: z.string(),
  packages: z.record(z.string(), z.string()),
  parts: z.object({ kernel: partSchema, firmware: partSchema, parts: partSchema, initrd: partSchema }),
});
type Manifest = z.output<typeof manifestSchema>;

/**
 * The default guest, a Debian trixie kernel with a busybox shell: made from Debian's packages at the first call (some 115 MB
 * are fetched, 40 MB stay), taken from the data directory afterwards, without the network. Damaged files are made again. Several processes may call at the same time.
 * Throws VmError 'Network' if no mirror has the packages, 'Resource' if the disk is full or not writable; an abort
 * throws the signal's reason.
 */
export async function defaultGuest(options: DefaultGuestOptions = {}): Promise<DefaultGuest> {
  const root = join(options.dataDirectory ?? dataDirectory(), 'default-guest');
  const report = (phase: SetupProgress['phase'], received = 0, total = 0): void => options.onProgress?.({ phase, received, total });
  options.signal?.throwIfAborted();

  const present = options.update ? undefined : await presentGuest(options);
  if (present) return present;

  await onDisk(root, async () => ensureFolder(root));
  const release = await acquireFolder(root, options.signal, () => report('wait'));
  try {
    // Another process may have made it meanwhile.
    return (options.update ? undefined : await readGuest(root)) ?? (await make(root, options, report));
  } finally {
    await release();
  }
}

/** The default guest, if it is there; nothing is fetched, and nothing mended. */
export async function presentGuest(options: DefaultGuestOptions = {}): Promise<DefaultGuest | undefined> {
  const bundled = options.bundled ?? bundledFolder();
  // What the user has fetched may be newer than what came with Hartbox.
  const own = await readGuest(join(options.dataDirectory ?? dataDirectory(), 'default-guest'));
  return own ?? (bundled === undefined ? undefined : await readGuest(bundled));
}

async function readGuest(folder: string): Promise<DefaultGuest | undefined> {
  const manifest = await readManifest(folder);
  return manifest?.recipe === initramfsRecipe && (await intact(folder, manifest, ['kernel', 'firmware', 'initrd']))
    ? toGuest(folder, manifest)
    : undefined;
}

/** Whether the default guest starts without the network: it is there, whole or to be put together of what is. Nothing is read but its description. */
export async function isGuestPresent(directory = dataDirectory()): Promise<boolean> {
  const folders = [join(directory, 'default-guest'), bundledFolder()].filter((folder) => folder !== undefined);
  return (await Promise.all(folders.map(readManifest))).some((manifest) => manifest !== undefined);
}

/** The guest that an installed Hartbox brings along (resources/setup/dist-parts.mjs): beside app.asar or cli, in whose out/main this code lies. */
function bundledFolder(): string | undefined {
  const places = ['../../../hartbox-guest', '../../../../hartbox-guest'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  return places.find((folder) => existsSync(join(folder, 'guest.json')));
}

type Report = (phase: SetupProgress['phase'], received?: number, total?: number) => void;

async function make(root: string, options: DefaultGuestOptions, report: Report): Promise<DefaultGuest> {
  const manifest = await readManifest(root);
  const reusable = manifest && (await intact(root, manifest, ['kernel', 'firmware', 'parts'])) ? manifest : undefined;
  if (reusable && !options.update) return await assemble(root, reusable, report);

  const cache = join(options.dataDirectory ?? dataDirectory(), 'cache');
  const packages = await fetchPackages(cache, reusable, options, report);
  const made = packages ? await unpack(root, cache, packages, report).catch((error: unknown) => discard(root, packages, error)) : undefined;
  const guest = await assemble(root, made ?? (reusable as Manifest), report);
  // From here on nothing needs the packages, nor what an earlier version was made of.
  if (made) {
    await hostFiles.removeFolder(cache).catch(() => undefined);
    for (const name of await readdir(root)) {
      if (/^[0-9a-f]{16}$/.test(name) && name !== made.folder) await hostFiles.removeFolder(join(root, name)).catch(() => undefined);
    }
  }
  return guest;
}

/** Downloads the packages into the cache, from the first mirror that can; undefined if they are those of `present`. */
async function fetchPackages(
  cache: string,
  present: Manifest | undefined,
  options: DefaultGuestOptions,
  report: Report,
): Promise<GuestPackages | undefined> {
  const { signal, keys, patience } = options;
  return fromFirstMirror({ mirror: options.mirror, signal, what: 'the default guest' }, async (mirror) => {
    report('index');
    const packages = await findGuestPackages(mirror, {
      cache,
      keys,
      signal,
      dataDirectory: options.dataDirectory,
      patience,
      onProgress: (received, total) => report('index', received, total),
    });
    if (present && folderName(packages) === present.folder) return undefined;
    await downloadPackages(mirror, cache, Object.values(packages) as DebianPackage[], {
      signal,
      patience,
      onProgress: (received, total) => report('download', received, total),
    });
    return packages;
  });
}

/** Leaves nothing half unpacked on a disk that may be full. */
async function discard(root: string, packages: GuestPackages, error: unknown): Promise<never> {
  await hostFiles.removeFolder(join(root, folderName(packages))).catch(() => undefined);
  throw error;
}

/** Takes out of the packages what the guest is made of. The manifest returned has no initramfs yet. */
async function unpack(root: string, cache: string, packages: GuestPackages, report: Report): Promise<Manifest> {
  const folder = folderName(packages);
  const directory = join(root, folder);
  await onDisk(directory, async () => ensureFolder(directory));

  const firmware = await extractFile(cache, packages.firmware, 'usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin');
  const busybox = await extractFile(cache, packages.busybox, 'usr/bin/busybox');
  const kernel = await extractKernel(cache, packages.kernel, join(directory, 'kernel'), report);
  const parts = writeCpio([
    { type: 'file', path: 'busybox', data: busybox },
    ...kernel.modules.map(({ path, data }) => ({ type: 'file', path, data }) as const),
  ]);
  return {
    folder,
    recipe: '',
    modules: [...guestModules],
    kernelVersion: kernel.version,
    packages: Object.fromEntries(Object.values(packages).map(({ name, version }: DebianPackage) => [name, version])),
    parts: {
      kernel: kernel.image,
      firmware: await writePart(join(directory, 'firmware'), firmware),
      parts: await writePart(join(directory, 'parts'), await promisify(zlib.gzip)(parts, { level: 1 })),
      initrd: { size: 1, sha256: '0'.repeat(64) },
    },
  };
}

/** Builds the initramfs of the parts that lie there, and says in guest.json that the guest is whole. */
async function assemble(root: string, manifest: Manifest, report: Report): Promise<DefaultGuest> {
  report('build');
  const directory = join(root, manifest.folder);
  const parts = await promisify(zlib.gunzip)(await readFile(join(directory, 'parts')));
  const files = readCpio(parts).filter((entry) => entry.type === 'file');
  const [busybox, ...modules] = files;
  if (busybox?.path !== 'busybox') throw new VmError('Internal', `${join(directory, 'parts')} does not begin with busybox`);
  const initrd = buildInitramfs({ kernelVersion: manifest.kernelVersion, busybox: busybox.data, modules });
  const made: Manifest = {
    ...manifest,
    recipe: initramfsRecipe,
    parts: { ...manifest.parts, initrd: await writePart(join(directory, 'initrd'), initrd) },
  };
  await onDisk(root, () => replaceFile(join(root, 'guest.json'), `${JSON.stringify(made, undefined, 2)}\n`));
  return toGuest(root, made);
}

interface Kernel {
  version: string;
  image: Part;
  modules: KernelModule[];
}

/** Writes the kernel image to `file` and collects the guest's modules with all that they depend on. */
async function extractKernel(cache: string, kernel: DebianPackage, file: string, report: Report): Promise<Kernel> {
  let image: Part | undefined;
  const { version, modules } = await readKernelPackage(cache, kernel, guestModules, {
    onRead: (received) => report('unpack', received, kernel.size),
    onImage: async (contents) => {
      image = await writeImage(file, contents);
    },
  });
  if (!image) throw packageDamaged(kernel, 'no kernel image (boot/vmlinux-…)');
  return { version, image, modules };
}

async function writeImage(file: string, contents: AsyncIterable<Uint8Array>): Promise<Part> {
  const hash = createHash('sha256');
  let size = 0;
  await onDisk(file, () =>
    pipeline(
      contents,
      async function* (pieces: AsyncIterable<Uint8Array>) {
        for await (const piece of pieces) {
          hash.update(piece);
          size += piece.length;
          yield piece;
        }
      },
      createWriteStream(file),
    ),
  );
  return { size, sha256: hash.digest('hex') };
}

async function readManifest(root: string): Promise<Manifest | undefined> {
  const text = await readFile(join(root, 'guest.json'), 'utf8').catch(() => '{}');
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch {
    // A manifest that cannot be read, or tells of too few parts, is as good as none: the guest is made again.
    return undefined;
  }
}

async function intact(root: string, manifest: Manifest, names: PartName[]): Promise<boolean> {
  const checks = names.map((name) => isIntact(join(root, manifest.folder, name), manifest.parts[name]));
  return (await Promise.all(checks)).every(Boolean);
}

function toGuest(root: string, { folder }: Manifest): DefaultGuest {
  const path = (name: PartName): string => join(root, folder, name);
  return {
    kernel: path('kernel'),
    initrd: path('initrd'),
    firmware: path('firmware'),
    append: COMMAND_LINE,
    minimumMemory: MINIMUM_MEMORY,
  };
}

/** The same packages give the same folder. */
function folderName(packages: GuestPackages): string {
  const hashes = Object.values(packages).map(({ sha256 }: DebianPackage) => sha256);
  return createHash('sha256').update(hashes.join()).digest('hex').slice(0, 16);
}
