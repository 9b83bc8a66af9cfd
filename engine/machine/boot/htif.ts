import type { GuestMemory } from '../../memory/guest-memory';

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

/** Serves a program that talks through the words `tohost` and `fromhost`; the machine calls `poll` again and again. */
export class Htif {
  private readonly memory: GuestMemory;
  private readonly words: BigInt64Array;
  private readonly tohost: number;
  private readonly fromhost: number;
  private readonly output: HtifOptions['output'];
  private readonly exit: HtifOptions['exit'];
  private readerBusy = false;

  constructor(options: HtifOptions) {
    this.memory = options.memory;
    this.words = new BigInt64Array(options.memory.memory.buffer);
    this.tohost = options.memory.offsetOf(options.tohost, 8) / 8;
    this.fromhost = options.fromhost === undefined ? -1 : options.memory.offsetOf(options.fromhost, 8) / 8;
    this.output = options.output;
    this.exit = options.exit;
  }

  poll(): void {
    const request = BigInt.asUintN(64, Atomics.load(this.words, this.tohost));
    if (request === 0n || this.readerBusy) return;
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
