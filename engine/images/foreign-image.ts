import { imageError, type ImageFile } from './image-file';
import type { VmError } from '../errors/vm-error';

/** So much of a file is looked at to tell text from code. */
const TEXT_BYTES = 4096;
const TEXT_LEAST = 16;

/** PE's machine types, of EFI programs and kernels with an EFI stub. */
const PE_MACHINES: Record<number, string> = {
  332: 'x86',
  34404: 'x86-64',
  448: 'ARM',
  452: 'ARM',
  43620: 'ARM64',
  20530: 'RISC-V (32 bits)',
  25188: 'LoongArch',
};
const PE_RISCV64 = 0x5064;

/** What a file begins with that is no program for this machine; offset, bytes, name. */
const DISKS: [number, string, string][] = [
  [16 * 2048 + 1, 'CD001', 'ISO 9660'],
  [0, 'QFI\xfb', 'qcow2'],
  [0, 'KDMV', 'VMDK'],
  [0, 'vhdxfile', 'VHDX'],
  [0, 'conectix', 'VHD'],
  [64, '\x7f\x10\xda\xbe', 'VDI'],
  [512, 'EFI PART', 'GPT'],
];
const PACKED: [number, string, string][] = [
  [0, '\xfd7zXZ', 'xz'],
  [0, 'BZh', 'bzip2'],
  [0, '\x04\x22\x4d\x18', 'lz4'],
  [0, '\x02\x21\x4c\x18', 'lz4'],
  [0, '\x5d\0\0', 'lzma'],
  [0, '\x89LZO', 'lzo'],
  [0, 'PK\x03\x04', 'zip'],
  [0, "7z\xbc\xaf'\x1c", '7z'],
  [257, 'ustar', 'tar'],
];
const KERNELS: [number, string, string][] = [
  [0x202, 'HdrS', 'x86'],
  [56, 'ARM\x64', 'ARM64'],
  [0x24, '\x18\x28\x6f\x01', 'ARM'],
  [0, '\xcf\xfa\xed\xfe', 'macOS'],
  [0, '\xca\xfe\xba\xbe', 'macOS or Java'],
];
const INITRDS: [number, string, string][] = [
  [0, '070701', 'cpio'],
  [0, '070702', 'cpio'],
];

/**
 * What is known to be something else than a flat program, with what to do about it; undefined where nothing speaks against it. A program has
 * no header by which one could tell that it is one.
 */
export function foreignImage(file: ImageFile): VmError | undefined {
  const { bytes } = file;
  const found = (rows: readonly [number, string, string][]): string | undefined =>
    rows.find(
      ([at, magic]) =>
        Buffer.from(
          bytes.buffer,
          bytes.byteOffset + Math.min(at, bytes.length),
          Math.min(magic.length, Math.max(0, bytes.length - at)),
        ).toString('latin1') === magic,
    )?.[2];
  const disk = found(DISKS);
  if (disk !== undefined)
    return imageError(file, `is the image of a disk or disc (${disk}), no kernel. Start from it with --drive file=…, or --cdrom.`, {
      code: 'image-is-disk',
      params: { format: disk },
    });
  const method = found(PACKED);
  if (method !== undefined)
    return imageError(file, `is compressed with ${method}; gzip and zstd can be unpacked.`, {
      code: 'image-compression',
      params: { method },
    });
  const machine = found(KERNELS) ?? foreignPe(bytes);
  if (machine !== undefined)
    return imageError(file, `is for ${machine}; this machine needs one for 64-bit RISC-V.`, {
      code: 'image-foreign-kernel',
      params: { machine },
    });
  if (found(INITRDS) !== undefined)
    return imageError(file, 'is an initial file system (cpio), no kernel. Give it with --initrd.', { code: 'image-is-initrd' });
  if (bytes[0] === 0xd0 && bytes[1] === 0x0d && bytes[2] === 0xfe && bytes[3] === 0xed)
    return imageError(file, 'is a device tree, no kernel. Give it with --dtb.', { code: 'image-is-device-tree' });
  return textInPlaceOfCode(file);
}

/** What is wrong with a file of code that has no header to tell by, where it is lines of text. */
export function textInPlaceOfCode(file: ImageFile): VmError | undefined {
  if (!isText(file.bytes)) return undefined;
  return imageError(file, 'is a text file, no program. Give the file that the compiler or the linker made of it.', {
    code: 'image-is-text',
  });
}

/** The machine of a Windows or EFI program that is not for RISC-V. */
function foreignPe(bytes: Uint8Array): string | undefined {
  if (bytes.length < 64 || bytes[0] !== 0x4d || bytes[1] !== 0x5a) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = view.getUint32(60, true);
  if (at + 6 > bytes.length || view.getUint32(at, true) !== 0x4550) return undefined;
  const machine = view.getUint16(at + 4, true);
  return machine === PE_RISCV64 ? undefined : (PE_MACHINES[machine] ?? 'another kind of computer');
}

/** Lines of text: no byte is a control character other than white space, as some are in any code. */
function isText(bytes: Uint8Array): boolean {
  const head = bytes.subarray(0, TEXT_BYTES);
  return (
    head.length >= TEXT_LEAST && head.every((byte) => (byte >= 0x20 && byte !== 0x7f) || (byte >= 9 && byte <= 13)) && head.includes(10)
  );
}
