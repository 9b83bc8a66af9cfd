import type { BigIntStats } from 'node:fs';
import { guestDescriptors } from '../../host/guest-descriptors';
import { close, type HostPath, fstat, lstat, openFolderPlace, pathIn } from './host-files';
import { refusal } from './linux-errors';
import { keyOf, type NodePlace, type ShareNode } from './share-node';

/** Descriptors of folders that are kept open: of few that guests may have a quarter, so that files have the rest. */
const OPEN_MAX = Math.min(512, Math.floor(guestDescriptors.most / 4));
/** How deep folders may lie: each on the way has to stay open. */
const DEPTH_MAX = 256;
/** Milliseconds after which it is looked again whether a folder still lies where it was: somebody may have moved it out of the share. */
const FRESH = 1000;
const TRIES = 4;

interface Handle {
  fd: number;
  users: number;
  checked: number;
  /** To be closed by the last user. */
  isGone: boolean;
}

/**
 * The open folders of a share. Every path that the host gets begins at one of their descriptors and has one name behind it, so that no link
 * on the way is ever followed, whoever puts links there meanwhile (there is no openat in Node; on Linux /proc/self/fd/N/NAME is that).
 */
export class FolderHandles {
  /** The one used last is last. */
  readonly #handles = new Map<ShareNode, Handle>();
  readonly #opening = new Map<ShareNode, Promise<void>>();
  readonly #root: Handle;
  /** Counts renames by the guest, at their beginning and at their end. */
  #moves = 0;
  #moving = 0;
  #lastMove: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly rootNode: ShareNode,
    root: number,
  ) {
    this.#root = { fd: root, users: 1, checked: Infinity, isGone: false };
  }

  get size(): number {
    return this.#handles.size;
  }

  /** While the guest renames or removes, what is missing may only be elsewhere. `work` enters no folder: it would wait for itself. */
  async move<T>(work: () => Promise<T>): Promise<T> {
    this.#moves++;
    this.#moving++;
    const moved = work().finally(() => {
      this.#moving--;
      this.#moves++;
    });
    this.#lastMove = moved.catch(() => undefined);
    return moved;
  }

  /** Do something with a name in a folder. */
  async inside<T>(folder: ShareNode, name: string, work: (path: HostPath) => Promise<T>): Promise<T> {
    const handle = await this.#enter(folder);
    try {
      return await work(pathIn(handle.fd, name));
    } finally {
      this.#leave(handle);
    }
  }

  /** Do something with an open folder. */
  async within<T>(folder: ShareNode, work: (fd: number) => Promise<T>): Promise<T> {
    const handle = await this.#enter(folder);
    try {
      return await work(handle.fd);
    } finally {
      this.#leave(handle);
    }
  }

  /** Do something with one of a node's names; `work` is called again where the name was one no more. ESTALE of a node that has none left. */
  async at<T>(node: ShareNode, work: (path: HostPath) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const moves = this.#moves;
      const place = node.places.at(0);
      if (!place) throw refusal('ESTALE');
      try {
        return await this.inside(place.parent, place.name, work);
      } catch (error) {
        if (tries === TRIES || !isMissing(error)) throw error;
        if (this.#moving > 0 || this.#moves !== moves) await this.#lastMove;
        else if (node.places.length > 1) this.onMissing(node, place);
        else throw error;
      }
    }
  }

  /** What lies at the node's place, if that is still the node. */
  status(node: ShareNode): Promise<BigIntStats> {
    if (node === this.rootNode) return fstat(this.#root.fd);
    return this.at(node, async (path) => mustBe(node, await lstat(path)));
  }

  /** Called for a name that is not that of the node any more. */
  onMissing: (node: ShareNode, place: NodePlace) => void = () => undefined;

  /** Nobody knows the folder any more. */
  forget(node: ShareNode): void {
    const handle = this.#handles.get(node);
    if (handle) void this.#drop(node, handle);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#handles].map(([node, handle]) => this.#drop(node, handle)));
    await close(this.#root.fd);
  }

  async #enter(folder: ShareNode): Promise<Handle> {
    if (folder === this.rootNode) return this.#hold(this.#root);
    if (!folder.isFolder) throw refusal('ENOTDIR');
    for (let tries = 1; ; tries++) {
      const known = this.#fresh(folder);
      if (known) return this.#hold(known, folder);
      const moves = this.#moves;
      try {
        const way: ShareNode[] = [];
        for (let at = folder; at !== this.rootNode && !this.#fresh(at); at = parentOf(at)) {
          way.push(at);
          if (way.length > DEPTH_MAX) throw refusal('ENAMETOOLONG');
        }
        for (const node of way.reverse()) await this.#refresh(node);
      } catch (error) {
        if (tries === TRIES || !isMissing(error)) throw error;
        if (this.#moving === 0 && this.#moves === moves) throw error;
        await this.#lastMove;
      }
    }
  }

  #fresh(node: ShareNode): Handle | undefined {
    const handle = this.#handles.get(node);
    return handle && performance.now() - handle.checked < FRESH ? handle : undefined;
  }

  /** Opens the folder, or looks whether it still is what lies there. Its parent has just been entered. */
  async #refresh(node: ShareNode): Promise<void> {
    const running = this.#opening.get(node);
    if (running) return running;
    const work = this.#look(node).finally(() => this.#opening.delete(node));
    this.#opening.set(node, work);
    return work;
  }

  async #look(node: ShareNode): Promise<void> {
    const { parent, name } = placeOf(node);
    const above = parent === this.rootNode ? this.#root : this.#handles.get(parent);
    if (!above) throw refusal('ESTALE');
    this.#hold(above);
    try {
      const known = this.#handles.get(node);
      if (known) {
        try {
          mustBe(node, await lstat(pathIn(above.fd, name)));
          known.checked = performance.now();
        } catch (error) {
          // Not if the guest itself is moving it: then it is looked for again.
          if (isMissing(error) && this.#moving === 0) this.forget(node);
          throw error;
        }
        return;
      }
      const fd = await this.#openPlace(pathIn(above.fd, name), node);
      try {
        mustBe(node, await fstat(fd));
      } catch (error) {
        await close(fd);
        throw error;
      }
      this.#handles.set(node, { fd, users: 0, checked: performance.now(), isGone: false });
      this.#evict(node);
    } finally {
      this.#leave(above);
    }
  }

  #hold(handle: Handle, node?: ShareNode): Handle {
    handle.users++;
    if (node) {
      this.#handles.delete(node);
      this.#handles.set(node, handle);
    }
    return handle;
  }

  #leave(handle: Handle): void {
    if (--handle.users === 0 && handle.isGone) void close(handle.fd);
  }

  /** Where there are no descriptors left, others of folders are closed for it. */
  async #openPlace(path: HostPath, node: ShareNode): Promise<number> {
    for (;;) {
      try {
        return await openFolderPlace(path);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if ((code !== 'ENFILE' && code !== 'EMFILE') || !(await this.#dropUnused(node))) throw error;
      }
    }
  }

  #evict(newest: ShareNode): void {
    while (this.#handles.size > OPEN_MAX) {
      const closed = this.#dropUnused(newest);
      if (!closed) return;
    }
  }

  /** Closes the folder that was not used for the longest time, and is not on the way to one that is about to be. Undefined where there is none. */
  #dropUnused(wanted: ShareNode): Promise<true> | undefined {
    const way = new Set<ShareNode>();
    for (let at: ShareNode | undefined = wanted; at && !way.has(at); at = at.places.at(0)?.parent) way.add(at);
    for (const [node, handle] of this.#handles) {
      if (handle.users > 0 || way.has(node)) continue;
      return this.#drop(node, handle).then(() => true);
    }
    return undefined;
  }

  async #drop(node: ShareNode, handle: Handle): Promise<void> {
    this.#handles.delete(node);
    handle.isGone = true;
    if (handle.users === 0) await close(handle.fd);
  }
}

function placeOf(node: ShareNode): NodePlace {
  const place = node.places.at(0);
  if (!place) throw refusal('ESTALE');
  return place;
}

function parentOf(node: ShareNode): ShareNode {
  return placeOf(node).parent;
}

/** Throws ESTALE where the status is that of another file. */
export function mustBe(node: ShareNode, status: BigIntStats): BigIntStats {
  if (keyOf(status) !== node.key) throw refusal('ESTALE');
  return status;
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESTALE' || code === 'ENOTDIR' || code === 'ELOOP';
}
