import { crc32 } from 'node:zlib';
import { imageError, type ImageFile, unpack } from './image-file';

// U-Boot's legacy image format: include/image.h. All fields are big-endian.
const MAGIC = 0x27051956;
const HEADER_BYTES = 64;
const HEADER_CRC = 4;
const SIZE = 12;
const LOAD = 16;
const ENTRY = 20;
const DATA_CRC = 24;
const ARCHITECTURE = 29;
const TYPE = 30;
const COMPRESSION = 31;
const RISCV = 26;
const STANDALONE = 1;
const KERNEL = 2;
const RAMDISK = 3;
const MULTI = 4;
const KERNEL_NOLOAD = 14;
/** Files of an image of several. */
const FILES_MAX = 16;

const ARCHITECTURES: Record<number, string> = { 2: 'ARM', 3: 'x86', 5: 'MIPS', 6: 'MIPS64', 7: 'PowerPC', 22: 'ARM64', 24: 'x86-64' };
const TYPES: Record<number, string> = { 5: 'firmware', 6: 'a script', 7: 'a file system', 8: 'a device tree' };
/** Those of which unpack() makes something by itself are gzip and zstd. */
const COMPRESSIONS: Record<number, string> = { 2: 'bzip2', 3: 'lzma', 4: 'lzo', 5: 'lz4' };

/** What an image may be, for who reads it. */
export const UIMAGE = { kernels: [KERNEL, KERNEL_NOLOAD, STANDALONE, MULTI], ramdisks: [RAMDISK] } as const;

export interface UImage {
  kernel: ImageFile;
  address?: number;
  entry?: number;
  initrd?: ImageFile;
}

export function isUImage(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER_BYTES && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) === MAGIC;
}

/** The contents of a uImage of one of these types, unpacked unless they are a ramdisk. Throws VmError 'Image'. */
export async function readUImage(file: ImageFile, types: readonly number[], limit: number): Promise<UImage> {
  const { bytes } = file;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const size = view.getUint32(SIZE);
  const type = bytes[TYPE];
  const corrupt = (problem: string): Error => imageError(file, `is corrupt: ${problem}.`, { code: 'image-corrupt' });
  const header = Uint8Array.from(bytes.subarray(0, HEADER_BYTES)).fill(0, HEADER_CRC, HEADER_CRC + 4);
  if (crc32(header) !== view.getUint32(HEADER_CRC)) throw corrupt('the checksum of its uImage header is wrong');
  if (!types.includes(type)) {
    const holds = TYPES[type] ?? (type === RAMDISK ? 'a ramdisk' : type === KERNEL ? 'a kernel' : `something of type ${type}`);
    throw imageError(file, `is a uImage of ${holds}, which cannot be used in this place.`, { code: 'image-wrong-part', params: { holds } });
  }
  if (bytes[ARCHITECTURE] !== RISCV) {
    const machine = ARCHITECTURES[bytes[ARCHITECTURE]] ?? `architecture ${bytes[ARCHITECTURE]}`;
    throw imageError(file, `is for ${machine}; this machine needs one for RISC-V (mkimage -A riscv).`, {
      code: 'image-foreign-kernel',
      params: { machine },
    });
  }
  if (HEADER_BYTES + size > bytes.length)
    throw imageError(file, `is truncated: it should have ${HEADER_BYTES + size} bytes and has ${bytes.length}.`, {
      code: 'image-truncated',
    });
  const data = bytes.subarray(HEADER_BYTES, HEADER_BYTES + size);
  if (crc32(data) !== view.getUint32(DATA_CRC)) throw corrupt('the checksum of what its uImage holds is wrong');
  const method = COMPRESSIONS[bytes[COMPRESSION]];
  if (method !== undefined && type !== RAMDISK)
    throw imageError(file, `is compressed with ${method}; gzip and zstd can be unpacked.`, {
      code: 'image-compression',
      params: { method },
    });

  const [payload, initrd] = type === MULTI ? parts(data, corrupt) : [data];
  const kernel = { ...file, bytes: payload };
  if (type === RAMDISK) return { kernel };
  const [address, entry] = [view.getUint32(LOAD), view.getUint32(ENTRY)];
  return {
    kernel: await unpack(kernel, limit),
    // What may lie anywhere says how far behind its first byte it begins.
    ...(type !== KERNEL_NOLOAD && { address, entry }),
    ...(initrd && { initrd: { what: 'initrd', path: file.path, bytes: initrd } }),
  };
}

/** The files of an image of several: a kernel, and where it has one its ramdisk. */
function parts(data: Uint8Array, corrupt: (problem: string) => Error): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const sizes: number[] = [];
  for (let at = 0; ; at += 4) {
    if (at + 4 > data.length || sizes.length > FILES_MAX) throw corrupt('its table of files does not end');
    const size = view.getUint32(at);
    if (size === 0) break;
    sizes.push(size);
  }
  if (sizes.length === 0) throw corrupt('it is one of several files, and has none');
  let at = 4 * (sizes.length + 1);
  return sizes.map((size) => {
    if (at + size > data.length) throw corrupt('a file in it ends behind its end');
    const part = data.subarray(at, at + size);
    at += Math.ceil(size / 4) * 4;
    return part;
  });
}
