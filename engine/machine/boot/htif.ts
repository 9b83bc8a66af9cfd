import type { BoardDevice } from '../../bus/device';
import { DeviceState } from '../../bus/device-state';
import type { GuestMemory } from '../../memory/guest-memory';
import { MACHINE_TOHOST, MACHINE_TOHOST_ADDRESS } from '../../memory/layout';

// Host-target interface of the RISC-V test programs: the top byte of `tohost` is the device, the next one the command.
const DEVICE_SYSCALL = 0;
const DEVICE_CONSOLE = 1;
const COMMAND_PUTCHAR = 1;
const SYSCALL_WRITE = 64;
const PAYLOAD = 0xffff_ffff_ffffn;
/** Longest text of one write call; test programs buffer 64 bytes. */
const WRITE_MAX = 1 << 20;
/** `-ENOSYS`, for calls that have no host here. */
const NOT_SUPPORTED = -38n;

export interface HtifOptions {
  memory: GuestMemory;
  /** Guest-physical addresses, multiples of 8. */
  tohost: number;
  fromhost?: number;
  /** A promise keeps the program waiting. */
  output: (data: Uint8Array) => Promise<void> | undefined;
  exit: (code: number) => void;
}

/**
 * Serves a program that talks through the words `tohost` and `fromhost`. A hart that stores to the upper half of `tohost`, or to all of it,
 * tells and waits (engine/hart/helpers/mmu.ts). The machine calls `poll` every millisecond, for what comes otherwise: a store to the
 * lower half alone, an atomic operation, a request that waited for the reader.
 */
export class Htif implements BoardDevice {
  readonly name: string;
  readonly base: number;
  readonly size = 8;
  readonly accessSizes = { min: 4, max: 4 } as const;
  readonly holdsWriters = true;
  readonly state = DeviceState.none(this);
  private readonly memory: GuestMemory;
  private readonly words: BigInt64Array;
  private readonly tohost: number;
  private readonly fromhost: number;
  private readonly output: HtifOptions['output'];
  private readonly exit: HtifOptions['exit'];
  private readerBusy = false;
  /** What the last poll found. */
  private seen = 0n;

  constructor(options: HtifOptions) {
    this.base = options.tohost;
    this.name = `htif@${options.tohost.toString(16)}`;
    this.memory = options.memory;
    this.words = new BigInt64Array(options.memory.memory.buffer);
    this.tohost = options.memory.offsetOf(options.tohost, 8) / 8;
    this.fromhost = options.fromhost === undefined ? -1 : options.memory.offsetOf(options.fromhost, 8) / 8;
    this.output = options.output;
    this.exit = options.exit;
    options.memory.data.setUint32(MACHINE_TOHOST, 8 * this.tohost, true);
    options.memory.data.setFloat64(MACHINE_TOHOST_ADDRESS, options.tohost, true);
  }

  read(): number {
    return 0;
  }

  /** A hart has stored a request. */
  write(): void {
    this.serve(this.request());
  }

  /** Serves what was there the last time too: of a request in two halves only one may be there yet. */
  poll(): void {
    const request = this.request();
    if (request === this.seen) this.serve(request);
    else this.seen = request;
  }

  private request(): bigint {
    return BigInt.asUintN(64, Atomics.load(this.words, this.tohost));
  }

  private serve(request: bigint): void {
    if (request === 0n || this.readerBusy) return;
    this.seen = 0n;
    const device = Number(request >> 56n);
    const command = Number((request >> 48n) & 0xffn);
    const payload = request & PAYLOAD;
    if (device === DEVICE_SYSCALL && command === 0 && (payload & 1n) === 1n) {
      this.exit(Number(BigInt.asUintN(32, payload >> 1n)));
      return;
    }
    const isCall = device === DEVICE_SYSCALL && command === 0;
    if (isCall) this.systemCall(Number(payload));
    else if (device === DEVICE_CONSOLE && command === COMMAND_PUTCHAR) this.send(Uint8Array.of(Number(payload & 0xffn)));
    Atomics.store(this.words, this.tohost, 0n);
    // Only calls are answered; a character is just gone.
    if (isCall && this.fromhost >= 0) Atomics.store(this.words, this.fromhost, 1n);
  }

  /** The next request waits for who is behind with reading this one's text. */
  private send(text: Uint8Array): void {
    const held = this.output(text);
    if (!held) return;
    this.readerBusy = true;
    const done = (): void => {
      this.readerBusy = false;
    };
    held.then(done, done);
  }

  /** The program passes the address of { number, arguments… }; the first word takes the result. */
  private systemCall(address: number): void {
    const at = address % 8 === 0 ? this.memory.offsetOf(address, 64) / 8 : -1;
    if (at < 0) return;
    const [number, , buffer, length] = this.words.subarray(at, at + 4);
    this.words[at] = number === BigInt(SYSCALL_WRITE) ? this.writeText(Number(buffer), Number(length)) : NOT_SUPPORTED;
  }

  private writeText(buffer: number, length: number): bigint {
    if (length < 0 || length > WRITE_MAX || !this.memory.contains(buffer, length)) return -1n;
    this.send(this.memory.view(buffer, length).slice());
    return BigInt(length);
  }
}
