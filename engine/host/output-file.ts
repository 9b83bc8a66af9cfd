import { constants } from 'node:fs';
import { access, type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { reasonCode, reasonOf, systemError } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { type FileType, folderMissing, typeAt, typeOf } from './open-file';

/** How long a reader that is behind is given before it is written to again, in milliseconds. */
const RETRY_MS = 20;
/** How long one that takes nothing is waited for at the end, in milliseconds. */
const STUCK_MS = 1000;

export interface OutputOptions {
  /** Behind what a file has; else that is replaced. */
  append?: boolean;
  /** Who may use a file that is made. */
  mode?: number;
}

/**
 * A file that a user names for what Hartbox writes: one that is made or replaced, a pipe that somebody reads (`>(gzip >x.gz)` in a shell), or a
 * character device such as /dev/null. No thread ever waits in it: one that does keeps the process from ending, whatever signal comes.
 *
 * Throws VmError 'Resource' where it is something else, nobody reads the pipe, or the host says no; `failed` as in `systemError`.
 */
export async function openOutput(path: string, { append = false, mode = 0o666 }: OutputOptions = {}, failed?: string): Promise<FileHandle> {
  try {
    const type = await typeAt(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return 'file' as const;
      throw error;
    });
    mustTakeOutput(path, type);
    const { O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK = 0, O_NOCTTY = 0 } = constants;
    const file = await open(path, O_WRONLY | O_CREAT | (append ? O_APPEND : 0) | O_NONBLOCK | O_NOCTTY, mode);
    try {
      // Something else may have come in its place.
      const found = typeOf(await file.stat());
      mustTakeOutput(path, found);
      if (found === 'file' && !append) await file.truncate();
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  } catch (error) {
    throw isUnread(error) ? unread(path) : ((await folderMissing(path, error)) ?? systemError(error, failed) ?? error);
  }
}

/** Why a file could not be written to. */
interface Refusal {
  /** For the middle of a sentence. */
  why: string;
  error: VmError;
}

/** Why a file could not be written to as things are; undefined where it could. Nothing is opened, nothing made. */
export async function whyNoOutput(path: string, takes = takesOutput): Promise<Refusal | undefined> {
  const refused = (of: string, why: string, error: unknown): Refusal => ({
    why,
    error: VmError.config(`${path} cannot be written to: ${why}. Name another file.`, {
      cause: error,
      code: 'output-refused',
      params: { path: of, reason: reasonCode(error) },
    }),
  });
  try {
    const type = await typeAt(path);
    if (!takes(type)) return { why: `it is a ${type}`, error: noOutput(path, type) };
    await access(path, constants.W_OK);
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return refused(path, reasonOf(error), error);
  }
  const folder = dirname(path);
  return access(folder, constants.W_OK).then(
    () => undefined,
    async (error: unknown) => {
      const missing = await folderMissing(path, error);
      return missing ? { why: 'its folder does not exist', error: missing } : refused(folder, 'its folder may not be written to', error);
    },
  );
}

/** For a file that is written only later, and anywhere in it: throws VmError 'Config' or 'Resource' where that could not be done now. */
export async function requireOutput(path: string): Promise<void> {
  const refused = await whyNoOutput(path, (type) => type === 'file');
  if (refused) throw refused.error;
}

/** Write a file that a user names. Throws as `openOutput`. */
export async function writeOutput(path: string, data: Uint8Array | string, options: OutputOptions = {}, failed?: string): Promise<void> {
  const file = await openOutput(path, options, failed);
  try {
    await writeAll(file, typeof data === 'string' ? Buffer.from(data) : data);
  } catch (error) {
    throw isUnread(error) ? unread(path) : (systemError(error, failed) ?? error);
  } finally {
    await file.close();
  }
}

/** The stream of an output that is open, which it closes. */
export class OutputStream extends Writable {
  #written = 0;

  constructor(private readonly file: FileHandle) {
    super();
  }

  /** End it. Resolves when all is written; what somebody does not take who takes nothing at all is lost. */
  async finish(): Promise<void> {
    if (this.closed) return;
    const over = new Promise<void>((resolve) => this.once('close', resolve));
    this.end();
    const isOver = over.then(() => true);
    for (;;) {
      const before = this.#written;
      const timer = new AbortController();
      const isStuck = delay(STUCK_MS, false, { signal: timer.signal }).catch(() => false);
      const done = await Promise.race([isOver, isStuck]);
      timer.abort();
      if (done) return;
      if (this.#written === before) this.destroy();
    }
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    const note = (bytes: number): void => {
      this.#written += bytes;
    };
    writeAll(this.file, data, note).then(() => done(), done);
  }

  /** What came while something was being written goes at once. */
  override _writev(pieces: { chunk: Buffer }[], done: (error?: Error) => void): void {
    this._write(Buffer.concat(pieces.map(({ chunk }) => chunk)), 'buffer' as BufferEncoding, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.file.close().then(
      () => done(error),
      (failure: Error) => done(error ?? failure),
    );
  }
}

async function writeAll(file: FileHandle, data: Uint8Array, note?: (bytes: number) => void): Promise<void> {
  for (let rest = data; rest.length > 0; ) {
    try {
      const { bytesWritten } = await file.write(rest);
      note?.(bytesWritten);
      rest = rest.subarray(bytesWritten);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await delay(RETRY_MS);
    }
  }
}

function takesOutput(type: FileType): boolean {
  // A pipe of Windows would keep a thread.
  return type === 'file' || type === 'character device' || (type === 'pipe' && process.platform !== 'win32');
}

function mustTakeOutput(path: string, type: FileType): void {
  if (!takesOutput(type)) throw noOutput(path, type);
}

function noOutput(path: string, type: FileType): VmError {
  return new VmError('Resource', `${path} is a ${type}, which cannot be written to. Name a file.`, {
    code: 'no-output',
    params: { path, type },
  });
}

/** What open(2) and write(2) say of a pipe. */
function isUnread(error: unknown): boolean {
  return ['ENXIO', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function unread(path: string): VmError {
  return new VmError('Resource', `Nobody reads from ${path}. Start what does, or name a file.`, {
    code: 'output-unread',
    params: { path },
  });
}
