import { z } from 'zod';
import type { AccessSize, BoardDevice } from '../../bus/device';
import { bytesSchema, DeviceState, loadBytes, saveBytes } from '../../bus/device-state';
import { reasonCode } from '../../errors/system-error';
import { VmError } from '../../errors/vm-error';
import type { GuestMemory } from '../../memory/guest-memory';

/** Bytes of a bank, and of what one erase command erases: both chips' blocks of 128 KiB. */
export const FLASH_BANK_BYTES = 32 << 20;
const BLOCK = 256 << 10;
/** Bytes of the buffer for "write to buffer", both chips'. */
const BUFFER = 4096;

// Commands of the Intel/Sharp set (CFI publication 100, primary command set 0x0001).
const READ_ARRAY = 0xff;
const READ_IDENTIFIER = 0x90;
const READ_QUERY = 0x98;
const READ_STATUS = 0x70;
const CLEAR_STATUS = 0x50;
const PROGRAM = 0x40;
const PROGRAM_ALTERNATIVE = 0x10;
const WRITE_TO_BUFFER = 0xe8;
const ERASE = 0x20;
const LOCK = 0x60;
const CONFIRM = 0xd0;

// Status register.
const READY = 0x80;
const ERASE_FAILED = 0x20;
const PROGRAM_FAILED = 0x10;
const BLOCK_LOCKED = 0x02;

const MANUFACTURER = 0x89;
const DEVICE = 0x18;

/** The answers to a query, by word address (JESD68.01 §4): two 16-bit chips of 16 MiB with 128 blocks of 128 KiB each. */
const QUERY: ReadonlyMap<number, number> = new Map(
  [
    // At 0x10: "QRY", command set 1, its table at 0x31, no alternative.
    [0x10, [0x51, 0x52, 0x59, 0x01, 0x00, 0x31, 0x00, 0x00, 0x00, 0x00, 0x00]],
    // At 0x1b: 4.5 to 5.5 V; typical times of program, buffer and erase as powers of two, and how many times that at most.
    [0x1b, [0x45, 0x55, 0x00, 0x00, 0x07, 0x07, 0x0a, 0x00, 0x04, 0x04, 0x04, 0x00]],
    // At 0x27: size 2^24, interface x16, buffer 2^11, one region of 128 blocks of 0x200 × 256 bytes.
    [0x27, [0x18, 0x01, 0x00, 0x0b, 0x00, 0x01, 0x7f, 0x00, 0x00, 0x02]],
    // At 0x31: "PRI" 1.0, no optional feature.
    [0x31, [0x50, 0x52, 0x49, 0x31, 0x30, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01]],
  ].flatMap(([at, bytes]) => (bytes as number[]).map((byte, i): [number, number] => [(at as number) + i, byte])),
);

/** Where a bank keeps its contents beyond the machine's end. */
export interface FlashStore {
  /** Keeps bytes from an offset on. Throws if it cannot. */
  write(offset: number, bytes: Uint8Array): void;
}

export interface FlashBankOptions {
  memory: GuestMemory;
  /** Where a region of FLASH_BANK_BYTES lies that is this device's. */
  base: number;
  /** What is in it, from its start, zeros behind; nothing: the bank is erased. */
  contents?: Uint8Array;
  /** Programming and erasing fails. */
  readonly?: boolean;
  store?: FlashStore;
  warn: (error: VmError) => void;
}

const modes = z.enum(['array', 'status', 'identifier', 'query']);
type Mode = z.output<typeof modes>;
/** What the next write means. */
const expectations = z.enum(['command', 'program', 'erase', 'lock', 'count', 'data', 'confirm']);
type Expected = z.output<typeof expectations>;

const stateSchema = z.strictObject({
  mode: modes,
  expected: expectations,
  status: z.number().int().min(READY).max(0xff),
  /** A multiple of the buffer's or the block's size. */
  at: z
    .number()
    .int()
    .min(0)
    .max(FLASH_BANK_BYTES - BUFFER)
    .multipleOf(BUFFER),
  left: z.number().int().min(0).max(0x10000),
  /** What is in the buffer, from `first` on. */
  first: z.number().int().min(0).max(BUFFER),
  buffer: bytesSchema,
  isFilled: z.boolean(),
});

/** What a command makes reads give, and what it expects of the next write. */
const MODES: ReadonlyMap<number, Mode> = new Map<number, Mode>([
  [READ_STATUS, 'status'],
  [READ_IDENTIFIER, 'identifier'],
  [READ_QUERY, 'query'],
  ...[PROGRAM, PROGRAM_ALTERNATIVE, WRITE_TO_BUFFER, ERASE, LOCK].map((command): [number, Mode] => [command, 'status']),
]);
const EXPECTED: ReadonlyMap<number, Expected> = new Map<number, Expected>([
  [PROGRAM, 'program'],
  [PROGRAM_ALTERNATIVE, 'program'],
  [WRITE_TO_BUFFER, 'count'],
  [ERASE, 'erase'],
  [LOCK, 'lock'],
]);

/**
 * One bank of parallel NOR flash as QEMU's virt board has it: two 16-bit chips side by side on a 32-bit bus, both of which get each
 * command. While the bank shows its contents, harts read them and execute from them like RAM; commands come here.
 */
export class FlashBank implements BoardDevice {
  readonly name: string;
  readonly base: number;
  readonly size = FLASH_BANK_BYTES;
  readonly holdsWriters = true;
  private readonly memory: GuestMemory;
  private mode: Mode = 'array';
  private expected: Expected = 'command';
  private status = READY;
  /** Where the running erase or buffered write began. */
  private at = 0;
  /** Writes that still go to the buffer. */
  private left = 0;
  /** Bytes for the buffer's place in the array, ones where nothing was written, and which part was. */
  private readonly buffer = new Uint8Array(BUFFER);
  private first = BUFFER;
  private end = 0;
  /** An erased bank takes no memory until somebody looks at it. */
  private isFilled: boolean;
  private storeFailed = false;

  /** The contents are not part of it: they are guest memory. */
  readonly state = new DeviceState(this, {
    version: 1,
    schema: stateSchema,
    save: () => {
      const { mode, expected, status, at, left, first, isFilled } = this;
      return {
        mode,
        expected,
        status,
        at,
        left,
        first,
        isFilled,
        buffer: saveBytes(this.buffer.subarray(first, Math.max(first, this.end))),
      };
    },
    load: ({ buffer, ...registers }, refuse) => {
      const bytes = loadBytes(buffer);
      const { first, expected, at } = registers;
      if (first + bytes.length > BUFFER) refuse('its buffer holds more than there is room for');
      if (expected === 'erase' && at % BLOCK !== 0) refuse('it erases what is no block');
      return () => {
        Object.assign(this, registers);
        this.buffer.fill(0xff);
        this.buffer.set(bytes, first);
        this.end = bytes.length > 0 ? first + bytes.length : 0;
        this.memory.hide(this.base, this.mode !== 'array' || !this.isFilled);
      };
    },
  });

  constructor(private readonly options: FlashBankOptions) {
    this.memory = options.memory;
    this.base = options.base;
    this.name = `flash@${options.base.toString(16)}`;
    this.isFilled = options.contents !== undefined;
    if (options.contents) this.memory.copyIn(this.base, options.contents);
    this.memory.hide(this.base, !this.isFilled);
  }

  reset(): void {
    this.status = READY;
    this.show();
  }

  read(offset: number, size: AccessSize): number {
    if (this.mode === 'array') {
      const bytes = this.array();
      this.memory.hide(this.base, false);
      let value = 0;
      for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[offset + i];
      return value;
    }
    const word = offset >> 2;
    let chip = this.status;
    if (this.mode === 'query') chip = QUERY.get(word) ?? 0;
    else if (this.mode === 'identifier') chip = { 0: MANUFACTURER, 1: DEVICE }[word & 0xff] ?? 0;
    const both = (chip | (chip << 16)) >>> (8 * (offset & 3));
    return size === 4 ? both >>> 0 : both & ((1 << (8 * size)) - 1);
  }

  write(offset: number, size: AccessSize, value: number): void {
    const command = value & 0xff;
    switch (this.expected) {
      case 'command':
        this.command(offset, command);
        break;
      case 'program':
        this.program(offset, littleEndian(value, size));
        this.expected = 'command';
        break;
      case 'erase':
        if (command === CONFIRM) this.erase(this.at);
        this.finish(command === CONFIRM ? 0 : ERASE_FAILED | PROGRAM_FAILED, command);
        break;
      case 'lock':
        // Blocks are never locked: there is nothing to do.
        this.finish(0, command);
        break;
      case 'count':
        this.left = (value & 0xffff) + 1;
        this.at = offset - (offset % BUFFER);
        this.buffer.fill(0xff);
        this.first = BUFFER;
        this.end = 0;
        this.expected = 'data';
        break;
      case 'data':
        this.fillBuffer(offset, littleEndian(value, size));
        break;
      case 'confirm':
        if (command === CONFIRM) this.program(this.at + this.first, this.buffer.subarray(this.first, this.end));
        this.finish(command === CONFIRM ? 0 : ERASE_FAILED | PROGRAM_FAILED, command);
        break;
    }
  }

  private command(offset: number, command: number): void {
    if (command === CLEAR_STATUS) {
      this.status = READY;
      return;
    }
    const mode = MODES.get(command);
    if (mode === undefined) {
      // READ_ARRAY, and what is no command.
      this.show();
      return;
    }
    this.at = offset - (offset % BLOCK);
    this.expected = EXPECTED.get(command) ?? 'command';
    this.mode = mode;
    this.memory.hide(this.base, true);
  }

  private finish(failure: number, command: number): void {
    this.expected = 'command';
    if (command === READ_ARRAY) this.show();
    else this.status |= failure;
  }

  private fillBuffer(offset: number, bytes: Uint8Array): void {
    const at = offset - this.at;
    if (at < 0 || at + bytes.length > BUFFER) {
      this.finish(ERASE_FAILED | PROGRAM_FAILED, 0);
      return;
    }
    this.buffer.set(bytes, at);
    this.first = Math.min(this.first, at);
    this.end = Math.max(this.end, at + bytes.length);
    this.left--;
    if (this.left === 0) this.expected = 'confirm';
  }

  /** Reads give contents again. */
  private show(): void {
    this.expected = 'command';
    this.mode = 'array';
    if (this.isFilled) this.memory.hide(this.base, false);
  }

  private array(): Uint8Array {
    const bytes = this.memory.view(this.base, this.size);
    if (!this.isFilled) {
      this.isFilled = true;
      bytes.fill(0xff);
    }
    return bytes;
  }

  /** Programming makes ones zeros; only erasing makes ones. */
  private program(offset: number, bytes: Uint8Array): void {
    if (this.options.readonly) {
      this.status |= PROGRAM_FAILED | BLOCK_LOCKED;
      return;
    }
    const array = this.array();
    const programmed = bytes.map((byte, i) => array[offset + i] & byte);
    if (this.keep(offset, programmed, PROGRAM_FAILED)) this.memory.copyIn(this.base + offset, programmed);
  }

  private erase(offset: number): void {
    if (this.options.readonly) {
      this.status |= ERASE_FAILED | BLOCK_LOCKED;
      return;
    }
    this.array();
    const erased = new Uint8Array(BLOCK).fill(0xff);
    if (this.keep(offset, erased, ERASE_FAILED)) this.memory.copyIn(this.base + offset, erased);
  }

  private keep(offset: number, bytes: Uint8Array, failure: number): boolean {
    try {
      this.options.store?.write(offset, bytes);
      this.storeFailed = false;
      return true;
    } catch (cause) {
      this.status |= failure;
      // The guest tries again and again.
      if (!this.storeFailed)
        this.options.warn(
          new VmError('Resource', `The firmware's variables could not be kept: ${cause instanceof Error ? cause.message : String(cause)}`, {
            cause,
            code: 'variables-not-kept',
            params: { reason: reasonCode(cause) },
          }),
        );
      this.storeFailed = true;
      return false;
    }
  }
}

function littleEndian(value: number, size: AccessSize): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => value >>> (8 * i));
}
