import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureFolder } from '../host/ensure-folder';
import { reasonCode, reasonOf } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { hostFiles } from '../host/patient-files';

/** How patient a transfer is. */
export interface Patience {
  /** Milliseconds after which a connection is given up that has brought nothing, or less than `floor` asks for. */
  idle: number;
  /** Bytes per second that a connection has to bring, on average over `idle`. */
  floor: number;
  /** How often a transfer is tried. */
  tries: number;
  /** Milliseconds before the second try; each later pause is twice as long. */
  pause: number;
}

/** Half of what an ISDN line brings: slower ones make a set-up last days, as does a server that means to. */
export const SPEED_FLOOR = 4096;

const PATIENCE: Patience = { idle: 30_000, floor: SPEED_FLOOR, tries: 5, pause: 500 };

/** Expected hash, in hexadecimal. */
export type Hash = { sha256: string; sha512?: undefined } | { sha512: string; sha256?: undefined };

export type Download = Hash & Transfer;

interface Transfer {
  url: string;
  /** Where the file goes. What has arrived of an unfinished transfer lies beside it as `FILE.part`. */
  file: string;
  /** Expected length in bytes. */
  size: number;
  onProgress?: ((received: number) => void) | undefined;
  signal?: AbortSignal | undefined;
  patience?: Patience | undefined;
}

/**
 * Fetches a file over HTTP(S), unless it is there already with the right contents. An interrupted transfer goes on where it
 * stopped, also after the program was ended. The file appears under its name only when length and hash are right. Callers see to it that no
 * two transfers go to the same file. Throws VmError 'Network' (or 'Resource' for a full or unwritable disk); an abort throws the signal's reason.
 */
export async function download(request: Download): Promise<void> {
  const { file, size, signal } = request;
  if (await hasContents(file, size, request)) {
    request.onProgress?.(size);
    return;
  }
  const part = `${file}.part`;
  await onDisk(file, async () => ensureFolder(dirname(file)));
  await retry(request.url, request.patience ?? PATIENCE, signal, async (patience) => {
    await transfer(request, part, patience);
    if (await hasContents(part, size, request)) return;
    // Nothing of it can be trusted: the next try begins anew.
    await hostFiles.remove(part);
    throw new VmError('Network', `${shown(request.url)} is not the file that the list of checksums names: its length or hash differs`);
  });
  await onDisk(file, () => hostFiles.rename(part, file));
}

/** Fetches a small text. `limit`: bytes at most. */
export async function downloadText(url: string, limit: number, options: Pick<Transfer, 'signal' | 'patience'> = {}): Promise<string> {
  return retry(url, options.patience ?? PATIENCE, options.signal, async (patience) => {
    const pieces: Uint8Array[] = [];
    let length = 0;
    await get(url, {}, patience, options.signal, async (response) => {
      for await (const piece of response.body) {
        length += piece.length;
        if (length > limit) throw new VmError('Network', `${shown(url)} is larger than the ${limit} bytes that were expected at most`);
        pieces.push(piece);
      }
    });
    return Buffer.concat(pieces).toString('utf8');
  });
}

/** How many bytes a file has on its server. Throws as `download` does, also where the server does not tell. */
export async function remoteSize(url: string, options: Pick<Transfer, 'signal' | 'patience'> = {}): Promise<number> {
  return retry(url, options.patience ?? PATIENCE, options.signal, async ({ idle }) => {
    const { href, authorization } = credentials(url);
    const limit = AbortSignal.timeout(idle);
    const response = await fetch(href, {
      method: 'HEAD',
      headers: { ...authorization, 'accept-encoding': 'identity' },
      signal: options.signal ? AbortSignal.any([options.signal, limit]) : limit,
    }).catch((error: unknown) => {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      throw new VmError('Network', `${shown(url)} cannot be fetched: ${(cause as Error).message || String(cause)}`, { cause: error });
    });
    if (response.status >= 400 && response.status < 500) throw new Refused(url, response.status, response.statusText);
    const length = response.headers.get('content-length') ?? '';
    if (!response.ok || !/^\d{1,15}$/.test(length))
      throw new VmError('Network', `${shown(url)}: the server answered ${response.status} ${response.statusText}, without a length`);
    return Number(length);
  });
}

/** Whether a file is there with this length and hash. */
export async function hasContents(file: string, size: number, { sha256, sha512 }: Hash): Promise<boolean> {
  const length = await stat(file).then(
    (stats) => stats.size,
    () => -1,
  );
  if (length !== size) return false;
  const hash = createHash(sha512 === undefined ? 'sha256' : 'sha512');
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array);
  } catch {
    // An unreadable file is as good as none.
    return false;
  }
  return hash.digest('hex') === (sha512 ?? sha256);
}

/** Runs something that writes at `path`; what the disk refuses becomes a VmError. */
export async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new VmError('Resource', `the disk is full: ${path} cannot be written. Free some space and try again`, {
        cause: error,
        code: 'disk-full',
        params: { path },
      });
    }
    if (code === undefined || error instanceof VmError) throw error;
    const advice = ['EACCES', 'EPERM', 'EROFS'].includes(code) ? '. Set HARTBOX_HOME to a folder of your own' : '';
    throw new VmError('Resource', `${path} cannot be written: ${reasonOf(error)}${advice}`, {
      cause: error,
      code: 'file-not-written',
      params: { path, reason: reasonCode(error) },
    });
  }
}

/** Adds what is missing of the file to `part`. */
async function transfer(request: Download, part: string, patience: Patience): Promise<void> {
  // Not for appending: Windows lets nobody truncate a file that was opened so.
  const handle = await onDisk(part, () => hostFiles.patiently(() => open(part, constants.O_RDWR | constants.O_CREAT)));
  try {
    let received = (await handle.stat()).size;
    if (received > request.size) {
      await handle.truncate(0);
      received = 0;
    }
    if (received === request.size) return;
    const headers: Record<string, string> = received > 0 ? { range: `bytes=${received}-` } : {};
    await get(request.url, headers, patience, request.signal, async (response) => {
      // A server that does not do ranges sends the whole file.
      if (received > 0 && response.from !== received) {
        await handle.truncate(0);
        received = 0;
      }
      for await (const piece of response.body) {
        if (received + piece.length > request.size)
          throw new VmError('Network', `${shown(request.url)} is longer than the ${request.size} bytes in the signed index`);
        await onDisk(part, () => writeAt(handle, piece, received));
        received += piece.length;
        request.onProgress?.(received);
      }
    });
    if (received < request.size) throw new VmError('Network', `${shown(request.url)} ended after ${received} of ${request.size} bytes`);
  } finally {
    await handle.close();
  }
}

async function writeAt(handle: FileHandle, data: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < data.length) written += (await handle.write(data, written, data.length - written, position + written)).bytesWritten;
}

interface Response {
  /** The offset in the file at which `body` begins. */
  from: number;
  body: AsyncIterable<Uint8Array>;
}

/** A status that trying again does not change: the file is not there, or not for us. */
class Refused extends VmError {
  constructor(url: string, status: number, statusText: string) {
    super('Network', `${shown(url)} was refused: ${status} ${statusText}`);
  }
}

/** One GET request. `consume` reads the body; the connection is given up when nothing, or too little, arrives for too long. */
async function get(
  url: string,
  headers: Record<string, string>,
  patience: Patience,
  signal: AbortSignal | undefined,
  consume: (response: Response) => Promise<void>,
): Promise<void> {
  const idle = new AbortController();
  const seconds = patience.idle / 1000;
  /** Bytes of the body since the clock last struck. The head, however many redirections lead to it, has to be there by the first stroke. */
  let arrived = 0;
  const timer = setInterval(() => {
    if (arrived > 0 && arrived >= patience.floor * seconds) arrived = 0;
    else if (arrived === 0) idle.abort(new VmError('Network', `${shown(url)}: nothing received for ${seconds} s`));
    else
      idle.abort(
        new VmError(
          'Network',
          `${shown(url)} is too slow: ${arrived} bytes in ${seconds} s, at least ${patience.floor} a second are expected`,
        ),
      );
  }, patience.idle);
  try {
    const { href, authorization } = credentials(url);
    const response = await fetch(href, {
      headers: { ...headers, ...authorization, 'accept-encoding': 'identity' },
      signal: signal ? AbortSignal.any([signal, idle.signal]) : idle.signal,
    });
    timer.refresh();
    // The server's file is shorter than what is here already, which therefore is to be thrown away.
    if (response.status === 416) return await consume({ from: 0, body: Readable.from([]) });
    if (response.status >= 400 && response.status < 500 && ![408, 429].includes(response.status)) {
      throw new Refused(url, response.status, response.statusText);
    }
    if (!response.ok || !response.body)
      throw new VmError('Network', `${shown(url)}: the server answered ${response.status} ${response.statusText}`);
    // Nothing unpacks here unasked: what a server packs a thousand times over takes little of its time and much of ours.
    const encoding = response.headers.get('content-encoding') ?? 'identity';
    if (encoding !== 'identity')
      throw new VmError('Network', `${shown(url)}: the server packed the file (${encoding.slice(0, 40)}), which it was asked not to do`);
    const from = response.status === 206 ? Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Number.NaN) : 0;
    if (Number.isNaN(from)) throw new VmError('Network', `${shown(url)}: the server sent a part of the file without saying which`);
    const count = (bytes: number): void => {
      arrived += bytes;
    };
    await consume({ from, body: counted(response.body as AsyncIterable<Uint8Array>, count) });
  } catch (error) {
    signal?.throwIfAborted();
    if (idle.signal.aborted) throw idle.signal.reason;
    if (error instanceof VmError) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new VmError('Network', `${shown(url)} cannot be fetched: ${(cause as Error).message || String(cause)}`, { cause: error });
  } finally {
    clearInterval(timer);
  }
}

async function* counted(body: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    count(piece.length);
    yield piece;
  }
}

async function retry<T>(
  url: string,
  patience: Patience,
  signal: AbortSignal | undefined,
  attempt: (patience: Patience) => Promise<T>,
): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    signal?.throwIfAborted();
    try {
      return await attempt(patience);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof VmError)) throw new VmError('Network', `${shown(url)} cannot be fetched`, { cause: error });
      if (error instanceof Refused || error.kind !== 'Network' || tried >= patience.tries) throw error;
      await delay(patience.pause * 2 ** (tried - 1), undefined, signal ? { signal } : {}).catch(() => undefined);
    }
  }
}

/** fetch() refuses a user name and password inside the URL. */
function credentials(url: string): { href: string; authorization: Record<string, string> } {
  const parsed = new URL(url);
  if (!parsed.username && !parsed.password) return { href: url, authorization: {} };
  const token = Buffer.from(`${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`).toString('base64');
  parsed.username = '';
  parsed.password = '';
  return { href: parsed.href, authorization: { authorization: `Basic ${token}` } };
}

/** The URL as messages show it: without a password. */
function shown(url: string): string {
  return credentials(url).href;
}
