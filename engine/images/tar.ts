import { VmError } from '../errors/vm-error';
import type { ByteSource } from './byte-source';

const BLOCK_BYTES = 512;
/** Longest extended header (long names, pax records) that is read: real ones are a few hundred bytes. */
const EXTENSION_MAX_BYTES = 1 << 20;

export interface TarEntry {
  /** Path inside the archive, without a leading `./`; never absolute, never with `..` in it. */
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'link' | 'other';
  /** Permission bits. */
  mode: number;
  /** Numbers of the user and the group. */
  owner: number;
  group: number;
  /** Bytes of contents; 0 for anything but a file. */
  size: number;
  /** Target of a symbolic or hard link, as it stands in the archive. */
  target: string;
  /** A file's contents; what is not read is skipped when the next entry is asked for. */
  contents: AsyncGenerator<Uint8Array>;
}

const TYPES: Record<string, TarEntry['type']> = { '0': 'file', '\0': 'file', '7': 'file', '1': 'link', '2': 'symlink', '5': 'directory' };

/**
 * The entries of a tar archive: ustar with GNU long names and pax paths and sizes (POSIX.1-2017 pax, "ustar Interchange
 * Format" and "pax Header Block"). Throws VmError 'Image' for damage: bad checksums, truncation, sizes that are no numbers,
 * paths that lead out of the archive.
 */
export async function* readTar(source: ByteSource): AsyncGenerator<TarEntry> {
  /** What an extended header says about the entry after it. */
  let extension: { path?: string; target?: string; size?: number } = {};
  while (!(await source.ended())) {
    const header = await source.take(BLOCK_BYTES);
    // The archive ends with blocks of zeros; what follows is padding.
    if (header.every((byte) => byte === 0)) return;
    const at = `byte ${source.position - BLOCK_BYTES} of ${source.what}`;
    checkSum(header, at);
    const flag = String.fromCharCode(header[156] ?? 0);
    const size = extension.size ?? number(header, 124, 12, at);
    const padding = (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;

    if (flag === 'L' || flag === 'K' || flag === 'x' || flag === 'g') {
      if (size > EXTENSION_MAX_BYTES)
        throw new VmError('Image', `the extended tar header at ${at} claims ${size} bytes; at most ${EXTENSION_MAX_BYTES} are believed`);
      const body = await source.take(size);
      await source.skip(padding);
      if (flag === 'L') extension.path = text(body, 0, size);
      else if (flag === 'K') extension.target = text(body, 0, size);
      else if (flag === 'x') extension = { ...extension, ...paxRecords(body, at) };
      continue;
    }

    const prefix = text(header, 257, 5) === 'ustar' && header[263] === 0x30 ? text(header, 345, 155) : '';
    const name = text(header, 0, 100);
    const type = TYPES[flag] ?? 'other';
    const end = source.position + size + padding;
    yield {
      path: safePath(extension.path ?? (prefix ? `${prefix}/${name}` : name), at),
      type,
      mode: number(header, 100, 8, at) & 0o7777,
      owner: number(header, 108, 8, at),
      group: number(header, 116, 8, at),
      size: type === 'file' ? size : 0,
      target: extension.target ?? text(header, 157, 100),
      contents: source.stream(type === 'file' ? size : 0),
    };
    extension = {};
    await source.skip(end - source.position);
  }
}

function checkSum(header: Uint8Array, at: string): void {
  let sum = 0;
  for (const [index, byte] of header.entries()) sum += index >= 148 && index < 156 ? 0x20 : byte;
  if (number(header, 148, 8, at) !== sum) throw new VmError('Image', `the tar header at ${at} is damaged: its checksum does not fit`);
}

/** A NUL-terminated field. */
function text(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** An octal field, or GNU's base-256 for numbers that do not fit one. */
function number(header: Uint8Array, start: number, length: number, at: string): number {
  const field = header.subarray(start, start + length);
  let value = 0;
  if (field[0] === 0x80) {
    for (const byte of field.subarray(1)) value = value * 256 + byte;
  } else {
    const digits = new TextDecoder('latin1').decode(field).replaceAll('\0', ' ').trim();
    value = /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : Number.NaN;
  }
  if (!Number.isSafeInteger(value))
    throw new VmError('Image', `the tar header at ${at} is damaged: a number was expected at offset ${start}`);
  return value;
}

/** Records `LENGTH KEY=VALUE\n`, LENGTH counting the whole record in bytes. */
function paxRecords(body: Uint8Array, at: string): { path?: string; target?: string; size?: number } {
  const found: { path?: string; target?: string; size?: number } = {};
  let offset = 0;
  while (offset < body.length) {
    const space = body.indexOf(0x20, offset);
    const length = space < 0 ? Number.NaN : Number(new TextDecoder('latin1').decode(body.subarray(offset, Math.min(space, offset + 20))));
    if (!Number.isSafeInteger(length) || length <= space - offset || offset + length > body.length) {
      throw new VmError('Image', `the extended tar header at ${at} is damaged`);
    }
    const record = new TextDecoder().decode(body.subarray(space + 1, offset + length - 1));
    const equals = record.indexOf('=');
    const value = record.slice(equals + 1);
    const key = record.slice(0, equals);
    if (key === 'path') found.path = value;
    else if (key === 'linkpath') found.target = value;
    else if (key === 'size') {
      found.size = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
      if (Number.isNaN(found.size)) throw new VmError('Image', `the extended tar header at ${at} is damaged: its size is "${value}"`);
    }
    offset += length;
  }
  return found;
}

function safePath(path: string, at: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (path.startsWith('/') || parts.includes('..') || path.includes('\0')) {
    throw new VmError('Image', `the tar entry at ${at} leads out of the archive: "${path}"`);
  }
  return parts.join('/');
}
