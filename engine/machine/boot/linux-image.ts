import { imageError, type ImageFile } from '../../images/image-file';

// Boot image header in RISC-V Linux (Documentation/arch/riscv/boot-image-header.rst).
const HEADER_BYTES = 64;
const TEXT_OFFSET = 8;
const IMAGE_SIZE = 16;
const FLAGS = 24;
const MAGIC = 48;
const MAGIC2 = 56;
const PE_OFFSET = 60;
const FLAG_BIG_ENDIAN = 1;

export interface LinuxImage {
  /** Where the image wants to be, in bytes from the start of RAM. */
  textOffset: number;
  /** What it takes in memory, bytes; more than the file has, because of the kernel's bss. */
  memoryBytes: number;
}

function text(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.subarray(at, at + length)).toString('latin1');
}

export function isLinuxImage(bytes: Uint8Array): boolean {
  return text(bytes, MAGIC2, 4) === 'RSC\x05' || text(bytes, MAGIC, 5) === 'RISCV';
}

/** Check the header of an (unpacked) file that is a Linux `Image`. Throws VmError 'Image'. */
export function readLinuxImage(file: ImageFile): LinuxImage {
  const { bytes } = file;
  if (bytes.length < HEADER_BYTES)
    throw imageError(
      file,
      `is truncated: it should have at least ${HEADER_BYTES} bytes and has ${bytes.length}. Copy or download it again.`,
      {
        code: 'image-truncated',
      },
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const u64 = (at: number): number => view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
  if (u64(FLAGS) & FLAG_BIG_ENDIAN)
    throw imageError(file, 'is a big-endian kernel; a little-endian one is needed.', { code: 'image-big-endian' });
  const end = endOfSections(bytes, view);
  if (end > bytes.length)
    throw imageError(file, `is truncated: it should have ${end} bytes and has ${bytes.length}. Copy or download it again.`, {
      code: 'image-truncated',
    });
  return { textOffset: u64(TEXT_OFFSET), memoryBytes: Math.max(u64(IMAGE_SIZE), bytes.length) };
}

/** A kernel with an EFI stub has a PE header, which says how long the file is; 0 where there is none. */
function endOfSections(bytes: Uint8Array, view: DataView): number {
  const pe = view.getUint32(PE_OFFSET, true);
  if (text(bytes, 0, 2) !== 'MZ' || pe === 0) return 0;
  if (pe + 24 > bytes.length) return pe + 24;
  if (text(bytes, pe, 4) !== 'PE\0\0') return 0;
  const table = pe + 24 + view.getUint16(pe + 20, true);
  const count = view.getUint16(pe + 6, true);
  let end = table + count * 40;
  if (end > bytes.length) return end;
  for (let i = 0; i < count; i++) {
    const at = table + i * 40;
    end = Math.max(end, view.getUint32(at + 16, true) + view.getUint32(at + 20, true));
  }
  return end;
}
