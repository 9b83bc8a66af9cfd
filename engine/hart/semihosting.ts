import { HART_X } from '../memory/layout';

// RISC-V Semihosting 1.0, whose operations are those of Arm's Semihosting for AArch32 and AArch64, release 3.0 (64-bit fields).
const OPEN = 0x01;
const CLOSE = 0x02;
const WRITEC = 0x03;
const WRITE0 = 0x04;
const WRITE = 0x05;
const READ = 0x06;
const READC = 0x07;
const ISERROR = 0x08;
const ISTTY = 0x09;
const SEEK = 0x0a;
const FLEN = 0x0c;
const TMPNAM = 0x0d;
const REMOVE = 0x0e;
const RENAME = 0x0f;
const CLOCK = 0x10;
const TIME = 0x11;
const SYSTEM = 0x12;
const ERRNO = 0x13;
const GET_CMDLINE = 0x15;
const HEAPINFO = 0x16;
const EXIT = 0x18;
const SYNCCACHE = 0x19;
const EXIT_EXTENDED = 0x20;
const ELAPSED = 0x30;
const TICKFREQ = 0x31;

const APPLICATION_EXIT = 0x20026n;
const FAILED = (1n << 64n) - 1n;
const NANOSECONDS = 1_000_000_000n;
const [A0, A1] = [10, 11];

/** Linux's numbers, as QEMU passes them on there. */
const EPERM = 1;
const E2BIG = 7;
const EFAULT = 14;
const EINVAL = 22;
const ENAMETOOLONG = 36;
const ENOSYS = 38;

/** Bytes that go to or come from the host at once, and those of the longest name. */
const PIECE = 1 << 16;
const NAME_MAX = 4096;
/** A text that does not end is given up after so many bytes. */
const TEXT_MAX = 16 << 20;

/** What a hart asks of the host. `path` and `data` are bytes as the program has them. */
export type SemihostingRequest =
  | { op: 'open'; path: Uint8Array; mode: number }
  | { op: 'close'; handle: number }
  | { op: 'terminal'; handle: number }
  | { op: 'length'; handle: number }
  | { op: 'seek'; handle: number; position: number }
  | { op: 'write'; handle: number; data: Uint8Array }
  | { op: 'read'; handle: number; length: number }
  | { op: 'print'; data: Uint8Array }
  | { op: 'character' }
  | { op: 'remove'; path: Uint8Array }
  | { op: 'rename'; from: Uint8Array; to: Uint8Array }
  | { op: 'exit'; code: number }
  /** It is refused; the user may want to know. */
  | { op: 'refuse'; number: number };

/** `value`: a handle, a count, a length, a character; -1 with the number of an error. */
export interface SemihostingReply {
  value: number;
  error?: number;
  data?: Uint8Array;
}

/** What does not need the host. */
export interface SemihostingFacts {
  /** What SYS_GET_CMDLINE answers. */
  commandLine: string;
  /** Memory that nothing was loaded to: heap from below, stack from above. */
  heap: { base: number; limit: number };
}

/** What a hart's calls need of its surroundings. */
export interface SemihostingLine extends SemihostingFacts {
  /** Give a request to the host; the hart is woken by its answer. */
  send(request: SemihostingRequest): void;
  /** The answer, if it has come. */
  receive(): SemihostingReply | undefined;
}

/** An address of the program where there is nothing that the hart could read or write now. */
class BadAddress extends Error {}

type Call = Generator<SemihostingRequest, bigint, SemihostingReply>;

/** The semihosting calls of one hart: one at a time, memory reached as the hart's own loads and stores would. */
export class SemihostingCalls {
  private readonly bytes: Uint8Array;
  private readonly registers: BigUint64Array;
  private running: Call | undefined;
  private errno = 0;

  constructor(
    memory: WebAssembly.Memory,
    hart: number,
    /** Where `bytes` bytes within one page lie in the memory for a load or, if `isWrite`, a store of the hart; 0 where they do not. */
    private readonly reach: (address: bigint, bytes: number, isWrite: number) => number,
    /** Guest time in ticks of 100 ns. */
    private readonly time: () => number,
    private readonly line: SemihostingLine,
  ) {
    this.bytes = new Uint8Array(memory.buffer);
    this.registers = new BigUint64Array(memory.buffer, hart + HART_X, 32);
  }

  /** Forget a call that is under way: the machine starts anew. */
  reset(): void {
    this.running = undefined;
    this.errno = 0;
  }

  /** Begin the call that the registers describe, or go on with it. True: it is done, and its result is in a0; false: the host has still to answer. */
  proceed(): boolean {
    let reply: SemihostingReply | undefined;
    if (this.running) {
      reply = this.line.receive();
      if (!reply) return false;
    } else this.running = this.perform(Number(this.registers[A0] & 0xffffffffn), this.registers[A1]);
    let result: bigint;
    try {
      const step = reply ? this.running.next(reply) : this.running.next();
      if (!step.done) {
        this.line.send(step.value);
        return false;
      }
      result = step.value;
    } catch (error) {
      if (!(error instanceof BadAddress)) throw error;
      result = this.fail(EFAULT);
    }
    this.running = undefined;
    this.registers[A0] = BigInt.asUintN(64, result);
    return true;
  }

  private *perform(operation: number, block: bigint): Call {
    const argument = (index: number): bigint => this.word(block + BigInt(8 * index));
    switch (operation) {
      case OPEN: {
        const mode = argument(1);
        const path = this.name(argument(0), argument(2));
        if (mode > 11n || !path) return this.fail(path ? EINVAL : ENAMETOOLONG);
        return this.take(yield { op: 'open', path, mode: Number(mode) });
      }
      case CLOSE:
        return this.take(yield { op: 'close', handle: handleOf(argument(0)) });
      case WRITEC:
        this.take(yield { op: 'print', data: this.read(block, 1) });
        return 0n;
      case WRITE0:
        return yield* this.print(block);
      case WRITE:
        return yield* this.write(handleOf(argument(0)), argument(1), argument(2));
      case READ:
        return yield* this.readInto(handleOf(argument(0)), argument(1), argument(2));
      case READC:
        return this.take(yield { op: 'character' });
      case ISERROR:
        return argument(0) >> 63n;
      case ISTTY:
        return this.take(yield { op: 'terminal', handle: handleOf(argument(0)) });
      case SEEK: {
        const position = argument(1);
        if (position > BigInt(Number.MAX_SAFE_INTEGER)) return this.fail(EINVAL);
        return this.take(yield { op: 'seek', handle: handleOf(argument(0)), position: Number(position) });
      }
      case FLEN:
        return this.take(yield { op: 'length', handle: handleOf(argument(0)) });
      case TMPNAM: {
        const name = Buffer.from(`hartbox-${(argument(1) & 0xffn).toString(16).padStart(2, '0')}.tmp\0`);
        if (argument(2) < BigInt(name.length)) return this.fail(E2BIG);
        this.fill(argument(0), name);
        return 0n;
      }
      case REMOVE: {
        const path = this.name(argument(0), argument(1));
        return path ? this.take(yield { op: 'remove', path }) : this.fail(ENAMETOOLONG);
      }
      case RENAME: {
        const from = this.name(argument(0), argument(1));
        const to = this.name(argument(2), argument(3));
        return from && to ? this.take(yield { op: 'rename', from, to }) : this.fail(ENAMETOOLONG);
      }
      case CLOCK:
        return BigInt(Math.floor(this.time() / 100_000));
      case TIME:
        return BigInt(Math.floor(Date.now() / 1000));
      case ERRNO:
        return BigInt(this.errno);
      case GET_CMDLINE: {
        const text = Buffer.from(`${this.line.commandLine}\0`);
        const buffer = argument(0);
        if (argument(1) < BigInt(text.length)) return this.fail(E2BIG);
        this.fill(buffer, text);
        this.fill(block + 8n, words(BigInt(text.length - 1)));
        return 0n;
      }
      case HEAPINFO: {
        const [base, limit] = [BigInt(this.line.heap.base), BigInt(this.line.heap.limit)];
        this.fill(argument(0), words(base, limit, limit, base));
        return 0n;
      }
      case EXIT:
      case EXIT_EXTENDED:
        yield { op: 'exit', code: argument(0) === APPLICATION_EXIT ? Number(BigInt.asUintN(32, argument(1))) : 1 };
        return 0n;
      case SYNCCACHE:
        return 0n;
      case ELAPSED:
        this.fill(block, words(BigInt(Math.floor(this.time())) * 100n));
        return 0n;
      case TICKFREQ:
        return NANOSECONDS;
      default:
        yield { op: 'refuse', number: operation };
        return this.fail(operation === SYSTEM ? EPERM : ENOSYS);
    }
  }

  /** A text, up to the byte that ends it. */
  private *print(address: bigint): Call {
    for (let at = address; at - address < BigInt(TEXT_MAX); ) {
      const piece = this.read(at, bytesToPageEnd(at));
      const end = piece.indexOf(0);
      this.take(yield { op: 'print', data: end < 0 ? piece : piece.subarray(0, end) });
      if (end >= 0) break;
      at += BigInt(piece.length);
    }
    return 0n;
  }

  /** Bytes that were not written. */
  private *write(handle: number, buffer: bigint, length: bigint): Call {
    let left = length;
    for (let at = buffer; left > 0n; ) {
      const data = this.attempt(() => this.read(at, Number(left < BigInt(PIECE) ? left : BigInt(PIECE))));
      if (!data) break;
      const { value, error } = yield { op: 'write', handle, data };
      if (error !== undefined) {
        this.errno = error;
        break;
      }
      left -= BigInt(value);
      at += BigInt(value);
      if (value < data.length) break;
    }
    return left;
  }

  /** Bytes that were not read: none, or all at the end of a file; a terminal gives what it has. */
  private *readInto(handle: number, buffer: bigint, length: bigint): Call {
    let left = length;
    for (let at = buffer; left > 0n; ) {
      const most = Number(left < BigInt(PIECE) ? left : BigInt(PIECE));
      // What is read is gone from a terminal, so there must be room for it.
      if (this.attempt(() => this.check(at, most)) === undefined) break;
      const { value, error, data } = yield { op: 'read', handle, length: most };
      if (error !== undefined) {
        this.errno = error;
        break;
      }
      if (data) this.fill(at, data);
      left -= BigInt(value);
      at += BigInt(value);
      if (value < most) break;
    }
    return left;
  }

  /** The result of a request, with its error noted. */
  private take({ value, error }: SemihostingReply): bigint {
    return error === undefined ? BigInt(value) : this.fail(error);
  }

  private fail(error: number): bigint {
    this.errno = error;
    return FAILED;
  }

  private attempt<T>(what: () => T): T | undefined {
    try {
      return what();
    } catch (error) {
      if (!(error instanceof BadAddress)) throw error;
      this.errno = EFAULT;
      return undefined;
    }
  }

  // ---- the program's memory -----------------------------------------------------------------------------------------

  private name(address: bigint, length: bigint): Uint8Array | undefined {
    return length > BigInt(NAME_MAX) ? undefined : this.read(address, Number(length));
  }

  private word(address: bigint): bigint {
    return Buffer.from(this.read(address, 8)).readBigUInt64LE();
  }

  /** A copy of the program's memory. Throws BadAddress. */
  private read(address: bigint, length: number): Uint8Array {
    const copy = new Uint8Array(length);
    this.pieces(address, length, 0, (at, bytes, done) => copy.set(this.bytes.subarray(at, at + bytes), done));
    return copy;
  }

  /** Write to the program's memory, all or nothing unless the mapping changes meanwhile. Throws BadAddress. */
  private fill(address: bigint, data: Uint8Array): void {
    this.check(address, data.length);
    this.pieces(address, data.length, 1, (at, bytes, done) => this.bytes.set(data.subarray(done, done + bytes), at));
  }

  private check(address: bigint, length: number): true {
    this.pieces(address, length, 1, () => undefined);
    return true;
  }

  private pieces(address: bigint, length: number, isWrite: number, use: (at: number, bytes: number, done: number) => void): void {
    for (let done = 0; done < length; ) {
      const va = BigInt.asUintN(64, address + BigInt(done));
      const bytes = Math.min(length - done, bytesToPageEnd(va));
      const at = this.reach(va, bytes, isWrite) >>> 0;
      if (at === 0) throw new BadAddress();
      use(at, bytes, done);
      done += bytes;
    }
  }
}

/** Numbers that no handle has are one that there never is. */
function handleOf(value: bigint): number {
  return value < 0x7fffffffn ? Number(value) : -1;
}

function bytesToPageEnd(address: bigint): number {
  return 4096 - Number(address & 4095n);
}

function words(...values: bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values).buffer);
}
