import type { SharedFolder } from '../../engine/backend/share/shared-folder';
import { FuseSession } from '../../engine/virtio/devices/fs/session';
import { fuseInit, fuseRequest } from './fuse-message';
import { MessageSlots } from './message-slots';
import { type NinePField, u32, u64 } from './nine-p-message';
import { type GivenAttributes, type ShareClient, ShareError } from './share-client';

const SLOT_BYTES = 16 << 10;
/** Of the answers to LOOKUP and what makes something, before fuse_open_out. */
export const ENTRY_BYTES = 128;

interface Fid {
  inode: number;
  handle?: number;
}

/** Speaks with a session as a guest's kernel does, by messages in guest memory. */
export class FuseClient implements ShareClient {
  readonly session: FuseSession;
  readonly #slots = new MessageSlots(SLOT_BYTES);
  readonly #fids = new Map<number, Fid>([[0, { inode: 1 }]]);
  #fid = 1;
  #unique = 2;

  constructor(folder: SharedFolder, writeback = false) {
    this.session = new FuseSession(folder, writeback);
  }

  static async attached(folder: SharedFolder, writeback = false): Promise<FuseClient> {
    const client = new FuseClient(folder, writeback);
    await client.raw(fuseInit());
    return client;
  }

  raw(message: Uint8Array, room = SLOT_BYTES): Promise<Buffer> {
    return this.#slots.serve(message, (readable, writable) => this.session.serve(readable, writable, () => true), room);
  }

  /** The fields of the answer. Throws ShareError. */
  async call(opcode: number, inode: number, ...fields: NinePField[]): Promise<Buffer> {
    const unique = this.#unique++;
    const answer = await this.raw(fuseRequest(opcode, inode, unique, ...fields));
    if (answer.readUInt32LE(0) !== answer.length)
      throw new Error(`An answer of ${answer.length} bytes says that it has ${answer.readUInt32LE(0)}.`);
    if (answer.readBigUInt64LE(8) !== BigInt(unique)) throw new Error(`The answer to ${unique} is one to ${answer.readBigUInt64LE(8)}.`);
    const errno = answer.readInt32LE(4);
    if (errno !== 0) throw new ShareError(-errno);
    return answer.subarray(16);
  }

  async forget(inode: number, times = 1): Promise<void> {
    if (inode > 1) await this.raw(fuseRequest(2, inode, this.#unique++, u64(times)));
  }

  inode(fid: number): number {
    return this.#find(fid).inode;
  }

  handle(fid: number): number {
    return this.#find(fid).handle ?? 0;
  }

  async walk(fid: number, ...names: string[]): Promise<number> {
    let inode = this.inode(fid);
    // Known once more.
    if (names.length === 0) {
      const node = this.session.inodes.find(inode);
      if (inode !== 1) this.session.inodes.told(this.session.folder.hold(node));
    }
    for (const [at, name] of names.entries()) {
      const from = inode;
      try {
        inode = Number((await this.call(1, from, name)).readBigUInt64LE(0));
        if (inode === 0) throw new ShareError(2);
      } finally {
        if (at > 0) await this.forget(from);
      }
    }
    return this.#new({ inode });
  }

  async open(fid: number, flags = 0): Promise<void> {
    const known = this.#find(fid);
    const answer = await this.call(14, known.inode, u32(flags), u32(0));
    known.handle = Number(answer.readBigUInt64LE(0));
  }

  async create(parent: number, name: string, flags = 2, mode = 0o644): Promise<number> {
    const answer = await this.call(35, this.inode(parent), u32(flags), u32(mode), u32(0), u32(0), name);
    return this.#new({ inode: Number(answer.readBigUInt64LE(0)), handle: Number(answer.readBigUInt64LE(ENTRY_BYTES)) });
  }

  read(fid: number, offset = 0, count = 8192): Promise<Buffer> {
    const { inode, handle = 0 } = this.#find(fid);
    return this.call(15, inode, u64(handle), u64(offset), u32(count), u32(0), u64(0), u32(0), u32(0));
  }

  async write(fid: number, data: Uint8Array, offset = 0, flags = 0): Promise<number> {
    const { inode, handle = 0 } = this.#find(fid);
    const fields = [u64(handle), u64(offset), u32(data.length), u32(flags), u64(0), u32(0), u32(0), data];
    return (await this.call(16, inode, ...fields)).readUInt32LE(0);
  }

  async clunk(fid: number): Promise<void> {
    const { inode, handle } = this.#find(fid);
    if (handle !== undefined) await this.call(18, inode, u64(handle), u32(0), u32(0), u64(0));
    await this.forget(inode);
    this.#fids.delete(fid);
  }

  async setattr(fid: number, given: GivenAttributes): Promise<void> {
    const { mode, uid, gid, size, accessed, modified } = given;
    const valid = [mode, uid, gid, size, accessed, modified].reduce<number>(
      (set, one, at) => (one === undefined ? set : set | (1 << at)),
      0,
    );
    const times = [accessed ?? 0, modified ?? 0, 0];
    await this.call(
      4,
      this.inode(fid),
      ...[u32(valid), u32(0), u64(0), u64(size ?? 0), u64(0)],
      ...times.map((time) => u64(Math.floor(time))),
      ...times.map((time) => u32(Math.round((time % 1) * 1e9))),
      ...[u32(mode ?? 0), u32(0), u32(uid ?? 0), u32(gid ?? 0), u32(0)],
    );
  }

  async getattr(fid: number): Promise<{ mode: number; size: number; uid: number; gid: number; modified: number }> {
    const answer = (await this.call(3, this.inode(fid), u32(0), u32(0), u64(0))).subarray(16);
    return {
      size: Number(answer.readBigUInt64LE(8)),
      modified: Number(answer.readBigUInt64LE(32)) + answer.readUInt32LE(52) / 1e9,
      mode: answer.readUInt32LE(60),
      uid: answer.readUInt32LE(68),
      gid: answer.readUInt32LE(72),
    };
  }

  async mkdir(parent: number, name: string): Promise<void> {
    await this.#made(this.call(9, this.inode(parent), u32(0o777), u32(0), name));
  }

  async symlink(parent: number, name: string, target: string): Promise<void> {
    await this.#made(this.call(6, this.inode(parent), name, target));
  }

  async mknod(parent: number, name: string, mode: number): Promise<void> {
    await this.#made(this.call(8, this.inode(parent), u32(mode), u32(0x103), u32(0), u32(0), name));
  }

  unlink(parent: number, name: string): Promise<unknown> {
    return this.call(10, this.inode(parent), name);
  }

  rmdir(parent: number, name: string): Promise<unknown> {
    return this.call(11, this.inode(parent), name);
  }

  rename(from: number, name: string, to: number, newName: string, flags = 0): Promise<unknown> {
    return this.call(45, this.inode(from), u64(this.inode(to)), u32(flags), u32(0), name, newName);
  }

  async link(fid: number, parent: number, name: string): Promise<void> {
    await this.#made(this.call(13, this.inode(parent), u64(this.inode(fid)), name));
  }

  async list(fid: number): Promise<Buffer> {
    const inode = this.inode(fid);
    const handle = await this.call(27, inode, u32(0), u32(0));
    try {
      return await this.call(28, inode, handle.subarray(0, 8), u64(0), u32(4096), u32(0), u64(0), u32(0), u32(0));
    } finally {
      await this.call(29, inode, handle.subarray(0, 8), u32(0), u32(0), u64(0));
    }
  }

  /** By READDIRPLUS, and what it tells of is forgotten. */
  async names(parent: number): Promise<string[]> {
    const inode = this.inode(parent);
    const handle = (await this.call(27, inode, u32(0), u32(0))).subarray(0, 8);
    const names: string[] = [];
    for (let offset = 0n; ; ) {
      const data = await this.call(44, inode, handle, u64(offset), u32(8192), u32(0), u64(0), u32(0), u32(0));
      if (data.length === 0) break;
      for (let at = 0; at < data.length; ) {
        await this.forget(Number(data.readBigUInt64LE(at)));
        const entry = at + ENTRY_BYTES;
        offset = data.readBigUInt64LE(entry + 8);
        const length = data.readUInt32LE(entry + 16);
        names.push(data.toString('latin1', entry + 24, entry + 24 + length));
        at = entry + ((24 + length + 7) & ~7);
      }
    }
    await this.call(29, inode, handle, u32(0), u32(0), u64(0));
    return names;
  }

  async attributes(fid: number): Promise<string[]> {
    const list = await this.call(23, this.inode(fid), u32(4096), u32(0));
    return list.toString('latin1').split('\0').slice(0, -1);
  }

  attribute(fid: number, name: string): Promise<Buffer> {
    return this.call(22, this.inode(fid), u32(4096), u32(0), name);
  }

  async setAttribute(fid: number, name: string, value: Uint8Array): Promise<void> {
    await this.call(21, this.inode(fid), u32(value.length), u32(0), name, value);
  }

  async removeAttribute(fid: number, name: string): Promise<void> {
    await this.call(24, this.inode(fid), name);
  }

  async readFile(parent: number, ...names: string[]): Promise<string> {
    const fid = await this.walk(parent, ...names);
    try {
      await this.open(fid);
      return (await this.read(fid)).toString('latin1');
    } finally {
      await this.clunk(fid);
    }
  }

  close(): Promise<void> {
    return this.session.close();
  }

  async #made(answer: Promise<Buffer>): Promise<void> {
    await this.forget(Number((await answer).readBigUInt64LE(0)));
  }

  #new(fid: Fid): number {
    this.#fids.set(this.#fid, fid);
    return this.#fid++;
  }

  #find(fid: number): Fid {
    const found = this.#fids.get(fid);
    if (!found) throw new Error(`There is no fid ${fid}.`);
    return found;
  }
}
