import type { FolderListing } from '../../../backend/share/folder-listing';
import { refusal } from '../../../backend/share/linux-errors';
import type { OpenFile } from '../../../backend/share/open-file';
import type { ShareNode } from '../../../backend/share/share-node';
import type { SharedFolder } from '../../../backend/share/shared-folder';

/** An extended attribute that is read or, from clunk on, written. */
export interface FidAttribute {
  name: string;
  value: Uint8Array;
  /** Undefined while it is read. */
  write?: { flags: number; filled: number };
}

/** What the client calls by a number: a file, and what it does with it. */
export class Fid {
  file: OpenFile | undefined;
  listing: FolderListing | undefined;
  attribute: FidAttribute | undefined;
  /** With which the file was opened. */
  flags = 0;

  constructor(
    /** Held for it. */
    public node: ShareNode,
    /** The user for whom it was attached. */
    readonly uid: number,
  ) {}

  get isOpen(): boolean {
    return this.file !== undefined || this.listing !== undefined || this.attribute !== undefined;
  }

  /** EBADF where it is not open as a file. */
  get opened(): OpenFile {
    if (!this.file) throw refusal(this.listing ? 'EISDIR' : 'EBADF');
    return this.file;
  }
}

/** More than clients have memory for files. */
const FIDS_MAX = 65_536;
/** Bytes of attributes' values in all fids. */
const ATTRIBUTES_MAX = 16 << 20;

/** The fids of a client. */
export class FidTable {
  readonly #fids = new Map<number, Fid>();
  #attributeBytes = 0;

  constructor(private readonly folder: SharedFolder) {}

  get size(): number {
    return this.#fids.size;
  }

  /** All of them, with their numbers. */
  entries(): IterableIterator<[number, Fid]> {
    return this.#fids.entries();
  }

  /** EBADF where there is none. */
  find(number: number): Fid {
    const fid = this.#fids.get(number);
    if (!fid) throw refusal('EBADF');
    return fid;
  }

  /** Gives a fid its number; where it cannot be, what it holds is let go. */
  add(number: number, fid: Fid): void {
    const full = this.#fids.size >= FIDS_MAX;
    if (!full && !this.#fids.has(number)) {
      this.#fids.set(number, fid);
      return;
    }
    void this.#close(fid);
    throw refusal(full ? 'ENFILE' : 'EBADF');
  }

  /** ENOMEM where all attributes together have too many bytes. */
  setAttribute(fid: Fid, attribute: FidAttribute): void {
    if (this.#attributeBytes + attribute.value.length > ATTRIBUTES_MAX) throw refusal('ENOMEM');
    this.#attributeBytes += attribute.value.length;
    fid.attribute = attribute;
  }

  async remove(number: number): Promise<void> {
    const fid = this.find(number);
    this.#fids.delete(number);
    await this.#close(fid);
  }

  /** All of them. */
  async clear(): Promise<void> {
    const fids = [...this.#fids.values()];
    this.#fids.clear();
    await Promise.all(fids.map((fid) => this.#close(fid)));
  }

  async #close(fid: Fid): Promise<void> {
    const { node, attribute, file, listing } = fid;
    this.#attributeBytes -= attribute?.value.length ?? 0;
    fid.attribute = undefined;
    listing?.close();
    this.folder.release(node);
    await file?.close();
  }
}
