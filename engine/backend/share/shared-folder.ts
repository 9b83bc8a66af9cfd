import { type BigIntStats, type BigIntStatsFs, constants, readFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { VmError } from '../../errors/vm-error';
import { fileCalls, type FileTime } from '../../host/file-calls';
import { leaveToThreads } from '../../host/quick-calls';
import { checkAttributeName, listedAttributes } from './attributes';
import { FolderHandles, mustBe } from './folder-handles';
import { FolderListing, type NameBudget } from './folder-listing';
import * as host from './host-files';
import { liesLocal } from './mounts';
import { refusal } from './linux-errors';
import { OpenFile } from './open-file';
import { mappedOwners, type Owner, type Owners } from './owners';
import { NodeTable, type ShareNode } from './share-node';

const {
  O_ACCMODE = 3,
  O_RDONLY,
  O_WRONLY,
  O_RDWR,
  O_CREAT,
  O_EXCL,
  O_TRUNC,
  O_APPEND,
  O_NOFOLLOW,
  O_SYNC,
  O_DSYNC,
} = constants as typeof constants & { O_ACCMODE?: number };
/** Of how a guest wants a file opened, this is the host's business. */
const OPEN_FLAGS = O_ACCMODE | O_TRUNC | O_APPEND | O_SYNC | O_DSYNC;

const S_IFMT = 0o170000;
const S_IFIFO = 0o010000;
const S_IFREG = 0o100000;
const S_IFSOCK = 0o140000;
const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o010;

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
/** Bytes that the host copies at once; whoever asks for more asks again. */
const COPY_MAX = 64 << 20;

/** Files that the guest of a share has open. */
const FILES_MAX = 4096;
/** Characters of names in all its listings. */
const NAMES_MAX = 64 << 20;
const NAME_MAX = 255;
const TARGET_MAX = 4095;

export interface SharedFolderOptions {
  path: string;
  readonly?: boolean | undefined;
  /** Whoever runs the box is the guest's root unless given. */
  owners?: Owners | undefined;
  platform?: NodeJS.Platform | undefined;
}

export type { FileTime };

export interface Found {
  node: ShareNode;
  status: BigIntStats;
}

/** What to change of a file's attributes. */
export interface Changes {
  mode?: number | undefined;
  uid?: number | undefined;
  gid?: number | undefined;
  size?: number | undefined;
  accessed?: FileTime;
  modified?: FileTime;
}

/**
 * A folder of the host for a guest, who reaches nothing else, whatever it asks for and whatever anybody renames meanwhile: names are single
 * names in open folders, no link is followed, and a file is opened only after it has been seen, by a descriptor that opens nothing, that it is
 * a regular one. Failures have the host's `code`. Names and targets of links are texts of which each character is a byte.
 *
 * It takes Linux: other hosts have no paths that begin at a descriptor.
 */
export class SharedFolder {
  readonly #nodes: NodeTable;
  readonly #handles: FolderHandles;
  readonly #names: NameBudget = { left: NAMES_MAX };
  readonly #umask = umaskOfHost();
  #files = 0;

  private constructor(
    /** For people. */
    readonly path: string,
    root: number,
    status: BigIntStats,
    readonly readonly: boolean,
    readonly owners: Owners,
  ) {
    this.#nodes = new NodeTable(status);
    this.#handles = new FolderHandles(this.#nodes.root, root);
    this.#handles.onMissing = (_, { parent, name }) => this.#nodes.removed(parent, name);
    this.#nodes.onForget = (node) => this.#handles.forget(node);
  }

  /** Throws VmError: 'Resource' where the host has no way to confine a guest, 'Config' where the path is no folder that can be used. */
  static async open({ path, readonly = false, owners, platform = process.platform }: SharedFolderOptions): Promise<SharedFolder> {
    if (platform !== 'linux') {
      throw new VmError(
        'Resource',
        `The folder ${path} cannot be shared: this takes a Linux host, the only one on which a guest can be confined to it. Use a disk or the network instead.`,
        { code: 'share-host', params: { path } },
      );
    }
    let fd: number | undefined;
    try {
      // The one path that is followed wherever it leads: the user's.
      const real = await realpath(path);
      if (!(await liesLocal(real))) leaveToThreads();
      fd = await host.openFolderPlace(real);
      const status = await host.fstat(fd);
      // Without /proc there is no confinement.
      mustBe(new NodeTable(status).root, await host.lstat(host.pathIn(fd, '.')));
      return new SharedFolder(path, fd, status, readonly, owners ?? mappedOwners({ uid: 0, gid: 0 }, hostOwner()));
    } catch (cause) {
      if (fd !== undefined) await host.close(fd);
      const { code = '', message } = cause as NodeJS.ErrnoException;
      throw VmError.config(
        `The folder ${path} cannot be shared: ${code === 'ENOENT' ? 'it does not exist' : code === 'ENOTDIR' ? 'it is no folder' : message}. Name a folder that may be read.`,
        { cause, code: 'share-folder', params: { path, reason: code } },
      );
    }
  }

  get root(): ShareNode {
    return this.#nodes.root;
  }

  /** What is held for the guest, for limits and tests. */
  get held(): { nodes: number; folders: number; files: number } {
    return { nodes: this.#nodes.size, folders: this.#handles.size, files: this.#files };
  }

  /** Every file must be closed before. */
  async close(): Promise<void> {
    await this.#handles.close();
  }

  /** Holds a node once more, as `lookup` does; what is held has to be released. */
  hold(node: ShareNode): ShareNode {
    node.holds++;
    return node;
  }

  release(node: ShareNode, times = 1): void {
    this.#nodes.release(node, times);
  }

  /** The folder of a folder, as the guest knows it; of the root itself. */
  parentOf(node: ShareNode): ShareNode {
    return node.places.at(0)?.parent ?? this.root;
  }

  /** Find a name, and hold what it stands for. */
  async lookup(parent: ShareNode, name: string): Promise<Found> {
    const status = await this.peek(parent, name);
    return { node: this.#nodes.found(parent, name, status), status };
  }

  /** What a name stands for; the guest does not know it by that. */
  async peek(parent: ShareNode, name: string): Promise<BigIntStats> {
    checkName(name);
    return this.#handles.inside(parent, name, host.lstat);
  }

  async status(node: ShareNode): Promise<BigIntStats> {
    for (const file of node.files) return file.use(host.fstat);
    return this.#handles.status(node);
  }

  /** Open a regular file with flags as Linux has them, of which those for reading, writing, cutting, appending and syncing count. */
  async openFile(node: ShareNode, flags: number): Promise<OpenFile> {
    const wanted = this.#wanted(flags);
    return this.#opened(node, wanted, async () => {
      // What is open already may have no name any more.
      for (const file of node.files) return file.use((fd) => host.openFile(host.descriptorPath(fd), wanted));
      return this.#atPlace(node, (path) => host.openFile(path, wanted), mustBeFile);
    });
  }

  /** Make a file and open it; one that is there already is opened unless the flags say that it must not be (O_EXCL). */
  async create(parent: ShareNode, name: string, flags: number, mode: number, owner: Owner): Promise<Found & { file: OpenFile }> {
    checkName(name);
    this.#mustBeWritable();
    const wanted = this.#wanted(flags);
    for (let tries = 0; ; tries++) {
      const made = await this.#handles
        .inside(parent, name, (path) => host.openFile(path, (wanted & ~O_TRUNC) | O_CREAT | O_EXCL | O_NOFOLLOW, this.#mode(mode)))
        .catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST' || flags & O_EXCL) throw error;
          return undefined;
        });
      if (made === undefined) {
        try {
          const found = await this.lookup(parent, name);
          try {
            return { ...found, file: await this.openFile(found.node, flags) };
          } catch (error) {
            this.release(found.node);
            throw error;
          }
        } catch (error) {
          // Gone again.
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries > 2) throw error;
          continue;
        }
      }
      let node: ShareNode | undefined;
      try {
        await this.#give(host.descriptorPath(made), mode, owner);
        const status = await host.fstat(made);
        node = this.#nodes.found(parent, name, status);
        const file = await this.#opened(node, wanted, async () => made);
        return { node, status, file };
      } catch (error) {
        await host.close(made);
        if (node) this.release(node);
        throw error;
      }
    }
  }

  async makeFolder(parent: ShareNode, name: string, mode: number, owner: Owner): Promise<Found> {
    return this.#make(parent, name, owner, mode, (path) => host.mkdir(path, this.#mode(mode)));
  }

  async makeLink(parent: ShareNode, name: string, target: string, owner: Owner): Promise<Found> {
    if (target === '' || target.includes('\0')) throw refusal('ENOENT');
    if (target.length > TARGET_MAX) throw refusal('ENAMETOOLONG');
    return this.#make(parent, name, owner, undefined, (path) => host.symlink(Buffer.from(target, 'latin1'), path));
  }

  /** A regular file, a FIFO or a socket; EPERM for devices. */
  async makeNode(parent: ShareNode, name: string, mode: number, owner: Owner): Promise<Found> {
    const type = mode & S_IFMT;
    if (type === S_IFREG || type === 0) {
      const { file, node, status } = await this.create(parent, name, O_WRONLY | O_EXCL, mode, owner);
      await file.close();
      return { node, status };
    }
    const calls = fileCalls();
    if (!calls || (type !== S_IFIFO && type !== S_IFSOCK)) throw refusal('EPERM');
    return this.#make(parent, name, owner, mode, (path) => calls.makeNode(path, type | this.#mode(mode)));
  }

  /** Give a file one more name. */
  async makeName(node: ShareNode, parent: ShareNode, name: string): Promise<Found> {
    checkName(name);
    this.#mustBeWritable();
    if (node.isFolder) throw refusal('EPERM');
    await this.#handles.at(node, async (from) => {
      mustBe(node, await host.lstat(from));
      await this.#handles.inside(parent, name, (to) => host.link(from, to));
    });
    return this.lookup(parent, name);
  }

  async readLink(node: ShareNode): Promise<string> {
    return this.#handles.at(node, async (path) => {
      mustBe(node, await host.lstat(path));
      return host.readlink(path);
    });
  }

  /** Remove the name of a file, or an empty folder. */
  async remove(parent: ShareNode, name: string, isFolder: boolean): Promise<void> {
    checkName(name);
    this.#mustBeWritable();
    await this.#handles.inside(parent, name, (path) =>
      this.#handles.move(async () => {
        await (isFolder ? host.rmdir(path) : host.unlink(path));
        this.#nodes.removed(parent, name);
      }),
    );
  }

  /** `flags` as those of renameat2: 0, 1 (nothing may have the new name), 2 (exchange the two). */
  async rename(from: ShareNode, name: string, to: ShareNode, newName: string, flags = 0): Promise<void> {
    checkName(name);
    checkName(newName);
    this.#mustBeWritable();
    const calls = fileCalls();
    if (flags !== 0 && (!calls || flags > 2)) throw refusal('EINVAL');
    await this.#handles.inside(from, name, (source) =>
      this.#handles.inside(to, newName, (target) =>
        this.#handles.move(async () => {
          await (flags === 0 || !calls ? host.rename(source, target) : calls.rename(source, target, flags));
          if (flags === 2) this.#nodes.exchanged(from, name, to, newName);
          else this.#nodes.renamed(from, name, to, newName);
        }),
      ),
    );
  }

  async change(node: ShareNode, changes: Changes): Promise<void> {
    this.#mustBeWritable();
    const { size, mode, uid, gid, accessed, modified } = changes;
    if (size !== undefined) await this.#resize(node, size);
    if (uid !== undefined || gid !== undefined) await this.#chown(node, uid, gid);
    if (mode !== undefined) {
      const bits = this.#mode(mode);
      await this.#atFile(node, (path) => host.chmod(path, bits), mustNotBeLink);
    }
    if (accessed !== undefined || modified !== undefined) await this.#setTimes(node, accessed, modified);
  }

  /** fallocate(2), of an open file. */
  async allocate(file: OpenFile, mode: number, offset: number, length: number): Promise<void> {
    this.#mustBeWritable();
    const calls = fileCalls();
    if (!calls) throw refusal('EOPNOTSUPP');
    await file.use((fd) => calls.allocate(fd, mode, offset, length));
  }

  /** Where in an open file the next data (`whence` 3) or hole (4) is. ENOSYS where the host cannot be asked. */
  async seek(file: OpenFile, offset: number, whence: number): Promise<number> {
    const calls = fileCalls();
    if (!calls) throw refusal('ENOSYS');
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw refusal('EINVAL');
    return file.use((fd) => calls.seek(fd, offset, whence));
  }

  /** Copy from one open file to another, or within one; bytes copied. ENOSYS where the host cannot be asked. */
  async copyRange(from: OpenFile, offset: number, to: OpenFile, toOffset: number, length: number): Promise<number> {
    this.#mustBeWritable();
    const calls = fileCalls();
    if (!calls) throw refusal('ENOSYS');
    return from.use((source) => to.use((target) => calls.copyRange(source, offset, target, toOffset, Math.min(length, COPY_MAX))));
  }

  /** A regular file makes nobody who runs it somebody else any more: as Linux does when others than root write to it. */
  async dropPrivileges(node: ShareNode): Promise<void> {
    const status = await this.status(node);
    const mode = Number(status.mode) & 0o7777;
    const kept = mode & ~(mode & S_IXGRP ? S_ISUID | S_ISGID : S_ISUID);
    if (status.isFile() && kept !== mode) await this.#atFile(node, (path) => host.chmod(path, kept), mustBeFile);
  }

  async sync(file: OpenFile, dataOnly: boolean): Promise<void> {
    await file.use(dataOnly ? host.fdatasync : host.fsync);
  }

  async syncFolder(node: ShareNode): Promise<void> {
    await this.#handles.within(node, async (place) => {
      const fd = await host.openFile(host.pathIn(place, '.'), O_RDONLY);
      try {
        await host.fsync(fd);
      } finally {
        await host.close(fd);
      }
    });
  }

  async fileSystem(node: ShareNode): Promise<BigIntStatsFs> {
    const folder = node.isFolder ? node : this.parentOf(node);
    return this.#handles.within(folder, (fd) => host.statfs(host.pathIn(fd, '.')));
  }

  /** To be filled by `list`. */
  listing(): FolderListing {
    return new FolderListing(this.#names);
  }

  async list(node: ShareNode, listing: FolderListing): Promise<void> {
    await this.#handles.within(node, (fd) => listing.load(`${host.descriptorPath(fd)}/.`));
  }

  /** Attributes that begin with `user.` are the guest's; EOPNOTSUPP for all others. */
  async attribute(node: ShareNode, name: string): Promise<Uint8Array> {
    checkAttributeName(name);
    return this.#atFile(node, (path) => callsOf().getAttribute(path, name), mustNotBeLink);
  }

  /** Their names, each with a NUL behind it. */
  async attributes(node: ShareNode): Promise<Uint8Array> {
    return this.#atFile(node, async (path) => listedAttributes(await callsOf().listAttributes(path)), mustNotBeLink);
  }

  async setAttribute(node: ShareNode, name: string, value: Uint8Array, flags: number): Promise<void> {
    checkAttributeName(name);
    this.#mustBeWritable();
    await this.#atFile(node, (path) => callsOf().setAttribute(path, name, value, flags), mustNotBeLink);
  }

  async removeAttribute(node: ShareNode, name: string): Promise<void> {
    checkAttributeName(name);
    this.#mustBeWritable();
    await this.#atFile(node, (path) => callsOf().removeAttribute(path, name), mustNotBeLink);
  }

  #mustBeWritable(): void {
    if (this.readonly) throw refusal('EROFS');
  }

  #wanted(flags: number): number {
    const access = flags & O_ACCMODE;
    if (access !== O_RDONLY && access !== O_WRONLY && access !== O_RDWR) throw refusal('EINVAL');
    if (access !== O_RDONLY || flags & O_TRUNC) this.#mustBeWritable();
    return flags & OPEN_FLAGS;
  }

  async #opened(node: ShareNode, flags: number, open: () => Promise<number>): Promise<OpenFile> {
    if (this.#files >= FILES_MAX) throw refusal('ENFILE');
    this.#files++;
    try {
      const fd = await open();
      this.hold(node);
      return new OpenFile(fd, node, (flags & O_ACCMODE) !== O_RDONLY, () => {
        this.#files--;
        this.release(node);
      });
    } catch (error) {
      this.#files--;
      throw error;
    }
  }

  /** Do something with a file that has been seen to be the node and fit: by a descriptor, which no rename changes. */
  #atPlace<T>(node: ShareNode, work: (path: string) => Promise<T>, check: (status: BigIntStats) => void): Promise<T> {
    const through = async (fd: number): Promise<T> => {
      check(mustBe(node, await host.fstat(fd)));
      return work(host.descriptorPath(fd));
    };
    // What is in the folder of the share has its name there.
    if (node === this.root) return this.#handles.within(node, async (fd) => through(fd));
    return this.#handles.at(node, async (path) => {
      const fd = await host.openPlace(path);
      try {
        return await through(fd);
      } finally {
        await host.close(fd);
      }
    });
  }

  #atFile<T>(node: ShareNode, work: (path: string) => Promise<T>, check: (status: BigIntStats) => void): Promise<T> {
    for (const file of node.files) return file.use((fd) => work(host.descriptorPath(fd)));
    return this.#atPlace(node, work, check);
  }

  async #make(
    parent: ShareNode,
    name: string,
    owner: Owner,
    mode: number | undefined,
    make: (path: host.HostPath) => Promise<void>,
  ): Promise<Found> {
    checkName(name);
    this.#mustBeWritable();
    await this.#handles.inside(parent, name, make);
    const found = await this.lookup(parent, name);
    const needsMode = mode !== undefined && (this.#mode(mode) & this.#umask) !== 0;
    if (!needsMode && !this.owners.arePassed) return found;
    try {
      if (this.owners.arePassed) await this.#chown(found.node, owner.uid, owner.gid).catch(orAsItIs);
      if (needsMode) await this.#atPlace(found.node, (path) => host.chmod(path, this.#mode(mode)), mustNotBeLink);
      return { node: found.node, status: await this.#handles.status(found.node) };
    } catch (error) {
      this.release(found.node);
      throw error;
    }
  }

  /** Owner and mode of what was made just now. */
  async #give(path: string, mode: number, { uid, gid }: Owner): Promise<void> {
    if (this.owners.arePassed) await host.chown(path, uid, gid).catch(orAsItIs);
    if (this.#mode(mode) & this.#umask) await host.chmod(path, this.#mode(mode));
  }

  /** What a guest may set of a mode: who runs programs of theirs as whom is the host's business where owners are mapped. */
  #mode(mode: number): number {
    return mode & (this.owners.arePassed ? 0o7777 : 0o1777);
  }

  async #resize(node: ShareNode, size: number): Promise<void> {
    for (const file of node.files) if (file.isWritable) return file.use((fd) => host.ftruncate(fd, size));
    await this.#atFile(node, (path) => host.truncate(path, size), mustBeFile);
  }

  async #chown(node: ShareNode, uid: number | undefined, gid: number | undefined): Promise<void> {
    const status = await this.status(node);
    const now = this.owners.toGuest({ uid: Number(status.uid), gid: Number(status.gid) });
    const wanted = { uid: uid ?? now.uid, gid: gid ?? now.gid };
    if (wanted.uid === now.uid && wanted.gid === now.gid) return;
    const owner = this.owners.toHost(wanted);
    if (!owner) throw refusal('EPERM');
    for (const file of node.files) return file.use((fd) => host.chown(host.descriptorPath(fd), owner.uid, owner.gid));
    await this.#handles.at(node, async (path) => {
      mustBe(node, await host.lstat(path));
      await host.lchown(path, owner.uid, owner.gid);
    });
  }

  async #setTimes(node: ShareNode, accessed: FileTime, modified: FileTime): Promise<void> {
    const calls = fileCalls();
    const set = async (path: host.HostPath): Promise<void> => {
      if (calls) return calls.setTimes(path, accessed, modified);
      const now = await host.lstat(path);
      await host.lutimes(path, secondsOf(accessed, now.atimeNs), secondsOf(modified, now.mtimeNs));
    };
    if (node === this.root) return this.#handles.within(node, (fd) => set(host.pathIn(fd, '.')));
    await this.#handles.at(node, async (path) => {
      mustBe(node, await host.lstat(path));
      await set(path);
    });
  }
}

function secondsOf(time: FileTime, now: bigint): number {
  if (time === 'now') return Date.now() / 1000;
  return time === undefined ? Number(now) / 1e9 : time.seconds + time.nanoseconds / 1e9;
}

function checkName(name: string): void {
  if (name === '') throw refusal('ENOENT');
  if (name === '.' || name === '..' || name.includes('/') || name.includes('\0')) throw refusal('EINVAL');
  if (name.length > NAME_MAX) throw refusal('ENAMETOOLONG');
}

function mustBeFile(status: BigIntStats): void {
  if (status.isDirectory()) throw refusal('EISDIR');
  if (status.isSymbolicLink()) throw refusal('ELOOP');
  // A FIFO, a socket or a device is the guest's own affair; the host's is not opened.
  if (!status.isFile()) throw refusal('ENXIO');
}

function mustNotBeLink(status: BigIntStats): void {
  if (status.isSymbolicLink()) throw refusal('EOPNOTSUPP');
}

/** Only root can give files away: who is not keeps what the guest makes. */
function orAsItIs(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPERM') throw error;
}

function callsOf(): NonNullable<ReturnType<typeof fileCalls>> {
  const calls = fileCalls();
  if (!calls) throw refusal('EOPNOTSUPP');
  return calls;
}

/** Whoever runs this. */
export function hostOwner(): Owner {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}

/** Without setting it, as process.umask() would for a moment. */
function umaskOfHost(): number {
  const [, mask] = /^Umask:\s*([0-7]+)/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
  return mask === undefined ? 0o777 : Number.parseInt(mask, 8);
}
