import { constants } from 'node:fs';
import { z } from 'zod';
import { FileNumbers } from '../../../backend/share/file-numbers';
import { isAnswer, linuxError, refusal } from '../../../backend/share/linux-errors';
import type { SharedFolder } from '../../../backend/share/shared-folder';
import { DeviceError } from '../../../errors/vm-error';
import type { ScatterGatherList } from '../../../memory/scatter-gather-list';
import { HandleTable } from './handle-table';
import { InodeTable } from './inode-table';
import { emptyAnswer, FuseReader, FuseWriter, IN_HEADER_BYTES, OUT_HEADER_BYTES, readHeader, type FuseHeader } from './message';
import { operations } from './operations';
import { loadTables, savedTablesSchema, saveTables } from './saved-tables';

export const FUSE_MAJOR = 7;
/** The first Linux with virtio-fs, 5.4, speaks it. */
const MINOR_MIN = 31;
/** What is known here: the newest thing is FUSE_HANDLE_KILLPRIV_V2. */
export const FUSE_MINOR = 33;
/** Bytes that are written at once, and pages of them: as many as Linux allows. */
const WRITE_MAX = 1 << 20;
const PAGES_MAX = 256;
/** Requests that Linux has under way that nobody waits for, and how many are many. */
const BACKGROUND_MAX = 64;
const CONGESTION = 48;
/** A request without a file's data is no longer: an attribute's value has 64 KiB. */
const PLAIN_MAX = 1 << 17;
/** Bytes of an answer without a file's data. */
const ANSWER_MAX = 1 << 18;

const FUSE_FORGET = 2;
const FUSE_READ = 15;
const FUSE_WRITE = 16;
const FUSE_INIT = 26;
const FUSE_INTERRUPT = 36;
const FUSE_DESTROY = 38;
const FUSE_BATCH_FORGET = 42;

// Bits of FUSE_INIT.
const FUSE_ASYNC_READ = 1 << 0;
const FUSE_ATOMIC_O_TRUNC = 1 << 3;
const FUSE_BIG_WRITES = 1 << 5;
const FUSE_AUTO_INVAL_DATA = 1 << 12;
const FUSE_DO_READDIRPLUS = 1 << 13;
const FUSE_READDIRPLUS_AUTO = 1 << 14;
const FUSE_ASYNC_DIO = 1 << 15;
const FUSE_WRITEBACK_CACHE = 1 << 16;
const FUSE_PARALLEL_DIROPS = 1 << 18;
const FUSE_MAX_PAGES = 1 << 22;
const FUSE_CACHE_SYMLINKS = 1 << 23;
const FUSE_HANDLE_KILLPRIV_V2 = 1 << 28;
const WANTED =
  FUSE_ASYNC_READ |
  FUSE_ATOMIC_O_TRUNC |
  FUSE_BIG_WRITES |
  FUSE_AUTO_INVAL_DATA |
  FUSE_DO_READDIRPLUS |
  FUSE_READDIRPLUS_AUTO |
  FUSE_ASYNC_DIO |
  FUSE_PARALLEL_DIROPS |
  FUSE_MAX_PAGES |
  FUSE_CACHE_SYMLINKS |
  FUSE_HANDLE_KILLPRIV_V2;

/** Of fuse_write_in: pages of the cache, whose place is right whatever the file was opened for; and who writes is not to leave others' rights. */
const FUSE_WRITE_CACHE = 1 << 0;
const FUSE_WRITE_KILL_SUIDGID = 1 << 2;
const WRITE_HEADER = IN_HEADER_BYTES + 40;

export const savedSessionSchema = z.strictObject({ writeback: z.boolean(), tables: savedTablesSchema });
export type SavedSession = z.output<typeof savedSessionSchema>;

/** A guest's conversation about a shared folder in FUSE 7.31 and later. Requests run concurrently; data goes straight between files and the guest's pages. */
export class FuseSession {
  readonly inodes: InodeTable;
  readonly handles: HandleTable;
  readonly numbers = new FileNumbers();
  #isWriteback = false;
  /** Until then what a snapshot knows is looked for. */
  #ready: Promise<void> | undefined;
  /** That snapshot, meanwhile. */
  #loading: SavedSession | undefined;

  constructor(
    readonly folder: SharedFolder,
    /** Whether the guest may keep what it writes for a while, and then be the only one who changes files. */
    private readonly writeback: boolean,
  ) {
    this.inodes = new InodeTable(folder);
    this.handles = new HandleTable(folder);
  }

  get isWriteback(): boolean {
    return this.#isWriteback;
  }

  save(): SavedSession {
    return this.#loading ?? { writeback: this.#isWriteback, tables: saveTables(this.inodes, this.handles, this.folder.root) };
  }

  /** Of a new session; requests wait until it is done. */
  load(saved: SavedSession): void {
    this.#isWriteback = saved.writeback;
    this.#loading = saved;
    this.#ready = loadTables(saved.tables, this.inodes, this.handles, this.folder).finally(() => (this.#ready = this.#loading = undefined));
  }

  /** Everything that the guest holds, for good. */
  async close(): Promise<void> {
    await this.#ready;
    this.inodes.close();
    await this.handles.close();
  }

  /**
   * Answer a request; resolves with the bytes of the answer, of which some requests have none. `isWanted` says whether somebody still waits for
   * it. Throws DeviceError where a request has no header, or its answer no room.
   */
  async serve(readable: ScatterGatherList, writable: ScatterGatherList, isWanted: () => boolean): Promise<number> {
    if (readable.length < IN_HEADER_BYTES)
      throw DeviceError.InvalidParameter(`A FUSE request has ${readable.length} bytes, and its header alone has ${IN_HEADER_BYTES}.`);
    const header = readHeader(readable);
    if (this.#ready) await this.#ready;
    const { opcode, unique } = header;
    if (opcode === FUSE_FORGET || opcode === FUSE_BATCH_FORGET || opcode === FUSE_INTERRUPT) {
      // Nothing here takes so long that it is worth interrupting; what is malformed is forgotten itself, as nobody is told.
      if (opcode !== FUSE_INTERRUPT) this.#forget(header, readable);
      return 0;
    }
    if (writable.length < OUT_HEADER_BYTES) {
      throw DeviceError.InvalidParameter(
        `A FUSE request leaves ${writable.length} bytes for its answer, whose header has ${OUT_HEADER_BYTES}.`,
      );
    }
    try {
      if (header.length < IN_HEADER_BYTES || header.length > readable.length) throw refusal('EPROTO');
      const answer = await this.#answer(header, readable.slice(0, header.length), writable);
      if (typeof answer === 'number') return answer;
      return isWanted() ? writable.copyFrom(answer) : 0;
    } catch (error) {
      if (!isAnswer(error)) throw error;
      return isWanted() ? writable.copyFrom(emptyAnswer(unique, linuxError(error))) : 0;
    }
  }

  async #answer(header: FuseHeader, message: ScatterGatherList, writable: ScatterGatherList): Promise<Uint8Array | number> {
    const { opcode, unique } = header;
    if (opcode === FUSE_WRITE) return this.#write(header, message);
    if (message.length > PLAIN_MAX) throw refusal('EPROTO');
    const request = new FuseReader(message.slice(IN_HEADER_BYTES).toBytes());
    if (opcode === FUSE_READ) return this.#read(header, request, writable);
    const answer = new FuseWriter(Math.min(writable.length, ANSWER_MAX));
    if (opcode === FUSE_INIT) await this.#init(request, answer);
    else if (opcode === FUSE_DESTROY) await this.#clear();
    else {
      const operation = operations.get(opcode);
      if (!operation) throw refusal('ENOSYS');
      await operation(this, header, request, answer);
    }
    return answer.finish(unique);
  }

  async #clear(): Promise<void> {
    this.inodes.clear();
    await this.handles.clear();
  }

  /** struct fuse_init_in and fuse_init_out: the guest begins anew. */
  async #init(request: FuseReader, answer: FuseWriter): Promise<void> {
    const [major, minor, readahead, offered] = [request.u32(), request.u32(), request.u32(), request.u32()];
    if (major < FUSE_MAJOR || (major === FUSE_MAJOR && minor < MINOR_MIN)) throw refusal('EPROTO');
    await this.#clear();
    // Of a newer one the guest is told what there is here, and asks again.
    const isNewer = major > FUSE_MAJOR;
    const flags = isNewer ? 0 : offered & (WANTED | (this.writeback ? FUSE_WRITEBACK_CACHE : 0));
    this.#isWriteback = (flags & FUSE_WRITEBACK_CACHE) !== 0;
    answer.u32(FUSE_MAJOR).u32(isNewer ? FUSE_MINOR : Math.min(minor, FUSE_MINOR));
    answer.u32(readahead).u32(flags).u16(BACKGROUND_MAX).u16(CONGESTION);
    // Times to the nanosecond.
    answer.u32(WRITE_MAX).u32(1).u16(PAGES_MAX).u16(0);
    for (let unused = 0; unused < 8; unused++) answer.u32(0);
  }

  /** struct fuse_forget_in, or fuse_batch_forget_in with many fuse_forget_one. */
  #forget({ opcode, inode, length }: FuseHeader, message: ScatterGatherList): void {
    const bytes = message.slice(IN_HEADER_BYTES, Math.max(IN_HEADER_BYTES, Math.min(length, message.length, PLAIN_MAX))).toBytes();
    const request = new FuseReader(bytes);
    try {
      if (opcode === FUSE_FORGET) this.inodes.forget(inode, request.u64());
      else {
        const count = request.u32();
        request.skip(4);
        for (let at = 0; at < count; at++) this.inodes.forget(request.u64(), request.u64());
      }
    } catch (error) {
      if (!isAnswer(error)) throw error;
    }
  }

  /** struct fuse_read_in */
  async #read({ unique }: FuseHeader, request: FuseReader, writable: ScatterGatherList): Promise<number> {
    const { file } = this.handles.file(request.u64());
    const offset = request.u64();
    const size = Math.min(request.u32(), writable.length - OUT_HEADER_BYTES);
    const data = writable.slice(OUT_HEADER_BYTES, OUT_HEADER_BYTES + size);
    const done = await file.read(data.views(), offset);
    data.wrote(done);
    writable.copyFrom(emptyAnswer(unique, 0, done));
    return OUT_HEADER_BYTES + done;
  }

  /** struct fuse_write_in and fuse_write_out */
  async #write({ unique }: FuseHeader, message: ScatterGatherList): Promise<Uint8Array> {
    if (message.length < WRITE_HEADER) throw refusal('EPROTO');
    const request = new FuseReader(message.slice(IN_HEADER_BYTES, WRITE_HEADER).toBytes());
    const handle = this.handles.file(request.u64());
    const [offset, size, flags] = [request.u64(), request.u32(), request.u32()];
    if (size > message.length - WRITE_HEADER) throw refusal('EPROTO');
    const data = message.slice(WRITE_HEADER, WRITE_HEADER + size).views();
    if (flags & FUSE_WRITE_KILL_SUIDGID) await this.folder.dropPrivileges(handle.node);
    let done: number;
    if (flags & FUSE_WRITE_CACHE && handle.flags & constants.O_APPEND) {
      // By this descriptor they would go to the end of the file.
      const file = await this.folder.openFile(handle.node, constants.O_WRONLY);
      try {
        done = await file.write(data, offset);
      } finally {
        await file.close();
      }
    } else done = await handle.file.write(data, offset);
    const answer = new FuseWriter(OUT_HEADER_BYTES + 8);
    return answer.u32(done).u32(0).finish(unique);
  }
}
