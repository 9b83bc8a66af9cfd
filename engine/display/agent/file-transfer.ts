import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { VmError } from '../../errors/vm-error';
import { openFile } from '../../host/open-file';
import {
  type AgentMessage,
  FILE_CANCELLED,
  FILE_DATA,
  FILE_DISABLED,
  FILE_DONE,
  FILE_GO_ON,
  FILE_LOCKED,
  FILE_NO_SPACE,
  FILE_NOBODY,
  FILE_START,
  FILE_STATUS,
  words,
} from './protocol';

/** Bytes of a file in a message. */
const PIECE = 32 << 10;
/** How long the agent may say nothing of a file that it is to take, or has taken, and how long it may read nothing of it, in milliseconds. */
const PATIENCE_MS = 30_000;

/** What the agent says of a file: resolves when it says this, rejects when it says that there is nothing to come of it. */
interface Told {
  next: (wanted: number) => Promise<void>;
}

/** The way to the agent. */
export interface AgentLine {
  /** Resolves when the guest has room for more; rejects when the agent is gone. */
  write(message: AgentMessage): Promise<void>;
}

/** How far a file is, in bytes. */
export interface FileProgress {
  file: string;
  done: number;
  size: number;
}

/** Files on their way to the guest's agent, which puts them where its user gets downloads; one after the other. */
export class FileTransfer {
  #last = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #told: { id: number; take: (status: number) => void; fail: (error: Error) => void } | undefined;

  constructor(
    private readonly line: AgentLine,
    /** Called as the file goes that is under way; undefined: none is any more. */
    private readonly onProgress: (progress: FileProgress | undefined) => void = () => undefined,
  ) {}

  /** Resolves when the guest has all of it. Rejects with the signal's reason where that comes first; the guest throws away what it has then. */
  send(path: string, signal?: AbortSignal): Promise<void> {
    const sent = this.#queue.then(async () => {
      signal?.throwIfAborted();
      const file = await openFile(path);
      try {
        await this.#send(file, basename(path), signal);
      } finally {
        this.#told = undefined;
        this.onProgress(undefined);
        await file.close();
      }
    });
    this.#queue = sent.catch(() => undefined);
    return sent;
  }

  /** What the agent says of a file. */
  receive(data: Uint8Array): void {
    if (data.length < 8) return;
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    if (view.getUint32(0, true) === this.#told?.id) this.#told.take(view.getUint32(4, true));
  }

  /** The agent is gone, and what it has not taken will not come. */
  end(): void {
    this.#told?.fail(gone());
  }

  async #send(file: FileHandle, name: string, signal: AbortSignal | undefined): Promise<void> {
    const { size } = await file.stat();
    const id = ++this.#last;
    const told = this.#statuses(id, name);
    const stop = (): void => this.#told?.fail(signal?.reason as Error);
    signal?.addEventListener('abort', stop);
    try {
      await this.#pieces(file, { id, name, size }, told);
    } catch (error) {
      // Once it reads again, unless it is gone.
      if (signal?.aborted) void this.line.write({ type: FILE_STATUS, data: words(id, FILE_CANCELLED) }).catch(() => undefined);
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  async #pieces(file: FileHandle, { id, name, size }: { id: number; name: string; size: number }, told: Told): Promise<void> {
    this.onProgress({ file: name, done: 0, size });
    await this.line.write({ type: FILE_START, data: join(words(id), description(name, size)) });
    await told.next(FILE_GO_ON);
    const done = told.next(FILE_DONE);
    // It is awaited at the end, unless that comes otherwise.
    done.catch(() => undefined);
    let left = size;
    do {
      const { buffer, bytesRead } = await file.read(new Uint8Array(Math.min(left, PIECE)));
      if (bytesRead === 0 && left > 0) {
        await this.line.write({ type: FILE_STATUS, data: words(id, FILE_CANCELLED) });
        throw refused(name, 'it became shorter meanwhile. Try again when no program writes it.', {
          code: 'file-shrank',
          params: { file: name },
        });
      }
      left -= bytesRead;
      const written = this.line.write({ type: FILE_DATA, data: join(words(id, bytesRead, 0), buffer.subarray(0, bytesRead)) });
      await Promise.race([inTime(written, name), done.then(() => written)]);
      this.onProgress({ file: name, done: size - left, size });
    } while (left > 0);
    await inTime(done, name);
  }

  /** What is said of one. A failure is one for whatever is waited for. */
  #statuses(id: number, name: string): Told {
    let answer: { wanted: number; resolve: () => void; reject: (error: Error) => void } | undefined;
    this.#told = {
      id,
      take: (status) => {
        if (status === answer?.wanted) answer.resolve();
        else if (status !== FILE_GO_ON) answer?.reject(failure(status, name));
      },
      fail: (error) => answer?.reject(error),
    };
    return {
      next: (wanted) => {
        const said = new Promise<void>((resolve, reject) => {
          answer = { wanted, resolve, reject };
        });
        return wanted === FILE_GO_ON ? inTime(said, name) : said;
      },
    };
  }
}

/** What g_key_file_load_from_data() reads. */
function description(name: string, size: number): Uint8Array {
  const escapes: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
  const escaped = name.replace(/[\\\n\r\t]/g, (character) => escapes[character]).replace(/^ /, '\\s');
  return new TextEncoder().encode(`[vdagent-file-xfer]\nname=${escaped}\nsize=${size}\n\0`);
}

function join(head: Uint8Array, rest: Uint8Array): Uint8Array {
  const whole = new Uint8Array(head.length + rest.length);
  whole.set(head);
  whole.set(rest, head.length);
  return whole;
}

async function inTime(what: Promise<void>, name: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          refused(name, 'its agent says nothing of it. Is the box paused, or nobody logged in there?', {
            code: 'file-unanswered',
            params: { file: name },
          }),
        ),
      PATIENCE_MS,
    );
  });
  try {
    await Promise.race([what, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function gone(): VmError {
  return new VmError('State', 'The agent of the guest has ended, so that the file is not there, or not all of it. Send it again.', {
    code: 'agent-gone',
  });
}

function failure(status: number, file: string): VmError {
  switch (status) {
    case FILE_NO_SPACE:
      return refused(file, 'its disk has no room for it. Free some space there.', { code: 'file-no-space', params: { file } });
    case FILE_LOCKED:
      return refused(file, 'its screen is locked. Unlock it, and send the file again.', { code: 'file-locked', params: { file } });
    case FILE_NOBODY:
      return refused(file, 'nobody is logged in to a desktop there. Log in, and send it again.', { code: 'file-nobody', params: { file } });
    case FILE_DISABLED:
      return refused(file, 'its agent is set to take none.', { code: 'file-disabled', params: { file } });
    default:
      return refused(file, 'its agent could not keep it; the log there says why.', { code: 'file-refused', params: { file } });
  }
}

function refused(file: string, why: string, options: { code: string; params: { file: string } }): VmError {
  return new VmError('Guest', `The guest does not take ${file}: ${why}`, options);
}
