import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import ubuntuKey from '../../resources/ubuntu-cloudimage/key.asc?raw';
import { VmError } from '../errors/vm-error';
import { hostFiles } from '../host/patient-files';
import { download, downloadText, type Hash, onDisk, remoteSize } from '../images/download';
import { verifyDetached } from '../images/detached-signature';
import { decompressXz } from '../images/xz';
import type { DownloadEntry } from './catalogue';
import type { ImageJob, MadeImage } from './image-job';
import { ImageProgressMeter } from './progress';

/** Bytes of a list of checksums. */
const CHECKSUMS_LIMIT = 4 << 20;
/** Bytes that a compressed image is believed to unpack to. */
const UNPACKED_LIMIT = 64 * 2 ** 30;
/** What is zero for so long is left out of a file. */
const HOLE = 65536;
const QCOW2_MAGIC = 0x514649fb;

/** Keys that come with Hartbox. */
const KEYS: Readonly<Record<string, string>> = { 'ubuntu-cloudimage': ubuntuKey };

/** An image as its project publishes it, checked by the project's checksums. Undefined where it is that of `before`. */
export async function fetchDownload(entry: DownloadEntry, job: ImageJob, before: string | undefined): Promise<MadeImage | undefined> {
  const { cache, folder, signal, patience } = job;
  const name = basename(new URL(entry.url).pathname);
  const meter = new ImageProgressMeter({ download: 10, unpack: entry.packing === 'none' ? 0 : 3, store: 0 }, job.report);
  meter.report('index');
  const list = await reached(entry, () => downloadText(entry.checksums.url, CHECKSUMS_LIMIT, { signal, patience }));
  const { signature } = entry.checksums;
  if (signature) {
    const text = await reached(entry, () => downloadText(signature.url, CHECKSUMS_LIMIT, { signal, patience }));
    await verifyDetached(list, text, KEYS[signature.key] ?? signature.key, entry.checksums.url);
  }
  const hash = hashOf(list, name, entry);
  const value = hash.sha256 ?? hash.sha512;
  const identity = createHash('sha256').update(value).digest('hex').slice(0, 16);
  if (identity === before) return undefined;
  const size = await reached(entry, () => remoteSize(entry.url, { signal, patience }));
  const file = join(cache, `${identity}-${name}`);
  await reached(entry, () =>
    download({ url: entry.url, file, size, ...hash, signal, patience, onProgress: (done) => meter.report('download', done, size) }),
  );

  const isDisc = entry.medium === 'disc';
  const target = join(folder, 'disk');
  if (entry.packing === 'none') await hostFiles.rename(file, target);
  else {
    const read = (done: number): void => meter.report('unpack', done, size);
    await onDisk(target, () => writeSparse(target, decompressXz(counted(file, read), name, UNPACKED_LIMIT), signal));
    await hostFiles.remove(file);
  }
  const format = (await startsWith(target, QCOW2_MAGIC)) ? 'qcow2' : 'raw';
  const called = isDisc ? 'disc.iso' : format === 'qcow2' ? 'disk.qcow2' : 'disk.img';
  await hostFiles.rename(target, join(folder, called));
  return { identity, file: called, format };
}

/**
 * The hash of a file in a publisher's list: `HASH  FILE`, `HASH *FILE`, `SHA512 (FILE) = HASH`, or a hash alone. A list that belongs to this file
 * alone (`FILE.sha256`) may call it by another name, of which FILE is the newest. Throws VmError 'Network'.
 */
export function hashOf(list: string, name: string, { checksums: { url, algorithm } }: Pick<DownloadEntry, 'checksums'>): Hash {
  const digits = algorithm === 'sha256' ? 64 : 128;
  const hex = `[0-9a-fA-F]{${digits}}`;
  const isOfOne = basename(new URL(url).pathname).startsWith(`${name}.`);
  const quoted = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const found =
    new RegExp(`^(${hex})\\s+\\*?(?:\\S*/)?${quoted}\\s*$`, 'm').exec(list)?.[1] ??
    new RegExp(`^${algorithm.toUpperCase()} \\((?:[^)]*/)?${quoted}\\) = (${hex})\\s*$`, 'm').exec(list)?.[1] ??
    new RegExp(`^\\s*(${hex})${isOfOne ? '(?:\\s+\\*?\\S+)?' : ''}\\s*$`).exec(list)?.[1];
  if (found === undefined)
    throw new VmError('Network', `${url} has no ${algorithm} of ${name}`, { code: 'image-no-checksum', params: { url, name } });
  const value = found.toLowerCase();
  return algorithm === 'sha256' ? { sha256: value } : { sha512: value };
}

/** Says whose server it was that did not give something, and what that means. */
async function reached<T>(entry: DownloadEntry, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof VmError) || error.kind !== 'Network' || error.code !== undefined) throw error;
    const { hostname } = new URL(entry.url);
    throw new VmError(
      'Network',
      `${entry.name} comes from ${hostname}, which did not give it: ${error.message}. Check the network connection; where it works, the project may have moved the image: give its file yourself (hartbox create NAME --drive file=…).`,
      { cause: error, code: 'image-not-reached', params: { name: entry.name, host: hostname } },
    );
  }
}

async function* counted(file: string, onRead: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  let read = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    read += (chunk as Uint8Array).length;
    onRead(read);
    yield chunk as Uint8Array;
  }
}

/** Writes a file in which what is zero takes no space. */
async function writeSparse(path: string, contents: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): Promise<void> {
  const file = await open(path, 'wx');
  const zeroes = Buffer.alloc(HOLE);
  let length = 0;
  try {
    for await (const piece of contents) {
      signal?.throwIfAborted();
      for (let at = 0; at < piece.length; at += HOLE) {
        const part = piece.subarray(at, at + HOLE);
        if (Buffer.compare(part, zeroes.subarray(0, part.length)) !== 0) {
          for (let done = 0; done < part.length; )
            done += (await file.write(part, done, part.length - done, length + at + done)).bytesWritten;
        }
      }
      length += piece.length;
    }
    await file.truncate(length);
  } finally {
    await file.close();
  }
}

async function startsWith(path: string, magic: number): Promise<boolean> {
  const file = await open(path);
  try {
    const bytes = Buffer.alloc(4);
    return (await file.read(bytes, 0, 4, 0)).bytesRead === 4 && bytes.readUInt32BE() === magic;
  } finally {
    await file.close();
  }
}
