import { constants } from 'node:fs';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ZSTDDecoder } from 'zstddec/stream';
import { reasonCode, reasonOf } from '../errors/system-error';
import { VmError, type VmErrorOptions } from '../errors/vm-error';
import { keepAlive } from '../host/keep-alive';
import { type FileType, openFile, readAll } from '../host/open-file';

/** A file that goes into guest memory: what it is to the user ("kernel"), where it is, and its contents, unpacked. */
export interface ImageFile {
  what: string;
  path: string;
  bytes: Uint8Array;
}

/** The error for something wrong with such a file: what it is, which file, what is wrong and what was expected. `what` and `path` are among its params. */
export function imageError(file: { what: string; path: string }, problem: string, options?: VmErrorOptions): VmError {
  return new VmError('Image', `The ${file.what} ${file.path} ${problem}`, {
    ...options,
    params: { what: file.what, path: file.path, ...options?.params },
  });
}

/** Read a file of at most `limit` bytes. `signal` ends it. Throws VmError 'Image'. */
export async function readImageFile(what: string, path: string, limit: number, signal?: AbortSignal): Promise<ImageFile> {
  const file = { what, path };
  const refuse = (type: FileType): VmError =>
    imageError(file, `is a ${type}; give the path of a file.`, { code: 'image-no-file', params: { type } });
  try {
    const handle = await openFile(path, constants.O_RDONLY, refuse);
    try {
      const bytes = await readAll(handle, limit, signal);
      if (!bytes) throw tooLarge(file, limit);
      if (bytes.length === 0) throw imageError(file, 'is empty.', { code: 'image-empty' });
      return { ...file, bytes };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof VmError || signal?.aborted) throw cause;
    throw readError(file, cause);
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
  return imageError(file, `is larger than the box's memory (${Math.floor(limit / 2 ** 20)} MiB). Give the box more memory.`, {
    code: 'image-too-large',
    params: { limitBytes: limit },
  });
}

function readError(file: { what: string; path: string }, cause: unknown): VmError {
  const reason = reasonCode(cause);
  if (reason === 'ENOENT' || reason === 'ENOTDIR') return imageError(file, 'does not exist.', { cause, code: 'image-missing' });
  if (reason === 'EACCES' || reason === 'EPERM')
    return imageError(file, 'may not be read by this user. Check its permissions.', { cause, code: 'image-forbidden' });
  return imageError(file, `cannot be read: ${reasonOf(cause)}.`, {
    cause,
    code: 'image-unreadable',
    params: { reason },
  });
}

async function unpackGzip(file: ImageFile, limit: number): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(file.bytes, { maxOutputLength: limit });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(file, limit);
    if (code === 'Z_BUF_ERROR') throw imageError(file, 'is truncated: its gzip data ends too early.', { cause, code: 'image-truncated' });
    throw imageError(file, 'is corrupt: its gzip data cannot be unpacked.', { cause, code: 'image-corrupt' });
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
      if (idle > ZSTD_STUCK) throw imageError(file, 'is corrupt: its zstd data cannot be unpacked.', { code: 'image-corrupt' });
      length += part.length;
      if (length > limit) throw tooLarge(file, limit);
      parts.push(part);
    }
  } catch (cause) {
    if (cause instanceof VmError) throw cause;
    throw imageError(file, 'is truncated or corrupt: its zstd data ends too early.', { cause, code: 'image-truncated' });
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
  if (payload.length !== size || size === 0)
    throw imageError(file, 'is truncated: its compressed kernel ends too early.', { code: 'image-truncated' });
  const known = startsWith(payload, [0x1f, 0x8b]) || startsWith(payload, [0x28, 0xb5, 0x2f, 0xfd]);
  if (!known)
    throw imageError(file, `is compressed with ${compression || 'an unknown method'}; gzip and zstd can be unpacked.`, {
      code: 'image-compression',
      params: { method: compression || '?' },
    });
  return payload;
}
