import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reasonOf } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { typeAt } from '../host/open-file';
import { writeOutput } from '../host/output-file';
import { UsageError } from './usage-error';

/** What Unix calls the streams of a process. Opened anew, a file would be written to from its beginning. */
const STREAMS: Record<string, NodeJS.WriteStream> = {
  '/dev/stdout': process.stdout,
  '/dev/fd/1': process.stdout,
  '/proc/self/fd/1': process.stdout,
  '/dev/stderr': process.stderr,
  '/dev/fd/2': process.stderr,
  '/proc/self/fd/2': process.stderr,
};

/**
 * A file that the command line names for a report, which is there when the machine has ended. It may be a pipe (`>(gzip >x.gz)` in a shell) or
 * a device such as /dev/null. Writing keeps no thread, so that the process can be ended while a reader takes its time.
 */
export class ReportFile {
  #written: Promise<void> = Promise.resolve();

  private constructor(private readonly path: string) {}

  /** Throws UsageError where it is known already that it cannot be written to. Nothing is opened yet: what stood in it is kept until then. */
  static async named(option: string, path: string): Promise<ReportFile> {
    const wrong = (why: string): UsageError => new UsageError(`${option} cannot write to ${path}: ${why}.`);
    if (isStream(path)) return new ReportFile(path);
    const type = await typeAt(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw wrong(reasonOf(error));
    });
    if (type === undefined) {
      await access(dirname(path), constants.W_OK).catch(() => {
        throw wrong('its folder does not exist or may not be written to');
      });
      return new ReportFile(path);
    }
    // A pipe of Windows would keep a thread.
    const isFit = type === 'file' || type === 'character device' || (type === 'pipe' && process.platform !== 'win32');
    if (!isFit) throw wrong(`it is a ${type}. Name a file`);
    await access(path, constants.W_OK).catch((error: unknown) => {
      throw wrong(reasonOf(error));
    });
    return new ReportFile(path);
  }

  /** Begin to write. `failed` is told why it could not be done. */
  write(text: string, failed: (why: string) => void): void {
    this.#written = writeTo(this.path, text).catch((error: unknown) => failed(whyOf(error)));
  }

  /** Resolves when what was to be written has been, or could not be. */
  get written(): Promise<void> {
    return this.#written;
  }
}

async function writeTo(path: string, text: string): Promise<void> {
  if (isStream(path)) return new Promise((resolve) => STREAMS[path].write(text, () => resolve()));
  await writeOutput(path, text);
}

function isStream(path: string): boolean {
  return process.platform !== 'win32' && Object.hasOwn(STREAMS, path);
}

function whyOf(error: unknown): string {
  return error instanceof VmError && error.code === 'output-unread' ? 'nobody reads from it' : reasonOf(error);
}
