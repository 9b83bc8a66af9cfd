import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { isIntelHex } from '../engine/images/intel-hex';
import type { FileKind, FileProbe } from './box-contract';

/** As far as the volume descriptor of a CD (ISO 9660 §6.2.1: sector 16). */
const HEAD_BYTES = 16 * 2048 + 8;
/** Below this address OpenSBI sits, and programs that run in machine mode by themselves; kernels are loaded behind it. */
const KERNELS_FROM = 0x8020_0000n;
const EM_RISCV = 243;

/** Say what a file is by its first bytes, and where those tell nothing by its name. Reads nothing but regular files. Never throws. */
export async function probeFile(path: string): Promise<FileProbe> {
  const nothing = { path, kind: 'unknown', size: 0 } as const;
  let file: FileHandle | undefined;
  try {
    const before = await stat(path);
    if (before.isDirectory()) return { ...nothing, problem: 'folder' };
    if (!before.isFile()) return { ...nothing, problem: 'special' };
    // A pipe that took its place meanwhile must not hold us up.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const found = await file.stat();
    if (!found.isFile()) return { ...nothing, problem: 'special' };
    if (found.size === 0) return { ...nothing, problem: 'empty' };
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return { path, size: found.size, ...kindOf(head.subarray(0, bytesRead), basename(path)) };
  } catch (error) {
    return { ...nothing, problem: (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'unreadable' };
  } finally {
    await file?.close();
  }
}

function kindOf(head: Buffer, name: string): { kind: FileKind; format?: string } {
  const has = (text: string, at = 0): boolean => head.length >= at + text.length && head.toString('latin1', at, at + text.length) === text;
  if (has('CD001', 16 * 2048 + 1)) return { kind: 'iso', format: 'ISO 9660' };
  if (has('QFI\xfb')) return { kind: 'disk', format: 'qcow2' };
  for (const [magic, format, at] of [
    ['KDMV', 'VMDK', 0],
    ['# Disk DescriptorFile', 'VMDK', 0],
    ['vhdxfile', 'VHDX', 0],
    ['conectix', 'VHD', 0],
    ['\x7f\x10\xda\xbe', 'VDI', 64],
  ] as const) {
    if (has(magic, at)) return { kind: 'unsupported', format };
  }
  if (has('\x7fELF')) return kindOfElf(head);
  // Linux, Documentation/arch/riscv/boot-image-header.rst
  if (has('RSC\x05', 56)) return { kind: 'kernel', format: 'Linux Image' };
  if (has('\x27\x05\x19\x56')) return { kind: 'kernel', format: 'uImage' };
  // FIT is a device tree that has images in it; what is one by itself is nothing to start.
  if (has('\xd0\x0d\xfe\xed') && !/\.dtbo?$/i.test(name)) return { kind: 'kernel', format: 'FIT' };
  if (isIntelHex(head)) return { kind: 'elf', format: 'Intel hex' };
  const packed = has('\x1f\x8b') ? 'gzip' : has('\x28\xb5\x2f\xfd') ? 'zstd' : undefined;
  if (packed && /^(vmlinu|linux|image|kernel)/i.test(name)) return { kind: 'kernel', format: packed };
  if (packed || has('\xfd7zXZ')) return { kind: 'unknown' };
  if (/\.iso$/i.test(name)) return { kind: 'iso' };
  // Partition tables: GPT, and MBR (which a boot sector without partitions has as well).
  if (has('EFI PART', 512) || has('\x55\xaa', 510) || /\.(img|raw|qcow2)$/i.test(name)) return { kind: 'disk', format: 'raw' };
  return { kind: 'unknown' };
}

/** Programs that run in machine mode, and kernels, tell by where they begin: OpenSBI's place, or elsewhere (Linux at a virtual address). */
function kindOfElf(head: Buffer): { kind: FileKind; format?: string } {
  if (head.length < 64 || head[4] !== 2 || head[5] !== 1 || head.readUInt16LE(18) !== EM_RISCV)
    return { kind: 'unsupported', format: 'ELF' };
  const entry = head.readBigUInt64LE(24);
  return { kind: entry < KERNELS_FROM ? 'elf' : 'kernel', format: 'ELF' };
}
