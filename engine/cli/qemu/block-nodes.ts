import { resolve } from 'node:path';
import type { DriveConfigInput } from '../../settings/drive';
import type { Properties } from './properties';

/** A disk image that a device, or a flash bank, may use. */
export interface Image {
  /** Its name for devices: an id of -drive, or a node of -blockdev. */
  name: string | undefined;
  /** As it was written, for messages. */
  where: string;
  values: Pick<DriveConfigInput, 'file' | 'format' | 'readonly' | 'discard' | 'serial'> & { media?: 'disk' | 'cdrom' };
  isSnapshot: boolean;
  /** Of -drive. */
  interface: string;
  unit: number | undefined;
  /** A device has it. */
  isUsed: boolean;
}

/** How QEMU reads and writes images on the host, which makes no difference to the guest. */
const HOW = [
  ...[
    'cache',
    'aio',
    'detect-zeroes',
    'werror',
    'rerror',
    'copy-on-read',
    'cache.direct',
    'cache.no-flush',
    'cache.writeback',
    'auto-read-only',
  ],
  ...[
    'locking',
    'file.locking',
    'preallocate',
    'bps',
    'iops',
    'bps_rd',
    'bps_wr',
    'iops_rd',
    'iops_wr',
    'x-check-cache-dropped',
    'pr-manager',
  ],
  ...['file.aio', 'file.cache.direct', 'file.cache.no-flush', 'lazy-refcounts', 'l2-cache-size', 'cache-size', 'discard-no-unref'],
];
const FORMATS = ['raw', 'qcow2'] as const;

/** What `-drive` says. Throws QemuError. */
export function imageOfDrive(drive: Properties, isSnapshot: boolean): Image {
  const file = drive.take('file', 'file.filename');
  const name = drive.take('id', 'node-name');
  const kind = drive.take('if') ?? 'none';
  const media = drive.take('media') ?? 'disk';
  if (media !== 'disk' && media !== 'cdrom') throw drive.wrong(`'${media}' invalid media: it can be disk or cdrom`);
  const format = formatOf(drive, drive.take('format', 'driver', 'file.driver'));
  const unit = drive.takeNumber('unit', 'index');
  drive.ignore('bus', ...HOW);
  const values = {
    file: file === undefined ? '' : pathOf(drive, file),
    format,
    readonly: drive.takeSwitch('readonly', 'read-only') ?? false,
    discard: discards(drive, drive.take('discard')),
    ...serialOf(drive),
    media,
  } as const;
  const ownSnapshot = drive.takeSwitch('snapshot');
  drive.end('a drive');
  return { name, where: drive.where, values, isSnapshot: ownSnapshot ?? isSnapshot, interface: kind, unit, isUsed: false };
}

function serialOf(drive: Properties): { serial?: string } {
  const serial = drive.take('serial');
  return serial === undefined ? {} : { serial };
}

/** The images that the nodes of `-blockdev` are at their top: a format over a file, or a file alone. Throws QemuError. */
export function imagesOfNodes(nodes: readonly Properties[]): Image[] {
  const byName = new Map<string, { node: Properties; driver: string; below: string | undefined }>();
  for (const node of nodes) {
    const name = node.take('node-name');
    if (name === undefined) throw node.wrong("'node-name' must be specified for the root node");
    if (byName.has(name)) throw node.wrong(`Duplicate nodes with node-name='${name}'`);
    byName.set(name, { node, driver: node.take('driver') ?? '', below: node.take('file') });
  }
  return [...byName].map(([name, { node, driver, below }]) => {
    const lower = below === undefined ? undefined : byName.get(below);
    if (below !== undefined && !lower) throw node.wrong(`Cannot find device='' nor node-name='${below}'`);
    const files = lower ? lower.node : node;
    const fileDriver = lower ? lower.driver : (node.take('file.driver') ?? driver);
    if (fileDriver !== 'file' && fileDriver !== 'host_device')
      throw node.wrong(`'${fileDriver}' is no image here: drives are files of this host, raw or qcow2`);
    const file = files.take(lower ? 'filename' : 'file.filename', 'filename');
    if (file === undefined) throw node.wrong("Parameter 'filename' is missing");
    const options = [node, files];
    for (const one of options) one.ignore(...HOW, 'file.node-name');
    const readonly = options.some((one) => one.takeSwitch('read-only', 'readonly') ?? false);
    const discard = options.map((one) => one.take('discard')).find((value) => value !== undefined);
    node.end('a node');
    const format = driver === 'file' || driver === 'host_device' ? 'raw' : formatOf(node, driver);
    const values = { file: pathOf(node, file), format, readonly, discard: discards(node, discard) };
    return { name, where: node.where, values, isSnapshot: false, interface: 'none', unit: undefined, isUsed: false };
  });
}

function formatOf(from: Properties, format: string | undefined): 'auto' | 'raw' | 'qcow2' {
  if (format === undefined || format === 'file') return 'auto';
  const known = FORMATS.find((one) => one === format);
  if (!known) throw from.wrong(`Unknown driver '${format}': images are raw or qcow2 here; qemu-img convert makes one of another`);
  return known;
}

/** Without a word QEMU ignores what the guest gives up. */
function discards(from: Properties, discard: string | undefined): boolean {
  if (discard === undefined || discard === 'ignore' || discard === 'off') return false;
  if (discard === 'unmap' || discard === 'on') return true;
  throw from.wrong(`Invalid discard option '${discard}': it can be ignore or unmap`);
}

function pathOf(from: Properties, file: string): string {
  const [, scheme] = /^([a-z][a-z0-9+]+):/.exec(file) ?? [];
  if (scheme === 'file') return resolve(file.slice(5));
  if (scheme !== undefined && process.platform !== 'win32') throw from.wrong(`drives are files of this host, not ${scheme}: name a file`);
  return resolve(file);
}
