import { NinePSession } from '../../engine/virtio/devices/nine-p/session';
import type { SharedFolder } from '../../engine/backend/share/shared-folder';
import { ScatterGatherList } from '../../engine/memory/scatter-gather-list';
import { TEST_RAM_BASE, testGuestMemory } from './guest-memory';
import { type NinePField, NinePMessage, u16, u32, u64 } from './nine-p-message';

/** What each request has for its message, and for the answer. */
const SLOT_BYTES = 16 << 10;
const SLOTS = 32;

/** The answer is an error. */
export class NinePError extends Error {
  constructor(readonly errno: number) {
    super(`the server answered with error ${errno}`);
  }
}

/** Speaks with a session as a guest's driver does, by messages in guest memory. */
export class NinePClient {
  readonly session: NinePSession;
  readonly #memory = testGuestMemory(2 * SLOTS * SLOT_BYTES);
  readonly #free = Array.from({ length: SLOTS }, (_, at) => at);
  readonly #waiting: (() => void)[] = [];
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
  async raw(message: Uint8Array): Promise<Buffer> {
    while (this.#free.length === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const slot = this.#free.pop() as number;
    try {
      const at = TEST_RAM_BASE + 2 * slot * SLOT_BYTES;
      const readable = new ScatterGatherList(this.#memory, false).add(at, Math.max(1, message.length));
      const writable = new ScatterGatherList(this.#memory, true).add(at + SLOT_BYTES, SLOT_BYTES);
      this.#memory.view(at, message.length).set(message);
      const length = await this.session.serve(message.length === 0 ? readable.slice(0, 0) : readable, writable, () => true);
      return Buffer.from(writable.slice(0, length).toBytes());
    } finally {
      this.#free.push(slot);
      this.#waiting.shift()?.();
    }
  }

  /** The fields of the answer. Throws NinePError. */
  async call(type: number, ...fields: NinePField[]): Promise<Buffer> {
    const answer = await this.raw(NinePMessage.of(type, 1, ...fields));
    if (answer.readUInt32LE(0) !== answer.length)
      throw new Error(`An answer of ${answer.length} bytes says that it has ${answer.readUInt32LE(0)}.`);
    const what = answer.readUInt8(4);
    if (what === 7) throw new NinePError(answer.readUInt32LE(7));
    if (what !== type + 1) throw new Error(`The answer to ${type} is ${what}.`);
    return answer.subarray(7);
  }

  /** A fid for a path below another; fewer steps than names are an error too. */
  async walk(fid: number, ...names: string[]): Promise<number> {
    const to = this.newFid();
    const answer = await this.call(110, u32(fid), u32(to), u16(names.length), ...names);
    if (answer.readUInt16LE(0) !== names.length) throw new NinePError(2);
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

  /** What is given; times in seconds. */
  async setattr(
    fid: number,
    given: { mode?: number; uid?: number; gid?: number; size?: number; accessed?: number; modified?: number },
  ): Promise<void> {
    const { mode, uid, gid, size, accessed, modified } = given;
    const bits = [mode, uid, gid, size, accessed, modified].reduce<number>(
      (set, one, at) => (one === undefined ? set : set | (1 << at)),
      0,
    );
    const valid = bits | ((bits & 0x30) << 3);
    const times = [accessed, modified].flatMap((time = 0) => [u64(Math.floor(time)), u64(Math.round((time % 1) * 1e9))]);
    await this.call(26, u32(fid), u32(valid), u32(mode ?? 0), u32(uid ?? 0), u32(gid ?? 0), u64(size ?? 0), ...times);
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
}
