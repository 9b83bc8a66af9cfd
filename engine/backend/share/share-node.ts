import type { BigIntStats } from 'node:fs';
import { refusal } from './linux-errors';

/** A name in a folder. */
export interface NodePlace {
  parent: ShareNode;
  name: string;
}

/** What is open of a file. */
export interface NodeFile {
  readonly isWritable: boolean;
  /** Do something with its descriptor, which stays open meanwhile. */
  use<T>(work: (fd: number) => Promise<T>): Promise<T>;
}

/**
 * A file of the host that the guest knows, whatever its names are. It is no descriptor: guests know hundreds of thousands of files. It is
 * found again by one of its names, and only if what lies there is the same file.
 */
export class ShareNode {
  /** Names by which it was found, the newest first; none of the share's root, and of what was removed. */
  readonly places: NodePlace[] = [];
  /** What of its entries the guest knows, by name. */
  readonly children = new Map<string, ShareNode>();
  /** Open files of it. */
  readonly files = new Set<NodeFile>();
  /** How often the guest holds it. */
  holds = 0;

  constructor(
    /** What it is on the host: device, number, time of birth. */
    readonly key: string,
    readonly isFolder: boolean,
  ) {}
}

/** A file may be known by so many names at once; of more the oldest is forgotten. */
const PLACES_MAX = 16;
/** More than guests have memory to remember; less than would hurt the host. */
const NODES_MAX = 500_000;

export function keyOf({ dev, ino, birthtimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${birthtimeNs}`;
}

/** All nodes of a share: a tree, as the guest knows it. */
export class NodeTable {
  readonly #nodes = new Map<string, ShareNode>();
  readonly root: ShareNode;

  constructor(root: BigIntStats) {
    this.root = new ShareNode(keyOf(root), true);
    this.root.holds = 1;
    this.#nodes.set(this.root.key, this.root);
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** What was found under a name, held once more. */
  found(parent: ShareNode, name: string, status: BigIntStats): ShareNode {
    const key = keyOf(status);
    let node = this.#nodes.get(key);
    // Reached from inside of itself: a mount of the host. It has no place but its own.
    if (node === this.root) throw refusal('ELOOP');
    if (!node) {
      if (this.#nodes.size >= NODES_MAX) throw refusal('ENOMEM');
      node = new ShareNode(key, status.isDirectory());
      this.#nodes.set(key, node);
    }
    this.#place(node, parent, name);
    node.holds++;
    return node;
  }

  release(node: ShareNode, times = 1): void {
    node.holds = Math.max(node === this.root ? 1 : 0, node.holds - times);
    this.#forget(node);
  }

  /** A name is no more. */
  removed(parent: ShareNode, name: string): void {
    const node = parent.children.get(name);
    if (!node) return;
    parent.children.delete(name);
    const at = node.places.findIndex((place) => place.parent === parent && place.name === name);
    if (at >= 0) node.places.splice(at, 1);
    // Its number may become that of another file.
    if (node.places.length === 0 && this.#nodes.get(node.key) === node) this.#nodes.delete(node.key);
    this.#forget(node);
    this.#forget(parent);
  }

  /** A name became another. */
  renamed(from: ShareNode, name: string, to: ShareNode, newName: string): void {
    const node = from.children.get(name);
    // Two names of one file: the host does nothing then.
    if (node && node === to.children.get(newName)) return;
    this.removed(to, newName);
    if (!node) return;
    node.holds++;
    this.removed(from, name);
    this.#nodes.set(node.key, node);
    this.#place(node, to, newName);
    node.holds--;
  }

  /** Two names changed what they stand for. */
  exchanged(from: ShareNode, name: string, to: ShareNode, otherName: string): void {
    const [one, other] = [from.children.get(name), to.children.get(otherName)];
    for (const node of [one, other]) if (node) node.holds++;
    this.removed(from, name);
    this.removed(to, otherName);
    for (const [node, parent, at] of [
      [one, to, otherName],
      [other, from, name],
    ] as const) {
      if (!node) continue;
      this.#nodes.set(node.key, node);
      this.#place(node, parent, at);
      node.holds--;
    }
  }

  /** Whether a folder lies below another, or is it. */
  isBelow(node: ShareNode, above: ShareNode): boolean {
    const seen = new Set<ShareNode>();
    for (let at: ShareNode | undefined = node; at && !seen.has(at); at = at.places[0]?.parent) {
      if (at === above) return true;
      seen.add(at);
    }
    return false;
  }

  #place(node: ShareNode, parent: ShareNode, name: string): void {
    const before = parent.children.get(name);
    if (before === node) return;
    if (before) this.removed(parent, name);
    // A folder has one name.
    while (node.places.length >= (node.isFolder ? 1 : PLACES_MAX)) {
      const old = node.places.pop() as NodePlace;
      old.parent.children.delete(old.name);
      this.#forget(old.parent);
    }
    parent.children.set(name, node);
    node.places.unshift({ parent, name });
  }

  /** Whoever is neither held nor on the way to somebody who is. */
  #forget(node: ShareNode): void {
    let at: ShareNode | undefined = node;
    while (at && at !== this.root && at.holds === 0 && at.children.size === 0) {
      const gone: ShareNode = at;
      at = undefined;
      if (this.#nodes.get(gone.key) === gone) this.#nodes.delete(gone.key);
      for (const { parent, name } of gone.places.splice(0)) {
        if (parent.children.get(name) === gone) parent.children.delete(name);
        // One after the other: the way down may be long.
        if (at === undefined) at = parent;
        else this.#forget(parent);
      }
      this.onForget?.(gone);
    }
  }

  /** Called for each node that is not known any more. */
  onForget: ((node: ShareNode) => void) | undefined;
}
