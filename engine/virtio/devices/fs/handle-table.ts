import type { FolderListing } from '../../../backend/share/folder-listing';
import { refusal } from '../../../backend/share/linux-errors';
import type { OpenFile } from '../../../backend/share/open-file';
import type { ShareNode } from '../../../backend/share/share-node';
import type { SharedFolder } from '../../../backend/share/shared-folder';

/** What the guest has open. */
export interface Handle {
  /** Held for it. */
  node: ShareNode;
  file?: OpenFile;
  listing?: FolderListing;
  /** With which the guest opened it. */
  flags: number;
}

/** Files and folders; a share has a bound of its own for files. */
const HANDLES_MAX = 65_536;

/** What the guest has open, by number. Numbers are never used again. */
export class HandleTable {
  readonly #handles = new Map<number, Handle>();
  next = 1;
  #isClosed = false;

  constructor(private readonly folder: SharedFolder) {}

  get size(): number {
    return this.#handles.size;
  }

  entries(): IterableIterator<[number, Handle]> {
    return this.#handles.entries();
  }

  /** Its number. Where it cannot be, what it holds is let go. */
  async add(handle: Handle): Promise<number> {
    if (this.#isClosed || this.#handles.size >= HANDLES_MAX) {
      await this.#close(handle);
      throw refusal('ENFILE');
    }
    this.put(this.next, handle);
    return this.next++;
  }

  /** Of a snapshot. */
  put(number: number, handle: Handle): void {
    this.#handles.set(number, handle);
  }

  /** EBADF where there is none. */
  find(number: number): Handle {
    const handle = this.#handles.get(number);
    if (!handle) throw refusal('EBADF');
    return handle;
  }

  /** EBADF where it is none of a file. */
  file(number: number): Handle & { file: OpenFile } {
    const handle = this.find(number);
    if (!handle.file) throw refusal('EBADF');
    return handle as Handle & { file: OpenFile };
  }

  async remove(number: number): Promise<void> {
    const handle = this.find(number);
    this.#handles.delete(number);
    await this.#close(handle);
  }

  async clear(): Promise<void> {
    const handles = [...this.#handles.values()];
    this.#handles.clear();
    await Promise.all(handles.map((handle) => this.#close(handle)));
  }

  /** For good: requests that still run open nothing more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.clear();
  }

  async #close({ node, file, listing }: Handle): Promise<void> {
    listing?.close();
    this.folder.release(node);
    await file?.close();
  }
}
