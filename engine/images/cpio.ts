import { VmError } from '../errors/vm-error';

const HEADER_BYTES = 110;
const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
/** The kernel looks for the next archive at a multiple of 4; boot loaders like whole blocks. */
const BLOCK_BYTES = 512;
const MODES = { file: 0o100000, directory: 0o040000, symlink: 0o120000, device: 0o020000 } as const;

/** One member of an initramfs. Paths are relative to its root, without a leading slash. All belong to root. */
export type CpioEntry =
  | { type: 'directory'; path: string; mode?: number }
  | { type: 'file'; path: string; mode?: number; data: Uint8Array }
  | { type: 'symlink'; path: string; target: string }
  /** A character device. */
  | { type: 'device'; path: string; mode?: number; major: number; minor: number };

/**
 * A cpio archive in the "newc" form that Linux unpacks as its initramfs (Documentation/driver-api/early-userspace/buffer-format).
 * Entries are unpacked in the order given, so a directory comes before what is in it. Archives may be put one after the other:
 * the length is a multiple of 512 bytes. Times are zero, so that the same entries give the same bytes.
 */
export function writeCpio(entries: Iterable<CpioEntry>): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  const put = (bytes: Uint8Array): void => {
    parts.push(bytes);
    length += bytes.length;
  };
  const pad = (multiple: number): void => put(new Uint8Array((multiple - (length % multiple)) % multiple));
  const member = (path: string, mode: number, data: Uint8Array, inode: number, device: { major: number; minor: number }): void => {
    const name = new TextEncoder().encode(`${path}\0`);
    const links = (mode & 0o170000) === MODES.directory ? 2 : 1;
    const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, device.major, device.minor, name.length, 0];
    put(new TextEncoder().encode(MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join('')));
    put(name);
    pad(4);
    put(data);
    pad(4);
  };

  let inode = 1;
  const nothing = new Uint8Array(0);
  const none = { major: 0, minor: 0 };
  for (const entry of entries) {
    if (entry.path === '' || entry.path === TRAILER || entry.path.includes('\0')) {
      throw new VmError('Config', `"${entry.path}" cannot be the path of an initramfs member`);
    }
    if (entry.type === 'file') member(entry.path, MODES.file | (entry.mode ?? 0o644), entry.data, inode, none);
    else if (entry.type === 'directory') member(entry.path, MODES.directory | (entry.mode ?? 0o755), nothing, inode, none);
    else if (entry.type === 'symlink') member(entry.path, MODES.symlink | 0o777, new TextEncoder().encode(entry.target), inode, none);
    else member(entry.path, MODES.device | (entry.mode ?? 0o600), nothing, inode, entry);
    inode += 1;
  }
  member(TRAILER, 0, nothing, 0, none);
  pad(BLOCK_BYTES);
  return new Uint8Array(Buffer.concat(parts, length));
}

/** The entries of a newc archive, up to its trailer. Throws VmError 'Image' for what is not one. */
export function readCpio(archive: Uint8Array): CpioEntry[] {
  const entries: CpioEntry[] = [];
  let offset = 0;
  const take = (length: number): Uint8Array => {
    if (offset + length > archive.length) throw new VmError('Image', `the cpio archive is truncated at byte ${archive.length}`);
    offset += length;
    return archive.subarray(offset - length, offset);
  };
  const align = (): void => {
    offset = Math.min(archive.length, (offset + 3) & ~3);
  };
  while (true) {
    const header = new TextDecoder('latin1').decode(take(HEADER_BYTES));
    if (!/^070701[0-9a-fA-F]{104}$/.test(header)) {
      throw new VmError('Image', `there is no newc cpio header at byte ${offset - HEADER_BYTES}`);
    }
    const field = (index: number): number => Number.parseInt(header.slice(6 + 8 * index, 14 + 8 * index), 16);
    const nameLength = field(11);
    if (nameLength === 0) throw new VmError('Image', `the cpio member at byte ${offset - HEADER_BYTES} has no name`);
    const path = new TextDecoder().decode(take(nameLength).subarray(0, -1));
    align();
    const data = take(field(6));
    align();
    if (path === TRAILER) return entries;
    const mode = field(1) & 0o7777;
    const type = field(1) & 0o170000;
    if (type === MODES.file) entries.push({ type: 'file', path, mode, data });
    else if (type === MODES.directory) entries.push({ type: 'directory', path, mode });
    else if (type === MODES.symlink) entries.push({ type: 'symlink', path, target: new TextDecoder().decode(data) });
    else if (type === MODES.device) entries.push({ type: 'device', path, mode, major: field(9), minor: field(10) });
    else throw new VmError('Image', `the cpio member ${path} is of a kind that is not read here (mode ${field(1).toString(8)})`);
  }
}
