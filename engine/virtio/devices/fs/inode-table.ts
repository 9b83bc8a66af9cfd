import { refusal } from '../../../backend/share/linux-errors';
import type { ShareNode } from '../../../backend/share/share-node';
import type { SharedFolder } from '../../../backend/share/shared-folder';

/** FUSE_ROOT_ID. */
export const ROOT_INODE = 1;
/** As many as a share has nodes: more than guests have memory to remember. */
const INODES_MAX = 500_000;

interface Inode {
  /** Held for it. */
  node: ShareNode;
  /** How often the guest has been told of it, less how often it forgot. */
  lookups: number;
}

/** What the guest knows by number: files, until it forgets them. Numbers are never used again. */
export class InodeTable {
  readonly #inodes = new Map<number, Inode>();
  readonly #numbers = new Map<ShareNode, number>();
  #next = ROOT_INODE + 1;
  #isClosed = false;

  constructor(private readonly folder: SharedFolder) {}

  get size(): number {
    return this.#inodes.size;
  }

  /** The next number that an inode gets. */
  get next(): number {
    return this.#next;
  }

  set next(number: number) {
    this.#next = number;
  }

  /** All but the root, with their numbers. */
  entries(): IterableIterator<[number, Inode]> {
    return this.#inodes.entries();
  }

  /** ESTALE where there is none. */
  find(number: number): ShareNode {
    if (number === ROOT_INODE) return this.folder.root;
    const inode = this.#inodes.get(number);
    if (!inode) throw refusal('ESTALE');
    return inode.node;
  }

  /** The number of what was found, whose hold becomes the table's; the guest is told of it. ENOMEM where there are too many. */
  told(node: ShareNode): number {
    const number = this.toldIfRoom(node);
    if (number === 0) throw refusal('ENOMEM');
    return number;
  }

  /** The same; 0, the number of none, where there are too many. */
  toldIfRoom(node: ShareNode): number {
    const known = this.#numbers.get(node);
    const inode = known === undefined ? undefined : this.#inodes.get(known);
    if (known !== undefined && inode) {
      inode.lookups++;
      this.folder.release(node);
      return known;
    }
    if (this.#isClosed || this.#inodes.size >= INODES_MAX) {
      this.folder.release(node);
      return 0;
    }
    this.put(this.#next, node, 1);
    return this.#next++;
  }

  /** Of a snapshot, or new; the hold becomes the table's. */
  put(number: number, node: ShareNode, lookups: number): void {
    this.#inodes.set(number, { node, lookups });
    this.#numbers.set(node, number);
  }

  /** More than it was told is as good as all. */
  forget(number: number, times: number): void {
    const inode = this.#inodes.get(number);
    if (!inode) return;
    inode.lookups -= times;
    if (inode.lookups > 0) return;
    this.#inodes.delete(number);
    this.#numbers.delete(inode.node);
    this.folder.release(inode.node);
  }

  clear(): void {
    const inodes = [...this.#inodes.values()];
    this.#inodes.clear();
    this.#numbers.clear();
    for (const { node } of inodes) this.folder.release(node);
  }

  /** For good: requests that still run tell of nothing more. */
  close(): void {
    this.#isClosed = true;
    this.clear();
  }
}
