import { type BigIntStats, constants } from 'node:fs';
import { type FileNumbers, splitTime } from '../../../backend/share/file-numbers';
import { refusal } from '../../../backend/share/linux-errors';
import type { OpenFile } from '../../../backend/share/open-file';
import type { Owner } from '../../../backend/share/owners';
import type { ShareNode } from '../../../backend/share/share-node';
import type { FileTime, Found, SharedFolder } from '../../../backend/share/shared-folder';
import type { HandleTable } from './handle-table';
import { type InodeTable, ROOT_INODE } from './inode-table';
import type { FuseHeader, FuseReader, FuseWriter } from './message';

/** What operations need of a session. */
interface Conversation {
  readonly folder: SharedFolder;
  readonly inodes: InodeTable;
  readonly handles: HandleTable;
  readonly numbers: FileNumbers;
  /** Whether the guest keeps what it writes for a while. */
  readonly isWriteback: boolean;
}

/** Does a request whose fields it reads, and writes the fields of its answer. The structures are those of Linux's include/uapi/linux/fuse.h. */
type Operation = (session: Conversation, header: FuseHeader, request: FuseReader, answer: FuseWriter) => Promise<void>;

const { O_ACCMODE = 3, O_WRONLY, O_RDWR, O_APPEND, O_TRUNC } = constants as typeof constants & { O_ACCMODE?: number };

/** Seconds for which the guest may believe what it was told of a file, and of a name: as long as others may have changed it unseen. */
const VALID_SECONDS = 1;
/** So that nobody waits long for the host. */
const ENTRIES_AT_ONCE = 512;
const LOOKS_AT_ONCE = 32;
const ATTRIBUTE_MAX = 65_536;

// Bits of setattr's `valid`.
const FATTR_MODE = 1 << 0;
const FATTR_UID = 1 << 1;
const FATTR_GID = 1 << 2;
const FATTR_SIZE = 1 << 3;
const FATTR_ATIME = 1 << 4;
const FATTR_MTIME = 1 << 5;
const FATTR_ATIME_NOW = 1 << 7;
const FATTR_MTIME_NOW = 1 << 8;
const FATTR_KILL_SUIDGID = 1 << 11;

const FUSE_OPEN_KILL_SUIDGID = 1 << 0;
const FUSE_FSYNC_FDATASYNC = 1 << 0;
/** What the guest has in its cache of a file stays right while its times and its size do, at which it looks. */
const FOPEN_KEEP_CACHE = 1 << 1;

/** The rest of a struct fuse_entry_out without an inode. */
const NO_ENTRY = new Uint8Array(104);

const ownerOf = ({ uid, gid }: FuseHeader): Owner => ({ uid, gid });

/** struct fuse_attr */
function writeAttributes({ folder, numbers }: Conversation, status: BigIntStats, answer: FuseWriter): void {
  const owner = folder.owners.toGuest({ uid: Number(status.uid), gid: Number(status.gid) });
  const times = [status.atimeNs, status.mtimeNs, status.ctimeNs].map(splitTime);
  answer.u64(numbers.of(status)).u64(status.size).u64(status.blocks);
  for (const { seconds } of times) answer.u64(seconds);
  for (const { nanoseconds } of times) answer.u32(nanoseconds);
  answer.u32(Number(status.mode)).u32(Number(status.nlink)).u32(owner.uid).u32(owner.gid);
  answer.u32(Number(status.rdev)).u32(Number(status.blksize)).u32(0);
}

/** struct fuse_attr_out */
function answerAttributes(session: Conversation, status: BigIntStats, answer: FuseWriter): void {
  answer.u64(VALID_SECONDS).u32(0).u32(0);
  writeAttributes(session, status, answer);
}

/** struct fuse_entry_out, of an inode that the guest has been told of. */
function writeEntry(session: Conversation, inode: number, status: BigIntStats, answer: FuseWriter): void {
  answer.u64(inode).u64(0).u64(VALID_SECONDS).u64(VALID_SECONDS).u32(0).u32(0);
  writeAttributes(session, status, answer);
}

function answerEntry(session: Conversation, found: Found, answer: FuseWriter): void {
  const inode = session.inodes.told(found.node);
  try {
    writeEntry(session, inode, found.status, answer);
  } catch (error) {
    // There is no room for it: the guest is not told.
    session.inodes.forget(inode, 1);
    throw error;
  }
}

/** Of a name that is none the guest may believe that as long, by an entry without an inode: whoever compiles looks for most files in vain. */
const lookup: Operation = async (session, { inode }, request, answer) => {
  const parent = session.inodes.find(inode);
  const name = request.name();
  let found: Found;
  try {
    found = await session.folder.lookup(parent, name);
  } catch (error) {
    if (name === '' || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    answer.u64(0).u64(0).u64(VALID_SECONDS).raw(NO_ENTRY);
    return;
  }
  answerEntry(session, found, answer);
};

/** struct fuse_getattr_in */
const getattr: Operation = async (session, { inode }, _request, answer) => {
  answerAttributes(session, await session.folder.status(session.inodes.find(inode)), answer);
};

/** struct fuse_setattr_in */
const setattr: Operation = async (session, { inode }, request, answer) => {
  const { folder } = session;
  const node = session.inodes.find(inode);
  const valid = request.u32();
  request.skip(12);
  const size = request.i64();
  request.skip(8);
  const seconds = [request.i64(), request.i64()];
  request.skip(8);
  const nanoseconds = [request.u32(), request.u32()];
  request.skip(4);
  const mode = request.u32();
  request.skip(4);
  const [uid, gid] = [request.u32(), request.u32()];
  const time = (at: 0 | 1, isSet: boolean, isNow: boolean): FileTime => {
    if (!isSet) return undefined;
    if (isNow) return 'now';
    if (!Number.isSafeInteger(seconds[at]) || nanoseconds[at] > 999_999_999) throw refusal('EINVAL');
    return { seconds: seconds[at], nanoseconds: nanoseconds[at] };
  };
  if (valid & FATTR_SIZE && !(Number.isSafeInteger(size) && size >= 0)) throw refusal('EINVAL');
  await folder.change(node, {
    mode: valid & FATTR_MODE ? mode : undefined,
    uid: valid & FATTR_UID ? uid : undefined,
    gid: valid & FATTR_GID ? gid : undefined,
    size: valid & FATTR_SIZE ? size : undefined,
    accessed: time(0, (valid & FATTR_ATIME) !== 0, (valid & FATTR_ATIME_NOW) !== 0),
    modified: time(1, (valid & FATTR_MTIME) !== 0, (valid & FATTR_MTIME_NOW) !== 0),
  });
  if (valid & FATTR_KILL_SUIDGID) await folder.dropPrivileges(node);
  answerAttributes(session, await folder.status(node), answer);
};

const readlink: Operation = async ({ folder, inodes }, { inode }, _request, answer) => {
  answer.characters(await folder.readLink(inodes.find(inode)));
};

const symlink: Operation = async (session, header, request, answer) => {
  const [name, target] = [request.name(), request.name()];
  answerEntry(session, await session.folder.makeLink(session.inodes.find(header.inode), name, target, ownerOf(header)), answer);
};

/** struct fuse_mknod_in; the guest's kernel has taken its umask away from the mode. */
const mknod: Operation = async (session, header, request, answer) => {
  const mode = request.u32();
  const name = request.skip(12).name();
  answerEntry(session, await session.folder.makeNode(session.inodes.find(header.inode), name, mode, ownerOf(header)), answer);
};

/** struct fuse_mkdir_in */
const mkdir: Operation = async (session, header, request, answer) => {
  const mode = request.u32();
  const name = request.skip(4).name();
  answerEntry(session, await session.folder.makeFolder(session.inodes.find(header.inode), name, mode, ownerOf(header)), answer);
};

const unlink: Operation = async ({ folder, inodes }, { inode }, request) => {
  await folder.remove(inodes.find(inode), request.name(), false);
};

const rmdir: Operation = async ({ folder, inodes }, { inode }, request) => {
  await folder.remove(inodes.find(inode), request.name(), true);
};

/** struct fuse_rename_in */
const rename: Operation = async ({ folder, inodes }, { inode }, request) => {
  const to = inodes.find(request.u64());
  const [name, newName] = [request.name(), request.name()];
  await folder.rename(inodes.find(inode), name, to, newName);
};

/** struct fuse_rename2_in */
const rename2: Operation = async ({ folder, inodes }, { inode }, request) => {
  const to = inodes.find(request.u64());
  const flags = request.u32();
  request.skip(4);
  const [name, newName] = [request.name(), request.name()];
  await folder.rename(inodes.find(inode), name, to, newName, flags);
};

/** struct fuse_link_in */
const link: Operation = async (session, { inode }, request, answer) => {
  const { folder, inodes } = session;
  const node = inodes.find(request.u64());
  answerEntry(session, await folder.makeName(node, inodes.find(inode), request.name()), answer);
};

/**
 * How a file is opened here for what the guest wants. Where the guest keeps what it writes, it reads what it writes a part of, and knows itself
 * where the end is.
 */
function hostFlags({ isWriteback }: Conversation, flags: number): number {
  if (!isWriteback) return flags;
  return (flags & O_ACCMODE) === O_WRONLY ? (flags & ~(O_APPEND | O_ACCMODE)) | O_RDWR : flags & ~O_APPEND;
}

async function opened({ folder, handles }: Conversation, node: ShareNode, file: OpenFile, flags: number): Promise<number> {
  return handles.add({ node: folder.hold(node), file, flags });
}

/** struct fuse_open_in and fuse_open_out */
const open: Operation = async (session, { inode }, request, answer) => {
  const node = session.inodes.find(inode);
  const [flags, more] = [request.u32(), request.u32()];
  if (node.isFolder) throw refusal('EISDIR');
  const used = hostFlags(session, flags);
  const file = await session.folder.openFile(node, used);
  try {
    if (more & FUSE_OPEN_KILL_SUIDGID && flags & O_TRUNC) await session.folder.dropPrivileges(node);
  } catch (error) {
    await file.close();
    throw error;
  }
  answer
    .u64(await opened(session, node, file, used))
    .u32(FOPEN_KEEP_CACHE)
    .u32(0);
};

/** struct fuse_create_in; fuse_entry_out and fuse_open_out */
const create: Operation = async (session, header, request, answer) => {
  const [flags, mode] = [request.u32(), request.u32()];
  const name = request.skip(8).name();
  const parent = session.inodes.find(header.inode);
  const used = hostFlags(session, flags);
  const { file, ...found } = await session.folder.create(parent, name, used, mode, ownerOf(header));
  const handle = await opened(session, found.node, file, used).catch((error: unknown) => {
    session.folder.release(found.node);
    throw error;
  });
  try {
    answerEntry(session, found, answer);
    answer.u64(handle).u32(FOPEN_KEEP_CACHE).u32(0);
  } catch (error) {
    await session.handles.remove(handle);
    throw error;
  }
};

/** struct fuse_release_in */
const release: Operation = async ({ handles }, _header, request) => {
  await handles.remove(request.u64());
};

/** struct fuse_fsync_in */
const fsync: Operation = async ({ folder, handles }, _header, request) => {
  const { file } = handles.file(request.u64());
  await folder.sync(file, (request.u32() & FUSE_FSYNC_FDATASYNC) !== 0);
};

const opendir: Operation = async (session, { inode }, _request, answer) => {
  const { folder, inodes, handles } = session;
  const node = inodes.find(inode);
  if (!node.isFolder) throw refusal('ENOTDIR');
  const listing = folder.listing();
  answer
    .u64(await handles.add({ node: folder.hold(node), listing, flags: 0 }))
    .u32(0)
    .u32(0);
};

/** What a folder has under a name: held where the guest is to know it. */
interface Entry {
  name: string;
  status: BigIntStats;
  node?: ShareNode;
}

const DIRENT_BYTES = 24;
const ENTRY_BYTES = 128;
const padded = (bytes: number): number => (bytes + 7) & ~7;

/** struct fuse_read_in; fuse_dirent, or with `isPlus` fuse_direntplus, by which the guest is told of what it lists. */
const readdir =
  (isPlus: boolean): Operation =>
  async (session, _header, request, answer) => {
    const { folder, inodes, handles, numbers } = session;
    const { node, listing } = handles.find(request.u64());
    const offset = request.u64();
    const size = Math.min(request.u32(), answer.left);
    if (!listing) throw refusal('ENOTDIR');
    if (offset === 0) await folder.list(node, listing);
    /** Its own name and that of its folder stand before the others. */
    const nameAt = (at: number): string | undefined => (at < 2 ? ['.', '..'][at] : listing.name(at - 2));
    const bytesOf = (name: string): number => (isPlus ? ENTRY_BYTES : 0) + padded(DIRENT_BYTES + name.length);
    const look = async (name: string): Promise<Entry | undefined> => {
      try {
        if (name === '.') return { name, status: await folder.status(node) };
        if (name === '..') return { name, status: await folder.status(folder.parentOf(node)) };
        return isPlus ? { name, ...(await folder.lookup(node, name)) } : { name, status: await folder.peek(node, name) };
      } catch (error) {
        // Gone meanwhile, or nothing that a guest may have.
        if (['ENOENT', 'ESTALE', 'ELOOP', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
        throw error;
      }
    };
    const entries: (Entry | undefined)[] = [];
    let used = 0;
    try {
      // So many as there is room for; where all of these are gone, the next: nothing at all would say that this is the end.
      for (let at = offset; used === 0; ) {
        const names: string[] = [];
        for (let room = size; names.length < ENTRIES_AT_ONCE; ) {
          const name = nameAt(at + names.length);
          if (name === undefined) break;
          room -= bytesOf(name);
          if (room < 0) {
            if (names.length === 0) throw refusal('EINVAL');
            break;
          }
          names.push(name);
        }
        if (names.length === 0) break;
        for (let looked = 0; looked < names.length; looked += LOOKS_AT_ONCE) {
          const some = names.slice(looked, looked + LOOKS_AT_ONCE);
          const found = await Promise.allSettled(some.map(look));
          for (const one of found) entries.push(one.status === 'fulfilled' ? one.value : undefined);
          const failed = found.find((one) => one.status === 'rejected');
          if (failed) throw failed.reason;
        }
        for (const entry of entries) if (entry) used += bytesOf(entry.name);
        at += names.length;
      }
    } catch (error) {
      for (const entry of entries) if (entry?.node) folder.release(entry.node);
      throw error;
    }
    for (const [at, entry] of entries.entries()) {
      if (!entry) continue;
      const { name, status } = entry;
      // Of the folder itself and of the one above the guest is not told.
      if (isPlus) writeEntry(session, entry.node ? inodes.toldIfRoom(entry.node) : 0, status, answer);
      answer
        .u64(numbers.of(status))
        .u64(offset + at + 1)
        .u32(name.length)
        .u32(Number(status.mode >> 12n) & 15)
        .characters(name);
      for (let fill = padded(DIRENT_BYTES + name.length) - DIRENT_BYTES - name.length; fill > 0; fill--) answer.u8(0);
    }
  };

/** struct fuse_fsync_in */
const fsyncdir: Operation = async ({ folder, handles }, _header, request) => {
  await folder.syncFolder(handles.find(request.u64()).node);
};

/** struct fuse_statfs_out */
const statfs: Operation = async ({ folder, inodes }, { inode }, _request, answer) => {
  const { bsize, blocks, bfree, bavail, files, ffree } = await folder.fileSystem(inodes.find(inode || ROOT_INODE));
  answer.u64(blocks).u64(bfree).u64(bavail).u64(files).u64(ffree).u32(Number(bsize)).u32(255).u32(Number(bsize));
  for (let spare = 0; spare < 7; spare++) answer.u32(0);
};

/** A value, or how long it is where there is asked for no more. */
function answerAttribute(value: Uint8Array, size: number, answer: FuseWriter): void {
  if (size === 0) answer.u32(value.length).u32(0);
  else if (value.length > size) throw refusal('ERANGE');
  else answer.raw(value);
}

/** struct fuse_setxattr_in as it is without FUSE_SETXATTR_EXT */
const setxattr: Operation = async ({ folder, inodes }, { inode }, request) => {
  const [size, flags] = [request.u32(), request.u32()];
  const name = request.name();
  if (size > ATTRIBUTE_MAX) throw refusal('E2BIG');
  await folder.setAttribute(inodes.find(inode), name, request.raw(size), flags);
};

/** struct fuse_getxattr_in */
const getxattr: Operation = async ({ folder, inodes }, { inode }, request, answer) => {
  const size = request.u32();
  const name = request.skip(4).name();
  answerAttribute(await folder.attribute(inodes.find(inode), name), size, answer);
};

const listxattr: Operation = async ({ folder, inodes }, { inode }, request, answer) => {
  const size = request.u32();
  answerAttribute(await folder.attributes(inodes.find(inode)), size, answer);
};

const removexattr: Operation = async ({ folder, inodes }, { inode }, request) => {
  await folder.removeAttribute(inodes.find(inode), request.name());
};

/** struct fuse_fallocate_in */
const fallocate: Operation = async ({ folder, handles }, _header, request) => {
  const { file } = handles.file(request.u64());
  const [offset, length, mode] = [request.u64(), request.u64(), request.u32()];
  await folder.allocate(file, mode, offset, length);
};

/** struct fuse_lseek_in */
const lseek: Operation = async ({ folder, handles }, _header, request, answer) => {
  const { file } = handles.file(request.u64());
  const [offset, whence] = [request.u64(), request.u32()];
  answer.u64(await folder.seek(file, offset, whence));
};

/** struct fuse_copy_file_range_in */
const copyFileRange: Operation = async ({ folder, handles }, _header, request, answer) => {
  const from = handles.file(request.u64());
  const offset = request.u64();
  request.skip(8);
  const to = handles.file(request.u64());
  const [toOffset, length, flags] = [request.u64(), request.u64(), request.u64()];
  if (flags !== 0) throw refusal('EINVAL');
  answer.u32(await folder.copyRange(from.file, offset, to.file, toOffset, length)).u32(0);
};

/**
 * By opcode. Those for a session as a whole, for forgetting, and for a file's data have their own place: session.ts. What is not here the
 * guest's kernel does by itself once it has been told so (ENOSYS): locks, access(2), and flush(2), at which there is nothing to do.
 */
export const operations: ReadonlyMap<number, Operation> = new Map([
  [1, lookup],
  [3, getattr],
  [4, setattr],
  [5, readlink],
  [6, symlink],
  [8, mknod],
  [9, mkdir],
  [10, unlink],
  [11, rmdir],
  [12, rename],
  [13, link],
  [14, open],
  [17, statfs],
  [18, release],
  [20, fsync],
  [21, setxattr],
  [22, getxattr],
  [23, listxattr],
  [24, removexattr],
  [27, opendir],
  [28, readdir(false)],
  [29, release],
  [30, fsyncdir],
  [35, create],
  [43, fallocate],
  [44, readdir(true)],
  [45, rename2],
  [46, lseek],
  [47, copyFileRange],
]);
