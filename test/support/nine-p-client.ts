import { NinePSession } from '../../engine/virtio/devices/nine-p/session';
import type { SharedFolder } from '../../engine/backend/share/shared-folder';
import { MessageSlots } from './message-slots';
import { type NinePField, NinePMessage, u16, u32, u64 } from './nine-p-message';
import { type GivenAttributes, type ShareClient, ShareError } from './share-client';

/** What each request has for its message, and for the answer. */
const SLOT_BYTES = 16 << 10;

/** Speaks with a session as a guest's driver does, by messages in guest memory. */
export class NinePClient implements ShareClient {
  readonly session: NinePSession;
  readonly #slots = new MessageSlots(SLOT_BYTES);
  #fid = 1;

  constructor(folder: SharedFolder) {
    this.session = new NinePSession(folder);
  }

  /** Version, and fid 0 is the root. */
  static async attached(folder: SharedFolder): Promise<NinePClient> {
    const client = new NinePClient(folder);
    await client.raw(NinePMessage.version(SLOT_BYTES));
    await client.raw(NinePMessage.attach(1, 0));
    return client;
  }

  newFid(): number {
    return this.#fid++;
  }

  /** The whole answer to a whole message. */
  raw(message: Uint8Array): Promise<Buffer> {
    return this.#slots.serve(message, (readable, writable) => this.session.serve(readable, writable, () => true));
  }

  /** The fields of the answer. Throws ShareError. */
  async call(type: number, ...fields: NinePField[]): Promise<Buffer> {
    const answer = await this.raw(NinePMessage.of(type, 1, ...fields));
    if (answer.readUInt32LE(0) !== answer.length)
      throw new Error(`An answer of ${answer.length} bytes says that it has ${answer.readUInt32LE(0)}.`);
    const what = answer.readUInt8(4);
    if (what === 7) throw new ShareError(answer.readUInt32LE(7));
    if (what !== type + 1) throw new Error(`The answer to ${type} is ${what}.`);
    return answer.subarray(7);
  }

  /** A fid for a path below another; fewer steps than names are an error too. */
  async walk(fid: number, ...names: string[]): Promise<number> {
    const to = this.newFid();
    const answer = await this.call(110, u32(fid), u32(to), u16(names.length), ...names);
    if (answer.readUInt16LE(0) !== names.length) throw new ShareError(2);
    return to;
  }

  async open(fid: number, flags = 0): Promise<void> {
    await this.call(12, u32(fid), u32(flags));
  }

  async create(parent: number, name: string, flags = 2, mode = 0o644): Promise<number> {
    const fid = await this.walk(parent);
    await this.call(14, u32(fid), name, u32(flags), u32(mode), u32(0));
    return fid;
  }

  async read(fid: number, offset = 0, count = 8192): Promise<Buffer> {
    return (await this.call(116, u32(fid), u64(offset), u32(count))).subarray(4);
  }

  async write(fid: number, data: Uint8Array, offset = 0): Promise<number> {
    return (await this.call(118, u32(fid), u64(offset), u32(data.length), data)).readUInt32LE(0);
  }

  async clunk(fid: number): Promise<void> {
    await this.call(120, u32(fid));
  }

  async setattr(fid: number, given: GivenAttributes): Promise<void> {
    const { mode, uid, gid, size, accessed, modified } = given;
    const bits = [mode, uid, gid, size, accessed, modified].reduce<number>(
      (set, one, at) => (one === undefined ? set : set | (1 << at)),
      0,
    );
    const valid = bits | ((bits & 0x30) << 3);
    const times = [accessed, modified].flatMap((time = 0) => [u64(Math.floor(time)), u64(Math.round((time % 1) * 1e9))]);
    await this.call(26, u32(fid), u32(valid), u32(mode ?? 0), u32(uid ?? 0), u32(gid ?? 0), u64(size ?? 0), ...times);
  }

  async getattr(fid: number): Promise<{ mode: number; size: number; uid: number; gid: number; modified: number }> {
    const answer = await this.call(24, u32(fid), u64(0x7ff));
    return {
      mode: answer.readUInt32LE(21),
      uid: answer.readUInt32LE(25),
      gid: answer.readUInt32LE(29),
      size: Number(answer.readBigUInt64LE(49)),
      modified: Number(answer.readBigUInt64LE(89)) + Number(answer.readBigUInt64LE(97)) / 1e9,
    };
  }

  mkdir(parent: number, name: string): Promise<unknown> {
    return this.call(72, u32(parent), name, u32(0o777), u32(0));
  }

  symlink(parent: number, name: string, target: string): Promise<unknown> {
    return this.call(16, u32(parent), name, target, u32(0));
  }

  mknod(parent: number, name: string, mode: number): Promise<unknown> {
    return this.call(18, u32(parent), name, u32(mode), u32(1), u32(3), u32(0));
  }

  unlink(parent: number, name: string): Promise<unknown> {
    return this.call(76, u32(parent), name, u32(0));
  }

  rmdir(parent: number, name: string): Promise<unknown> {
    return this.call(76, u32(parent), name, u32(0x200));
  }

  rename(from: number, name: string, to: number, newName: string): Promise<unknown> {
    return this.call(74, u32(from), name, u32(to), newName);
  }

  link(fid: number, parent: number, name: string): Promise<unknown> {
    return this.call(70, u32(parent), u32(fid), name);
  }

  async list(fid: number): Promise<Buffer> {
    await this.open(fid);
    return this.call(40, u32(fid), u64(0), u32(4096));
  }

  async attributes(fid: number): Promise<string[]> {
    return (await this.attribute(fid, '')).toString('latin1').split('\0').slice(0, -1);
  }

  async attribute(fid: number, name: string): Promise<Buffer> {
    const value = this.newFid();
    await this.call(30, u32(fid), u32(value), name);
    try {
      return await this.read(value);
    } finally {
      await this.clunk(value);
    }
  }

  async setAttribute(fid: number, name: string, value: Uint8Array): Promise<void> {
    const writing = await this.walk(fid);
    await this.call(32, u32(writing), name, u64(value.length), u32(0));
    if (value.length > 0) await this.write(writing, value);
    await this.clunk(writing);
  }

  removeAttribute(fid: number, name: string): Promise<void> {
    return this.setAttribute(fid, name, new Uint8Array(0));
  }

  /** Opens, reads from the start, lets go. */
  async readFile(parent: number, ...names: string[]): Promise<string> {
    const fid = await this.walk(parent, ...names);
    try {
      await this.open(fid);
      return (await this.read(fid)).toString('latin1');
    } finally {
      await this.clunk(fid);
    }
  }

  async names(parent: number): Promise<string[]> {
    const fid = await this.walk(parent);
    await this.open(fid);
    const names: string[] = [];
    for (let offset = 0n; ; ) {
      const data = (await this.call(40, u32(fid), u64(offset), u32(8192))).subarray(4);
      if (data.length === 0) break;
      for (let at = 0; at < data.length; ) {
        offset = data.readBigUInt64LE(at + 13);
        const length = data.readUInt16LE(at + 22);
        names.push(data.toString('latin1', at + 24, at + 24 + length));
        at += 24 + length;
      }
    }
    await this.clunk(fid);
    return names;
  }

  close(): Promise<void> {
    return this.session.close();
  }
}
