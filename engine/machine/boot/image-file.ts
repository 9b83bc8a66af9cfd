import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ZSTDDecoder } from 'zstddec/stream';
import { VmError } from '../../bus/vm-error';
import { keepAlive } from '../../host/keep-alive';

/** A file that goes into guest memory: what it is to the user ("kernel"), where it is, and its contents, unpacked. */
export interface ImageFile {
  what: string;
  path: string;
  bytes: Uint8Array;
}

/** The error for something wrong with such a file: what it is, which file, what is wrong and what was expected. */
export function imageError(file: { what: string; path: string }, problem: string, options?: { cause?: unknown }): VmError {
  return new VmError('Image', `The ${file.what} ${file.path} ${problem}`, options);
}

/** Read a file of at most `limit` bytes. Throws VmError 'Image'. */
export async function readImageFile(what: string, path: string, limit: number): Promise<ImageFile> {
  const file = { what, path };
  try {
    const handle = await open(path, 'r');
    try {
      const status = await handle.stat();
      if (status.isDirectory()) throw imageError(file, 'is a directory; give the path of a file.');
      if (status.size > limit) throw tooLarge(file, limit);
      const bytes = await handle.readFile();
      if (bytes.length === 0) throw imageError(file, 'is empty.');
      if (bytes.length > limit) throw tooLarge(file, limit);
      return { ...file, bytes };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof VmError) throw cause;
    throw imageError(file, readProblem(cause), { cause });
  }
}

/**
 * Unpack a gzip or zstd file, or the compressed payload of an EFI zboot image; others come back as they are. `limit`
 * bounds the result in bytes. Throws VmError 'Image' for data that is truncated or corrupt.
 */
export async function unpack(file: ImageFile, limit: number): Promise<ImageFile> {
  const { bytes } = file;
  if (startsWith(bytes, [0x1f, 0x8b])) return { ...file, bytes: await unpackGzip(file, limit) };
  if (startsWith(bytes, [0x28, 0xb5, 0x2f, 0xfd])) return { ...file, bytes: await unpackZstd(file, limit) };
  if (startsWith(bytes, [0x4d, 0x5a]) && bytes.length >= 64 && startsWith(bytes.subarray(4), [0x7a, 0x69, 0x6d, 0x67])) {
    return unpack({ ...file, bytes: zbootPayload(file) }, limit);
  }
  return file;
}

function startsWith(bytes: Uint8Array, magic: number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

function tooLarge(file: { what: string; path: string }, limit: number): VmError {
  return imageError(file, `is larger than the machine's memory (${Math.floor(limit / 2 ** 20)} MiB). Give the machine more memory.`);
}

function readProblem(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'does not exist.';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read by this user. Check its permissions.';
  return `cannot be read (${cause instanceof Error ? cause.message : String(cause)}).`;
}

async function unpackGzip(file: ImageFile, limit: number): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(file.bytes, { maxOutputLength: limit });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(file, limit);
    if (code === 'Z_BUF_ERROR') throw imageError(file, 'is truncated: its gzip data ends too early.', { cause });
    throw imageError(file, 'is corrupt: its gzip data cannot be unpacked.', { cause });
  }
}

/** Calls without output after which the decoder is stuck: it reports damage only by making no progress. */
const ZSTD_STUCK = 64;

async function unpackZstd(file: ImageFile, limit: number): Promise<Uint8Array> {
  const decoder = new ZSTDDecoder();
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    await keepAlive(decoder.init());
    let idle = 0;
    for (const part of decoder.decodeStreaming([file.bytes])) {
      idle = part.length > 0 ? 0 : idle + 1;
      if (idle > ZSTD_STUCK) throw imageError(file, 'is corrupt: its zstd data cannot be unpacked.');
      length += part.length;
      if (length > limit) throw tooLarge(file, limit);
      parts.push(part);
    }
  } catch (cause) {
    if (cause instanceof VmError) throw cause;
    throw imageError(file, 'is truncated or corrupt: its zstd data ends too early.', { cause });
  }
  return Buffer.concat(parts, length);
}

/** EFI zboot: "MZ", "zimg" at 4, offset and size of the payload at 8 and 12, name of the compression at 24. */
function zbootPayload(file: ImageFile): Uint8Array {
  const view = new DataView(file.bytes.buffer, file.bytes.byteOffset, file.bytes.length);
  const offset = view.getUint32(8, true);
  const size = view.getUint32(12, true);
  const compression = Buffer.from(file.bytes.subarray(24, 56)).toString('latin1').split('\0')[0];
  const payload = file.bytes.subarray(offset, offset + size);
  if (payload.length !== size || size === 0) throw imageError(file, 'is truncated: its compressed kernel ends too early.');
  const known = startsWith(payload, [0x1f, 0x8b]) || startsWith(payload, [0x28, 0xb5, 0x2f, 0xfd]);
  if (!known) throw imageError(file, `is compressed with ${compression || 'an unknown method'}; gzip and zstd can be unpacked.`);
  return payload;
}
