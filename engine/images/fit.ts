import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { deviceTreeBytes, type FileNode, isDeviceTree, nodeAt, numberOf, readDeviceTree, textOf } from './device-tree-file';
import { imageError, type ImageFile, unpack } from './image-file';

/** What this board's device tree calls it. */
const BOARD = 'riscv-virtio';
const KERNEL_TYPES = ['kernel', 'kernel_noload', 'standalone'];
const HASHES = ['md5', 'sha1', 'sha256', 'sha384', 'sha512'];

export interface Fit {
  kernel: ImageFile;
  address?: number;
  entry?: number;
  initrd?: ImageFile;
  deviceTree?: ImageFile;
}

/** Whether a device tree is one of images (U-Boot's Flattened Image Tree), not of a machine. */
export function isFit(file: ImageFile): boolean {
  return nodeAt(readDeviceTree(file), '/images') !== undefined;
}

/**
 * The default configuration of a FIT: kernel, ramdisk and device tree, their hashes checked (https://fitspec.osfw.foundation §2). A device tree
 * that is not for this board is left out: the machine's own takes its place. Throws VmError 'Image'.
 */
export async function readFit(file: ImageFile, limit: number): Promise<Fit> {
  const root = readDeviceTree(file);
  const images = nodeAt(root, '/images')?.children ?? [];
  const configurations = nodeAt(root, '/configurations');
  const wanted = textOf(configurations, 'default');
  const configuration = configurations?.children.find(({ name }) => wanted === undefined || name === wanted);
  if (configurations && configurations.children.length > 0 && !configuration)
    throw imageError(file, `is corrupt: its default configuration ${wanted} is not in it.`, { code: 'image-corrupt' });
  /** The image of a part: which one the configuration names; where there is none, the first of its type. */
  const part = (key: string, types: readonly string[]): FileNode | undefined => {
    if (!configuration) return images.find((image) => types.includes(textOf(image, 'type') ?? ''));
    const name = textOf(configuration, key);
    if (name === undefined) return undefined;
    const found = images.find((image) => image.name === name);
    if (!found) throw imageError(file, `is corrupt: ${name}, which its configuration names, is not in it.`, { code: 'image-corrupt' });
    return found;
  };

  const kernel = part('kernel', KERNEL_TYPES);
  if (!kernel || !KERNEL_TYPES.includes(textOf(kernel, 'type') ?? '')) {
    throw imageError(file, 'is a FIT without a kernel.', { code: 'image-wrong-part', params: { holds: textOf(kernel, 'type') ?? 'FIT' } });
  }
  const machine = textOf(kernel, 'arch') ?? 'riscv';
  if (machine !== 'riscv')
    throw imageError(file, `is for ${machine}; this machine needs one for RISC-V (arch = "riscv").`, {
      code: 'image-foreign-kernel',
      params: { machine },
    });
  const method = textOf(kernel, 'compression') ?? 'none';
  if (!['none', 'gzip', 'zstd'].includes(method))
    throw imageError(file, `is compressed with ${method}; gzip and zstd can be unpacked.`, {
      code: 'image-compression',
      params: { method },
    });

  const [ramdisk, tree] = [part('ramdisk', ['ramdisk']), part('fdt', ['flat_dt'])];
  const deviceTree = tree && { what: 'device tree', path: file.path, bytes: contents(file, tree) };
  const isMoved = textOf(kernel, 'type') === 'kernel_noload';
  const [address, entry] = isMoved ? [] : [numberOf(kernel, 'load'), numberOf(kernel, 'entry')];
  return {
    kernel: await unpack({ ...file, bytes: contents(file, kernel) }, limit),
    ...(address !== undefined && { address }),
    ...(entry !== undefined && { entry }),
    ...(ramdisk && { initrd: { what: 'initrd', path: file.path, bytes: contents(file, ramdisk) } }),
    ...(deviceTree && isForThisBoard(deviceTree) && { deviceTree }),
  };
}

function isForThisBoard(tree: ImageFile): boolean {
  if (!isDeviceTree(tree.bytes)) return false;
  const { compatible } = readDeviceTree(tree).properties;
  return compatible !== undefined && Buffer.from(compatible).toString('latin1').split('\0').includes(BOARD);
}

/** The data of an image, in the tree or behind it, with its hashes checked. */
function contents(file: ImageFile, image: FileNode): Uint8Array {
  const corrupt = (problem: string): Error =>
    imageError(file, `is corrupt: its image ${image.name} ${problem}.`, { code: 'image-corrupt' });
  const size = numberOf(image, 'data-size');
  const position = numberOf(image, 'data-position');
  const offset = numberOf(image, 'data-offset');
  const inside = image.properties['data'];
  const from = position ?? (offset === undefined ? undefined : Math.ceil(deviceTreeBytes(file.bytes) / 4) * 4 + offset);
  if (inside === undefined && (from === undefined || size === undefined)) throw corrupt('has no data');
  if (inside === undefined && (from as number) + (size as number) > file.bytes.length) throw corrupt('ends behind the end of the file');
  const data = inside ?? file.bytes.subarray(from, (from as number) + (size as number));
  if (data.length === 0) throw corrupt('is empty');
  for (const { name, properties } of image.children) {
    if (!/^hash(?:[-@].*)?$/.test(name)) continue;
    const algorithm = textOf({ name, properties, children: [] }, 'algo') ?? '';
    const expected = properties['value'];
    // Those that nobody here can check say nothing.
    if (expected === undefined || !(algorithm === 'crc32' || HASHES.includes(algorithm))) continue;
    const found = algorithm === 'crc32' ? crc32Bytes(data) : createHash(algorithm).update(data).digest();
    if (!found.equals(expected)) throw corrupt(`is not what its ${algorithm} says`);
  }
  return data;
}

function crc32Bytes(data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(data));
  return bytes;
}
