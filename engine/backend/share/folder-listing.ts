import { type Dir, type OpenDirOptions, opendir } from 'node:fs';
import { promisify } from 'node:util';
import { give, taking } from './host-files';
import { refusal } from './linux-errors';

/** Characters in the names of all listings of a share. */
export interface NameBudget {
  left: number;
}

/** The names in a folder, as they were when reading began: a guest may go on anywhere. */
export class FolderListing {
  #names: string[] | undefined;
  #taken = 0;

  constructor(private readonly budget: NameBudget) {}

  get length(): number {
    return this.#names?.length ?? 0;
  }

  name(at: number): string | undefined {
    return this.#names?.[at];
  }

  /** Reads the folder anew. ENOMEM where its names are too many. */
  async load(path: string): Promise<void> {
    this.close();
    const names: string[] = [];
    const folder = await taking(() => openFolder(path, { encoding: 'latin1', bufferSize: 1024 }));
    try {
      for (let entry = await folder.read(); entry; entry = await folder.read()) {
        const cost = entry.name.length + 32;
        this.#taken += cost;
        this.budget.left -= cost;
        if (this.budget.left < 0) throw refusal('ENOMEM');
        names.push(entry.name);
      }
    } catch (error) {
      this.close();
      throw error;
    } finally {
      await folder.close();
      give();
    }
    this.#names = names;
  }

  close(): void {
    this.budget.left += this.#taken;
    this.#taken = 0;
    this.#names = undefined;
  }
}

const openFolder = promisify(opendir) as (path: string, options: OpenDirOptions) => Promise<Dir>;
