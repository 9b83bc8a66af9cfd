import type { BigIntStats } from 'node:fs';
import { splitTime } from '../../../backend/share/file-numbers';
import { refusal } from '../../../backend/share/linux-errors';
import type { FileTime, Found, SharedFolder } from '../../../backend/share/shared-folder';
import type { Owner } from '../../../backend/share/owners';
import { Fid, type FidTable } from './fid';
import type { MessageReader, MessageWriter } from './message';
import type { Qids } from './qid';

/** What operations need of a session. */
interface Conversation {
  readonly folder: SharedFolder;
  readonly fids: FidTable;
  readonly qids: Qids;
  readonly msize: number;
}

/** Reads a request's fields, does it, and writes the fields of its answer. */
type Operation = (session: Conversation, request: MessageReader, answer: MessageWriter) => Promise<void>;

const NO_FID = 0xffffffff;
const WALK_MAX = 16;
const AT_REMOVEDIR = 0x200;
const V9FS_MAGIC = 0x01021997;
const ATTRIBUTE_MAX = 65_536;
/** So that nobody waits long for the host. */
const ENTRIES_AT_ONCE = 512;
const LOOKS_AT_ONCE = 32;

// Bits of setattr's `valid`.
const SET_MODE = 0x1;
const SET_UID = 0x2;
const SET_GID = 0x4;
const SET_SIZE = 0x8;
const SET_ATIME = 0x10;
const SET_MTIME = 0x20;
const SET_ATIME_TO = 0x80;
const SET_MTIME_TO = 0x100;
/** What getattr tells: all up to `blocks`. */
const GETATTR_BASIC = 0x7ffn;

const LOCK_SUCCESS = 0;
const LOCK_UNLOCK = 2;

const DT_UNKNOWN = 0;

const ownerFor = (fid: Fid, gid: number): Owner => ({ uid: fid.uid, gid });

/** size[4] Tstatfs tag[2] fid[4] */
const statfs: Operation = async ({ fids, folder }, request, answer) => {
  const { bsize, blocks, bfree, bavail, files, ffree } = await folder.fileSystem(fids.find(request.u32()).node);
  answer.u32(V9FS_MAGIC).u32(Number(bsize)).u64(blocks).u64(bfree).u64(bavail).u64(files).u64(ffree).u64(0).u32(255);
};

/** Tlopen fid[4] flags[4] */
const lopen: Operation = async ({ fids, folder, qids }, request, answer) => {
  const fid = fids.find(request.u32());
  const flags = request.u32();
  if (fid.isOpen) throw refusal('EBADF');
  if (fid.node.isFolder) {
    if (flags & 3) throw refusal('EISDIR');
    const status = await folder.status(fid.node);
    fid.listing ??= folder.listing();
    qids.write(answer, status).u32(0);
    return;
  }
  const file = await folder.openFile(fid.node, flags);
  if (fid.isOpen) {
    await file.close();
    throw refusal('EBADF');
  }
  fid.file = file;
  fid.flags = flags;
  qids.write(answer, await folder.status(fid.node)).u32(0);
};

/** Tlcreate fid[4] name[s] flags[4] mode[4] gid[4] */
const lcreate: Operation = async ({ fids, folder, qids }, request, answer) => {
  const fid = fids.find(request.u32());
  const name = request.text();
  const [flags, mode, gid] = [request.u32(), request.u32(), request.u32()];
  if (fid.isOpen) throw refusal('EBADF');
  const parent = fid.node;
  const { node, status, file } = await folder.create(parent, name, flags, mode, ownerFor(fid, gid));
  if (fid.isOpen || fid.node !== parent) {
    folder.release(node);
    await file.close();
    throw refusal('EBADF');
  }
  fid.node = node;
  fid.file = file;
  fid.flags = flags;
  folder.release(parent);
  qids.write(answer, status).u32(0);
};

/** What was made is not known to the client by a fid yet. */
function made({ folder, qids }: Conversation, { node, status }: Found, answer: MessageWriter): void {
  folder.release(node);
  qids.write(answer, status);
}

/** Tsymlink fid[4] name[s] symtgt[s] gid[4] */
const symlink: Operation = async (session, request, answer) => {
  const fid = session.fids.find(request.u32());
  const [name, target] = [request.text(), request.text()];
  made(session, await session.folder.makeLink(fid.node, name, target, ownerFor(fid, request.u32())), answer);
};

/** Tmknod dfid[4] name[s] mode[4] major[4] minor[4] gid[4] */
const mknod: Operation = async (session, request, answer) => {
  const fid = session.fids.find(request.u32());
  const name = request.text();
  const mode = request.u32();
  request.u64();
  made(session, await session.folder.makeNode(fid.node, name, mode, ownerFor(fid, request.u32())), answer);
};

/** Tmkdir dfid[4] name[s] mode[4] gid[4] */
const mkdir: Operation = async (session, request, answer) => {
  const fid = session.fids.find(request.u32());
  const name = request.text();
  const mode = request.u32();
  made(session, await session.folder.makeFolder(fid.node, name, mode, ownerFor(fid, request.u32())), answer);
};

/** The name by which a file is known. */
function placeOf(fid: Fid): Fid['node']['places'][number] {
  const place = fid.node.places.at(0);
  if (!place) throw refusal('ESTALE');
  return place;
}

/** Trename fid[4] dfid[4] name[s] */
const rename: Operation = async ({ fids, folder }, request) => {
  const { parent, name } = placeOf(fids.find(request.u32()));
  const to = fids.find(request.u32());
  await folder.rename(parent, name, to.node, request.text());
};

/** Trenameat olddirfid[4] oldname[s] newdirfid[4] newname[s] */
const renameat: Operation = async ({ fids, folder }, request) => {
  const from = fids.find(request.u32());
  const name = request.text();
  const to = fids.find(request.u32());
  await folder.rename(from.node, name, to.node, request.text());
};

/** Tunlinkat dirfd[4] name[s] flags[4] */
const unlinkat: Operation = async ({ fids, folder }, request) => {
  const fid = fids.find(request.u32());
  const name = request.text();
  const flags = request.u32();
  if (flags & ~AT_REMOVEDIR) throw refusal('EINVAL');
  await folder.remove(fid.node, name, flags !== 0);
};

/** Tremove fid[4]; whatever comes of it, the fid is gone. */
const remove: Operation = async ({ fids, folder }, request) => {
  const number = request.u32();
  const fid = fids.find(number);
  try {
    const { parent, name } = placeOf(fid);
    await folder.remove(parent, name, fid.node.isFolder);
  } finally {
    await fids.remove(number);
  }
};

/** Tlink dfid[4] fid[4] name[s] */
const link: Operation = async ({ fids, folder }, request) => {
  const parent = fids.find(request.u32());
  const fid = fids.find(request.u32());
  const { node } = await folder.makeName(fid.node, parent.node, request.text());
  folder.release(node);
};

/** Treadlink fid[4] */
const readlink: Operation = async ({ fids, folder }, request, answer) => {
  answer.text(await folder.readLink(fids.find(request.u32()).node));
};

/** Tgetattr fid[4] request_mask[8] */
const getattr: Operation = async ({ fids, folder, qids }, request, answer) => {
  const fid = fids.find(request.u32());
  const status = await folder.status(fid.node);
  const owner = folder.owners.toGuest({ uid: Number(status.uid), gid: Number(status.gid) });
  qids.write(answer.u64(GETATTR_BASIC), status);
  answer.u32(Number(status.mode)).u32(owner.uid).u32(owner.gid).u64(status.nlink).u64(status.rdev);
  answer.u64(status.size).u64(status.blksize).u64(status.blocks);
  for (const time of [status.atimeNs, status.mtimeNs, status.ctimeNs]) {
    const { seconds, nanoseconds } = splitTime(time);
    answer.u64(seconds).u64(nanoseconds);
  }
  // Time of birth, generation and data version: not told.
  answer.u64(0).u64(0).u64(0).u64(0);
};

/** Tsetattr fid[4] valid[4] mode[4] uid[4] gid[4] size[8] atime_sec[8] atime_nsec[8] mtime_sec[8] mtime_nsec[8] */
const setattr: Operation = async ({ fids, folder }, request) => {
  const fid = fids.find(request.u32());
  const valid = request.u32();
  const [mode, uid, gid] = [request.u32(), request.u32(), request.u32()];
  // What is not meant may be anything.
  const size = request.i64();
  const time = (isSet: boolean, isGiven: boolean): FileTime => {
    const [seconds, nanoseconds] = [request.i64(), request.i64()];
    if (!isSet) return undefined;
    if (!isGiven) return 'now';
    if (!Number.isSafeInteger(seconds) || nanoseconds < 0 || nanoseconds > 999_999_999) throw refusal('EINVAL');
    return { seconds, nanoseconds };
  };
  const accessed = time((valid & SET_ATIME) !== 0, (valid & SET_ATIME_TO) !== 0);
  const modified = time((valid & SET_MTIME) !== 0, (valid & SET_MTIME_TO) !== 0);
  if (valid & SET_SIZE && !(Number.isSafeInteger(size) && size >= 0)) throw refusal('EINVAL');
  await folder.change(fid.node, {
    mode: valid & SET_MODE ? mode : undefined,
    uid: valid & SET_UID ? uid : undefined,
    gid: valid & SET_GID ? gid : undefined,
    size: valid & SET_SIZE ? size : undefined,
    accessed,
    modified,
  });
};

/** Txattrwalk fid[4] newfid[4] name[s]; without a name, the list of names. */
const xattrwalk: Operation = async ({ fids, folder }, request, answer) => {
  const fid = fids.find(request.u32());
  const number = request.u32();
  const name = request.text();
  const value = name === '' ? await folder.attributes(fid.node) : await folder.attribute(fid.node, name);
  const reading = new Fid(folder.hold(fid.node), fid.uid);
  try {
    fids.setAttribute(reading, { name, value });
  } catch (error) {
    folder.release(fid.node);
    throw error;
  }
  fids.add(number, reading);
  answer.u64(value.length);
};

/** Txattrcreate fid[4] name[s] attr_size[8] flags[4]; what is written then is set when the fid is clunked. */
const xattrcreate: Operation = async ({ fids, folder }, request) => {
  const fid = fids.find(request.u32());
  const name = request.text();
  const size = request.u64();
  const flags = request.u32();
  if (folder.readonly) throw refusal('EROFS');
  if (fid.isOpen) throw refusal('EBADF');
  if (size > ATTRIBUTE_MAX) throw refusal('E2BIG');
  fids.setAttribute(fid, { name, value: new Uint8Array(size), write: { flags, filled: 0 } });
};

/** Tclunk fid[4] */
const clunk: Operation = async ({ fids, folder }, request) => {
  const number = request.u32();
  const fid = fids.find(number);
  const { node, attribute } = fid;
  try {
    if (!attribute?.write) return;
    const { name, value, write } = attribute;
    if (write.filled !== value.length) throw refusal('EINVAL');
    // Linux's client removes an attribute by giving it no value.
    if (value.length === 0) await folder.removeAttribute(node, name);
    else await folder.setAttribute(node, name, value, write.flags);
  } finally {
    await fids.remove(number);
  }
};

/** Treaddir fid[4] offset[8] count[4] */
const readdir: Operation = async ({ fids, folder, qids, msize }, request, answer) => {
  const fid = fids.find(request.u32());
  const offset = request.u64();
  const count = Math.min(request.u32(), msize - 11);
  const { node, listing } = fid;
  if (!listing) throw refusal('EBADF');
  if (offset === 0) await folder.list(node, listing);
  /** Its own name and that of its folder stand before the others. */
  const nameAt = (at: number): string | undefined => (at < 2 ? ['.', '..'][at] : listing.name(at - 2));
  const look = async (name: string): Promise<BigIntStats | undefined> => {
    try {
      if (name === '.') return await folder.status(node);
      return name === '..' ? await folder.status(folder.parentOf(node)) : await folder.peek(node, name);
    } catch (error) {
      if (['ENOENT', 'ESTALE'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
  };
  const names: string[] = [];
  for (let left = count; names.length < ENTRIES_AT_ONCE; ) {
    const name = nameAt(offset + names.length);
    if (name === undefined) break;
    left -= 24 + name.length;
    if (left < 0) {
      if (names.length === 0) throw refusal('EINVAL');
      break;
    }
    names.push(name);
  }
  const statuses: (BigIntStats | undefined)[] = [];
  while (statuses.length < names.length) {
    const some = names.slice(statuses.length, statuses.length + LOOKS_AT_ONCE);
    statuses.push(...(await Promise.all(some.map(look))));
  }
  const bytes = names.reduce((sum, name, at) => sum + (statuses[at] ? 24 + name.length : 0), 0);
  // Nothing would say that this is the end, though only these are gone.
  if (bytes === 0 && names.length > 0) {
    const [name] = names;
    answer
      .u32(24 + name.length)
      .u8(0)
      .u32(0)
      .u64(0)
      .u64(offset + names.length)
      .u8(DT_UNKNOWN)
      .text(name);
    return;
  }
  answer.u32(bytes);
  for (const [at, name] of names.entries()) {
    const status = statuses[at];
    if (!status) continue;
    qids
      .write(answer, status)
      .u64(offset + at + 1)
      .u8(Number(status.mode >> 12n) & 15)
      .text(name);
  }
};

/** Tfsync fid[4] datasync[4] */
const fsync: Operation = async ({ fids, folder }, request) => {
  const fid = fids.find(request.u32());
  const dataOnly = request.left >= 4 && request.u32() !== 0;
  if (fid.listing) await folder.syncFolder(fid.node);
  else await folder.sync(fid.opened, dataOnly);
};

/** Tlock fid[4] type[1] flags[4] start[8] length[8] proc_id[4] client_id[s]. The client has settled it already: there is no other one. */
const lock: Operation = async ({ fids }, request, answer) => {
  const { opened } = fids.find(request.u32());
  if (request.u8() > LOCK_UNLOCK) throw refusal('EINVAL');
  await opened.use(async () => undefined);
  answer.u8(LOCK_SUCCESS);
};

/** Tgetlock fid[4] type[1] start[8] length[8] proc_id[4] client_id[s] */
const getlock: Operation = async ({ fids }, request, answer) => {
  const { opened } = fids.find(request.u32());
  request.u8();
  const [start, length, process] = [request.i64(), request.i64(), request.u32()];
  const client = request.text();
  await opened.use(async () => undefined);
  answer.u8(LOCK_UNLOCK).u64(BigInt(start)).u64(BigInt(length)).u32(process).text(client);
};

/** Tauth afid[4] uname[s] aname[s] n_uname[4]: nobody has to prove anything. */
const auth: Operation = async () => {
  throw refusal('EOPNOTSUPP');
};

/** Tattach fid[4] afid[4] uname[s] aname[s] n_uname[4] */
const attach: Operation = async ({ fids, folder, qids }, request, answer) => {
  const [number, afid] = [request.u32(), request.u32()];
  request.text();
  const tree = request.text();
  const uid = request.left >= 4 ? request.u32() : 0;
  if (afid !== NO_FID) throw refusal('EBADF');
  if (tree !== '' && tree !== '/') throw refusal('ENOENT');
  const status = await folder.status(folder.root);
  fids.add(number, new Fid(folder.hold(folder.root), uid));
  qids.write(answer, status);
};

/** Twalk fid[4] newfid[4] nwname[2] nwname*(wname[s]) */
const walk: Operation = async ({ fids, folder, qids }, request, answer) => {
  const number = request.u32();
  const fid = fids.find(number);
  const newNumber = request.u32();
  const steps = request.u16();
  if (steps > WALK_MAX) throw refusal('EINVAL');
  const names = Array.from({ length: steps }, () => request.text());
  let node = folder.hold(fid.node);
  const statuses: BigIntStats[] = [];
  try {
    for (const name of names) {
      const next = name === '..' ? folder.hold(folder.parentOf(node)) : undefined;
      const found = next ? { node: next, status: await folder.status(next) } : await folder.lookup(node, name);
      folder.release(node);
      node = found.node;
      statuses.push(found.status);
    }
  } catch (error) {
    folder.release(node);
    // As far as it went: then there is no new fid.
    if (statuses.length === 0) throw error;
    answer.u16(statuses.length);
    for (const status of statuses) qids.write(answer, status);
    return;
  }
  if (newNumber === number) {
    if (fid.isOpen) {
      folder.release(node);
      throw refusal('EBADF');
    }
    folder.release(fid.node);
    fid.node = node;
  } else fids.add(newNumber, new Fid(node, fid.uid));
  answer.u16(statuses.length);
  for (const status of statuses) qids.write(answer, status);
};

/** By type of request; the answer's is one more. Version, flush, read and write have their own place: session.ts. */
export const operations: ReadonlyMap<number, Operation> = new Map([
  [8, statfs],
  [12, lopen],
  [14, lcreate],
  [16, symlink],
  [18, mknod],
  [20, rename],
  [22, readlink],
  [24, getattr],
  [26, setattr],
  [30, xattrwalk],
  [32, xattrcreate],
  [40, readdir],
  [50, fsync],
  [52, lock],
  [54, getlock],
  [70, link],
  [72, mkdir],
  [74, renameat],
  [76, unlinkat],
  [102, auth],
  [104, attach],
  [110, walk],
  [120, clunk],
  [122, remove],
]);
