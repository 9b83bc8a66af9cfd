import { rename, rm, rmdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** What Windows answers while somebody else, mostly a virus scanner or an indexer, has a file or something in a folder open. */
const PASSING = ['EPERM', 'EACCES', 'EBUSY', 'ENOTEMPTY'];
/** Pauses between the tries, in milliseconds: two seconds together. A scanner is mostly done with the first ones. */
const PAUSES = [10, 20, 40, 80, 150, 300, 600, 800];

/**
 * Renames, deletions and whatever else needs a file for itself. On Windows they are tried again for a moment where somebody else has the
 * file open; elsewhere open files are in nobody's way, so what is refused is refused at once.
 */
export class PatientFiles {
  constructor(
    private readonly platform: NodeJS.Platform = process.platform,
    private readonly host = { rename, rm, rmdir, delay: (milliseconds: number): Promise<unknown> => delay(milliseconds) },
  ) {}

  /** Do something with files that may be refused for a moment. It has to be such that it can be done again. */
  async patiently<T>(work: () => Promise<T>): Promise<T> {
    if (this.platform !== 'win32') return work();
    for (const pause of PAUSES) {
      try {
        return await work();
      } catch (error) {
        if (!PASSING.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      }
      await this.host.delay(pause);
    }
    return work();
  }

  /** Give a file another name; what bears that already is replaced. */
  rename(from: string, to: string): Promise<void> {
    return this.patiently(() => this.host.rename(from, to));
  }

  /** Delete a file, if it is there. */
  remove(path: string): Promise<void> {
    return this.patiently(() => this.host.rm(path, { force: true }));
  }

  removeEmptyFolder(path: string): Promise<void> {
    return this.patiently(() => this.host.rmdir(path));
  }

  /** Delete a folder with all that is in it, if it is there. */
  removeFolder(path: string): Promise<void> {
    return this.patiently(() => this.host.rm(path, { recursive: true, force: true }));
  }
}

/** Those of this host. */
export const hostFiles = new PatientFiles();
