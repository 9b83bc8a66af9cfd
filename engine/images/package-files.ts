import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { VmError } from '../errors/vm-error';
import { lockHolder, tryLock } from '../host/file-lock';
import { replaceFile } from '../host/new-file';
import { readDeb } from './deb';
import { download, hasContents, onDisk, type Patience } from './download';
import type { DebianPackage } from './packages';

/** Bytes of a file that is kept in memory or written to disk while unpacking; a kernel has 40 MiB, busybox has 2 MiB, the largest module 7 MiB, a firmware with its padding 32 MiB. */
export const PART_LIMIT = 64 << 20;
/** How long another process may take over a folder, in milliseconds. A first set-up over a slow line takes many minutes. */
const WAIT_MS = 3_600_000;

/** What a manifest says of a file that was taken out of a package. */
export const partSchema = z.object({ size: z.number().int().positive(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
export type Part = z.output<typeof partSchema>;

export function isIntact(file: string, part: Part): Promise<boolean> {
  return hasContents(file, part.size, part);
}

/** Downloads packages into the cache folder, those that are not there. Throws as `download` does. */
export async function downloadPackages(
  mirror: string,
  cache: string,
  packages: DebianPackage[],
  options: {
    signal?: AbortSignal | undefined;
    patience?: Patience | undefined;
    onProgress?: (received: number, total: number) => void;
  } = {},
): Promise<void> {
  const total = packages.reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  for (const wanted of packages) {
    await download({
      url: `${mirror}/${wanted.file}`,
      file: join(cache, cacheName(wanted)),
      size: wanted.size,
      sha256: wanted.sha256,
      signal: options.signal,
      patience: options.patience,
      onProgress: (received) => options.onProgress?.(before + received, total),
    });
    before += wanted.size;
  }
}

/** One file out of a package in the cache. Throws VmError 'Image' if it is not there. */
export async function extractFile(cache: string, from: DebianPackage, path: string): Promise<Uint8Array> {
  for await (const entry of readDeb(readPackage(cache, from), from.name)) {
    if (entry.type === 'file' && entry.path === path) return await collect(entry.contents, path);
  }
  throw new VmError('Image', `the package ${from.name} ${from.version} holds no ${path}`, {
    code: 'package-damaged',
    params: { package: from.name },
  });
}

/** The contents of a package in the cache. */
export async function* readPackage(cache: string, wanted: DebianPackage, onRead?: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  let read = 0;
  for await (const chunk of createReadStream(join(cache, cacheName(wanted)), { highWaterMark: 1 << 18 })) {
    read += (chunk as Uint8Array).length;
    onRead?.(read);
    yield chunk as Uint8Array;
  }
}

/** A file's contents as they come. Throws VmError 'Image' for more than is believed. */
export async function* bounded(contents: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const piece of contents) {
    length += piece.length;
    if (length > PART_LIMIT) throw new VmError('Image', `${path} is larger than the ${PART_LIMIT} bytes that were expected at most`);
    yield piece;
  }
}

/** A file's contents in one piece. Throws VmError 'Image' for more than is believed. */
export async function collect(contents: AsyncIterable<Uint8Array>, path: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of bounded(contents, path)) {
    length += piece.length;
    pieces.push(piece);
  }
  return new Uint8Array(Buffer.concat(pieces, length));
}

/** Writes a file that is whole or not there. */
export async function writePart(file: string, data: Uint8Array): Promise<Part> {
  await onDisk(file, () => replaceFile(file, data));
  return { size: data.length, sha256: createHash('sha256').update(data).digest('hex') };
}

function cacheName({ name, sha256 }: DebianPackage): string {
  return `${name}-${sha256.slice(0, 16)}.deb`;
}

/** Whether a process that is alive has the folder by acquireFolder(). */
export async function isAcquired(root: string): Promise<boolean> {
  const lock = await lockOf(root).catch(() => undefined);
  return lock !== undefined && (await lockHolder(lock)) !== undefined;
}

/** The same folder may go by several names. */
async function lockOf(root: string): Promise<string> {
  return `${await realpath(root)}.lock`;
}

/**
 * Holds a folder against other processes. Returns what lets it go. Throws VmError 'Resource' if another process has it for longer than
 * `patience` (milliseconds).
 */
export async function acquireFolder(
  root: string,
  signal: AbortSignal | undefined,
  onWait: () => void,
  patience = WAIT_MS,
): Promise<() => Promise<void>> {
  const lock = await lockOf(root);
  const deadline = performance.now() + patience;
  while (true) {
    signal?.throwIfAborted();
    const taken = await onDisk(root, () => tryLock(lock));
    if (!taken.held) return () => taken.release();
    if (performance.now() > deadline) {
      throw new VmError(
        'Resource',
        `${root} is held by ${taken.held.who}, which does not come to an end. End it; if it is gone, delete ${lock}.`,
        { code: 'lock-held', params: { path: lock, ...taken.held.names } },
      );
    }
    onWait();
    await delay(300);
  }
}
