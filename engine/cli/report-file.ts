import { reasonOf } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { whyNoOutput, writeOutput } from '../host/output-file';
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
    const refused = isStream(path) ? undefined : await whyNoOutput(path);
    if (refused) throw new UsageError(`${option} cannot write to ${path}: ${refused.why}. Name another file.`);
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
