import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ensureFolder } from '../host/ensure-folder';
import { VmError } from '../errors/vm-error';
import { replaceFile } from '../host/new-file';
import { hostFiles } from '../host/patient-files';
import { dataDirectory } from '../host/data-directory';
import { type DefaultGuestOptions, presentGuest, type SetupProgress } from './default-guest';
import { onDisk } from './download';
import { fromFirstMirror } from './mirror';
import { acquireFolder, downloadPackages, extractFile, isIntact, partSchema, writePart } from './package-files';
import type { DebianPackage } from './packages';
import { readSuite } from './suite';

/** The files of each firmware, and where in Debian's packages they lie. All of them start on OpenSBI. */
const OPENSBI = { package: 'opensbi', path: 'usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin' };
const FIRMWARES = {
  opensbi: {
    opensbi: OPENSBI,
  },
  uboot: {
    opensbi: OPENSBI,
    uboot: { package: 'u-boot-qemu', path: 'usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin' },
  },
  edk2: {
    opensbi: OPENSBI,
    code: { package: 'qemu-efi-riscv64', path: 'usr/share/qemu-efi-riscv64/RISCV_VIRT_CODE.fd' },
    variables: { package: 'qemu-efi-riscv64', path: 'usr/share/qemu-efi-riscv64/RISCV_VIRT_VARS.fd' },
  },
} as const satisfies Record<string, Record<string, { package: string; path: string }>>;

export type StockFirmware = keyof typeof FIRMWARES;
/** Paths of a firmware's files by what they are. */
export type FirmwareFiles<F extends StockFirmware = StockFirmware> = Record<keyof (typeof FIRMWARES)[F], string>;

/** firmware.json: what lies in the firmware's folder. */
const manifestSchema = z.object({
  folder: z.string().regex(/^[0-9a-f]{16}$/),
  packages: z.record(z.string(), z.string()),
  parts: z.record(z.string(), partSchema),
});
type Manifest = z.output<typeof manifestSchema>;

/** OpenSBI alone: the default guest's where that is there, else as stockFirmware() has it. */
export async function openSbi(options: DefaultGuestOptions = {}): Promise<string> {
  return (await presentGuest(options))?.firmware ?? (await stockFirmware('opensbi', options)).opensbi;
}

/**
 * OpenSBI, or U-Boot or EDK2 with the OpenSBI that it runs on: taken from Debian's packages at the first call (some 15 MB are fetched), from the
 * data directory afterwards, without the network. Several processes may call at the same time. Throws as `defaultGuest` does.
 */
export async function stockFirmware<F extends StockFirmware>(which: F, options: DefaultGuestOptions = {}): Promise<FirmwareFiles<F>> {
  const root = join(options.dataDirectory ?? dataDirectory(), 'firmware', which);
  const report = (phase: SetupProgress['phase'], received = 0, total = 0): void => options.onProgress?.({ phase, received, total });
  options.signal?.throwIfAborted();
  const present = options.update ? undefined : await ready(root, which);
  if (present) return present;

  await onDisk(root, async () => ensureFolder(root));
  const release = await acquireFolder(root, options.signal, () => report('wait'));
  try {
    // Another process may have fetched it meanwhile.
    return (options.update ? undefined : await ready(root, which)) ?? (await fetchFirmware(root, which, options, report));
  } finally {
    await release();
  }
}

async function ready<F extends StockFirmware>(root: string, which: F): Promise<FirmwareFiles<F> | undefined> {
  const text = await readFile(join(root, 'firmware.json'), 'utf8').catch(() => '{}');
  let manifest: Manifest;
  try {
    manifest = manifestSchema.parse(JSON.parse(text));
  } catch {
    // A manifest that cannot be read is as good as none: the firmware is fetched again.
    return undefined;
  }
  for (const name of Object.keys(FIRMWARES[which])) {
    const part = manifest.parts[name];
    if (!part || !(await isIntact(join(root, manifest.folder, name), part))) return undefined;
  }
  return paths(root, which, manifest.folder);
}

async function fetchFirmware<F extends StockFirmware>(
  root: string,
  which: F,
  options: DefaultGuestOptions,
  report: (phase: SetupProgress['phase'], received?: number, total?: number) => void,
): Promise<FirmwareFiles<F>> {
  const { signal, keys, patience } = options;
  const cache = join(root, 'cache');
  const files = Object.entries<{ package: string; path: string }>(FIRMWARES[which]);
  const names = [...new Set(files.map(([, file]) => file.package))];
  const packages = await fromFirstMirror({ mirror: options.mirror, signal, what: `the firmware ${which}` }, async (mirror) => {
    report('index');
    const found = await readSuite(
      mirror,
      {
        cache,
        keys,
        signal,
        dataDirectory: options.dataDirectory,
        patience,
        onProgress: (received, total) => report('index', received, total),
      },
      (name) => names.includes(name),
    );
    const wanted = new Map<string, DebianPackage>();
    for (const name of names) {
      const one = found.get(name);
      if (!one) throw new VmError('Network', `the mirror has no package ${name} for riscv64`);
      wanted.set(name, one);
    }
    await downloadPackages(mirror, cache, [...wanted.values()], {
      signal,
      patience,
      onProgress: (received, total) => report('download', received, total),
    });
    return wanted;
  });

  report('unpack');
  const hashes = [...packages.values()].map(({ sha256 }) => sha256);
  const folder = createHash('sha256').update(hashes.join()).digest('hex').slice(0, 16);
  await onDisk(root, async () => ensureFolder(join(root, folder)));
  const parts: Manifest['parts'] = {};
  for (const [name, file] of files) {
    const bytes = await extractFile(cache, packages.get(file.package) as DebianPackage, file.path);
    parts[name] = await writePart(join(root, folder, name), withoutPadding(bytes));
  }
  const versions = Object.fromEntries([...packages.values()].map(({ name, version }) => [name, version]));
  const manifest: Manifest = { folder, packages: versions, parts };
  await onDisk(root, () => replaceFile(join(root, 'firmware.json'), `${JSON.stringify(manifest, undefined, 2)}\n`));
  for (const name of await readdir(root)) {
    if (name === 'cache' || (/^[0-9a-f]{16}$/.test(name) && name !== folder))
      await hostFiles.removeFolder(join(root, name)).catch(() => undefined);
  }
  return paths(root, which, folder);
}

/** Images for a flash bank are filled up with zeros to its 32 MiB. */
function withoutPadding(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 1 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}

function paths<F extends StockFirmware>(root: string, which: F, folder: string): FirmwareFiles<F> {
  return Object.fromEntries(Object.keys(FIRMWARES[which]).map((name) => [name, join(root, folder, name)])) as FirmwareFiles<F>;
}
