import { type FileHandle, open } from 'node:fs/promises';
import { systemError } from '../engine/errors/system-error';
import { VmError } from '../engine/errors/vm-error';

/** Films of screens, on their way from the page that makes them to the files that the user has named. */
export class Recordings {
  readonly #files = new Map<number, { page: number; path: string; file: FileHandle; written: Promise<void> }>();
  #last = 0;

  /** `page`: whose it is, for endAll(). */
  async begin(path: string, page: number): Promise<number> {
    const id = ++this.#last;
    try {
      this.#files.set(id, { page, path, file: await open(path, 'w'), written: Promise.resolve() });
    } catch (error) {
      throw systemError(error) ?? error;
    }
    return id;
  }

  /** Add to one; resolves when it is on the disk's way, so that who makes it goes no faster. */
  async write(id: number, data: Uint8Array): Promise<void> {
    const one = this.#of(id);
    one.written = one.written.then(() => one.file.appendFile(data));
    try {
      await one.written;
    } catch (error) {
      throw systemError(error) ?? error;
    }
  }

  /** It is over; answers its path. */
  async end(id: number): Promise<string> {
    const { path, file, written } = this.#of(id);
    this.#files.delete(id);
    await written.catch(() => undefined);
    await file.close();
    return path;
  }

  /** The page that made them is gone; what came is kept. */
  async endAll(page: number): Promise<void> {
    for (const [id, one] of [...this.#files]) if (one.page === page) await this.end(id);
  }

  #of(id: number) {
    const one = this.#files.get(id);
    if (!one) throw new VmError('Internal', `There is no recording ${id}.`);
    return one;
  }
}
