import { z } from 'zod';
import { isAnswer, linuxError, refusal } from '../../../backend/share/linux-errors';
import type { SharedFolder } from '../../../backend/share/shared-folder';
import { DeviceError } from '../../../errors/vm-error';
import type { ScatterGatherList } from '../../../memory/scatter-gather-list';
import { FidTable } from './fid';
import { HEADER_BYTES, MessageReader, MessageWriter } from './message';
import { operations } from './operations';
import { Qids } from './qid';
import { loadFids, savedFidsSchema, saveFids } from './saved-fids';

/** The largest message: what Linux's client takes of us. */
export const MSIZE_MAX = 512_000;
const MSIZE_MIN = 4096;
/** What the client has before it asked. */
const MSIZE_UNSET = 8192;
const VERSION = '9P2000.L';

export const savedSessionSchema = z.strictObject({ msize: z.int().min(MSIZE_MIN).max(MSIZE_MAX), fids: savedFidsSchema });
export type SavedSession = z.output<typeof savedSessionSchema>;

const RLERROR = 7;
const TVERSION = 100;
const TFLUSH = 108;
const TREAD = 116;
const TWRITE = 118;
/** size[4] type[1] tag[2] count[4] */
const READ_HEADER = 11;
/** size[4] type[1] tag[2] fid[4] offset[8] count[4] */
const WRITE_HEADER = 23;
const ERROR_BYTES = 11;
/** A message without a file's data is no longer: a name has 255 bytes, and there are 16 at most. */
const PLAIN_MAX = 1 << 17;

/** A client's conversation about a shared folder in 9P2000.L. Requests run concurrently; data goes straight between files and the client's pages. */
export class NinePSession {
  readonly fids: FidTable;
  readonly qids = new Qids();
  msize = MSIZE_UNSET;
  /** Requests that are not answered yet, by tag. */
  readonly #running = new Map<number, Promise<unknown>>();

  /** Until then the fids of a snapshot are looked for. */
  #ready: Promise<void> | undefined;
  /** That snapshot, meanwhile. */
  #loading: SavedSession | undefined;

  constructor(readonly folder: SharedFolder) {
    this.fids = new FidTable(folder);
  }

  save(): SavedSession {
    return this.#loading ?? { msize: this.msize, fids: saveFids(this.fids, this.folder.root) };
  }

  /** Of a new session; requests wait until it is done. */
  load(saved: SavedSession): void {
    this.msize = saved.msize;
    this.#loading = saved;
    this.#ready = loadFids(saved.fids, this.fids, this.folder).finally(() => (this.#ready = this.#loading = undefined));
  }

  /** Everything that the client holds. */
  async close(): Promise<void> {
    await this.#ready;
    await this.fids.clear();
  }

  /**
   * Answer a request; resolves with the bytes of the answer. `isWanted` says whether somebody still waits for it. Throws DeviceError where a
   * message has no header, or the answer no room.
   */
  async serve(readable: ScatterGatherList, writable: ScatterGatherList, isWanted: () => boolean): Promise<number> {
    if (readable.length < HEADER_BYTES || writable.length < ERROR_BYTES) {
      throw DeviceError.InvalidParameter(
        `A 9P request has ${readable.length} readable and ${writable.length} writable bytes; a message has ${HEADER_BYTES} and its answer needs ${ERROR_BYTES}.`,
      );
    }
    const size = readable.readU32(0);
    const type = readable.readU8(4);
    const tag = readable.readU16(5);
    if (size < HEADER_BYTES || size > readable.length)
      throw DeviceError.InvalidParameter(`A 9P message says that it has ${size} bytes, and has ${readable.length}.`);
    if (this.#ready) await this.#ready;
    const most = Math.min(this.msize, writable.length);
    const work = this.#answer(type, tag, readable.slice(0, size), writable, most);
    if (type !== TFLUSH) this.#running.set(tag, work);
    try {
      const answer = await work;
      if (typeof answer === 'number') return answer;
      return isWanted() ? writable.copyFrom(answer) : 0;
    } catch (error) {
      if (!isAnswer(error)) throw error;
      if (!isWanted()) return 0;
      return writable.copyFrom(new MessageWriter(ERROR_BYTES, ERROR_BYTES).u32(linuxError(error)).finish(RLERROR, tag));
    } finally {
      if (this.#running.get(tag) === work) this.#running.delete(tag);
    }
  }

  async #answer(
    type: number,
    tag: number,
    message: ScatterGatherList,
    writable: ScatterGatherList,
    most: number,
  ): Promise<Uint8Array | number> {
    if (type === TWRITE) return this.#write(message, tag, most);
    if (message.length > PLAIN_MAX) throw refusal('EPROTO');
    const reader = new MessageReader(message.slice(HEADER_BYTES).toBytes());
    if (type === TREAD) return this.#read(reader, tag, writable, most);
    const writer = new MessageWriter(256, most);
    if (type === TVERSION) await this.#version(reader, writer);
    else if (type === TFLUSH) await this.#flush(reader.u16());
    else {
      const operation = operations.get(type);
      if (!operation) throw refusal('EOPNOTSUPP');
      await operation(this, reader, writer);
    }
    return writer.finish(type + 1, tag);
  }

  /** The client begins anew. */
  async #version(reader: MessageReader, writer: MessageWriter): Promise<void> {
    const msize = reader.u32();
    const version = reader.text();
    if (msize < MSIZE_MIN) throw refusal('EPROTO');
    await this.fids.clear();
    this.msize = Math.min(msize, MSIZE_MAX);
    writer.u32(this.msize).text(version === VERSION ? VERSION : 'unknown');
  }

  /** What was begun is ended: nothing here takes long. */
  async #flush(tag: number): Promise<void> {
    await this.#running.get(tag)?.catch(() => undefined);
  }

  async #read(reader: MessageReader, tag: number, writable: ScatterGatherList, most: number): Promise<Uint8Array | number> {
    const fid = this.fids.find(reader.u32());
    const offset = reader.u64();
    const count = Math.min(reader.u32(), most - READ_HEADER);
    const data = writable.slice(READ_HEADER, READ_HEADER + count);
    let done: number;
    if (fid.attribute) {
      if (fid.attribute.write) throw refusal('EBADF');
      done = data.copyFrom(fid.attribute.value.subarray(offset, offset + count));
    } else {
      done = await fid.opened.read(data.views(), offset);
      data.wrote(done);
    }
    writable.copyFrom(new MessageWriter(READ_HEADER, READ_HEADER).u32(done).finish(TREAD + 1, tag, READ_HEADER + done));
    return READ_HEADER + done;
  }

  async #write(message: ScatterGatherList, tag: number, most: number): Promise<Uint8Array> {
    if (message.length < WRITE_HEADER) throw refusal('EPROTO');
    const header = new Uint8Array(WRITE_HEADER - HEADER_BYTES);
    message.copyTo(header, HEADER_BYTES);
    const reader = new MessageReader(header);
    const fid = this.fids.find(reader.u32());
    const offset = reader.u64();
    const count = reader.u32();
    if (count > message.length - WRITE_HEADER) throw refusal('EPROTO');
    const data = message.slice(WRITE_HEADER, WRITE_HEADER + count);
    let done = count;
    const { attribute } = fid;
    if (attribute) {
      if (!attribute.write || offset !== attribute.write.filled) throw refusal('EINVAL');
      if (offset + count > attribute.value.length) throw refusal('ENOSPC');
      data.copyTo(attribute.value.subarray(offset, offset + count));
      attribute.write.filled += count;
    } else done = await fid.opened.write(data.views(), offset);
    return new MessageWriter(ERROR_BYTES, most).u32(done).finish(TWRITE + 1, tag);
  }
}
