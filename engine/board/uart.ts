import { z } from 'zod';
import type { AccessSize, BoardDevice, InterruptLine } from '../bus/device';
import { bytesSchema, DeviceState, loadBytes, saveBytes, unsigned } from '../bus/device-state';
import type { DeviceTreeNode } from '../bus/device-tree';

/** Cycles a second of the clock from which a 16550 makes its baud rates; this one has none to make. */
export const UART_CLOCK = 3_686_400;

// Registers (PC16550D data sheet), one byte each.
const DATA = 0; // RBR, THR; divisor low with DLAB
const IER = 1; // divisor high with DLAB
const IIR = 2; // FCR when written
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_RECEIVED = 0x01;
const IER_TRANSMITTER_EMPTY = 0x02;
const IER_LINE_STATUS = 0x04;
const IER_MODEM_STATUS = 0x08;

const IIR_NONE = 0x01;
const IIR_MODEM_STATUS = 0x00;
const IIR_TRANSMITTER_EMPTY = 0x02;
const IIR_RECEIVED = 0x04;
const IIR_LINE_STATUS = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS = 0xc0;

const FCR_ENABLE = 0x01;
const FCR_CLEAR_RECEIVER = 0x02;
const FCR_CLEAR_TRANSMITTER = 0x04;
const TRIGGER_LEVELS = [1, 4, 8, 14];

const LCR_DLAB = 0x80;

/** The general-purpose output that PCs let interrupts through by; set at power-on, as in QEMU. */
const MCR_OUT2 = 0x08;
const MCR_LOOPBACK = 0x10;

const LSR_DATA_READY = 0x01;
const LSR_OVERRUN = 0x02;
const LSR_BREAK = 0x10;
const LSR_TRANSMITTER_EMPTY = 0x60; // THRE and TEMT
const LSR_ERRORS = 0x1e;

/** DCD, DSR and CTS: a terminal is always there. */
const MSR_CONNECTED = 0xb0;
const MSR_DELTAS = 0x0f;

const FIFO_BYTES = 16;
/**
 * How long a character takes at 115,200 baud, in milliseconds, and what a hart should be able to execute meanwhile: what is received comes no
 * faster than that to a guest that is busy, also where the host gives it little time.
 */
const CHARACTER_MS = 10_000 / 115_200;
const CHARACTER_INSTRUCTIONS = 20_000;
/** For so long after a line would have brought more it is looked for at every turn of the event loop; then every so often. */
const LOOK_MS = 5;
/** Output is gathered up to this size before it is handed on. */
const OUTPUT_BYTES = 4096;
/** Input waiting for the guest beyond which `receive` asks the sender to wait. */
const INPUT_HIGH_WATER = 65536;

/** How far the harts have come. */
export interface GuestProgress {
  /** Count from now on. */
  mark(): void;
  /** Whether each hart sleeps, or has executed so many instructions since. */
  hasExecuted(instructions: number): boolean;
}

const STEADY: GuestProgress = { mark: () => undefined, hasExecuted: (instructions) => instructions !== Infinity };

export interface UartOptions {
  base: number;
  line: InterruptLine;
  /** What the guest sends. While a returned promise is pending the transmitter stays busy. */
  output: (data: Uint8Array) => void | Promise<void>;
  /** Called when `receive` has returned false and there is room again. */
  drained?: () => void;
  /** Without it the guest is taken to be busy, but to keep pace. */
  guest?: GuestProgress;
}

const stateSchema = z.strictObject({
  ier: unsigned(4),
  fcr: unsigned(8),
  lcr: unsigned(8),
  mcr: unsigned(5),
  msr: unsigned(8),
  scr: unsigned(8),
  divisor: unsigned(16),
  overrun: z.boolean(),
  broken: z.boolean(),
  transmitterEmptyPending: z.boolean(),
  /** What is in the receiver's FIFO, and what waits outside. */
  received: z.array(unsigned(8)).max(FIFO_BYTES),
  waiting: bytesSchema,
  /** What the reader of the output has not taken yet. */
  outgoing: bytesSchema,
});

/**
 * NS16550A serial port with 16-byte FIFOs, as on QEMU's virt board. It has no line speed: output leaves at once while
 * its reader keeps up, and input waits outside the FIFO until the guest has read what is in it, so none is lost.
 *
 * Drivers put what they receive into a ring that somebody else empties, and have no way to say that it is full. So a guest that takes input by
 * interrupts gets the next FIFO's worth when all harts sleep, having nothing left to do, or else when a line would have brought it.
 */
export class Uart implements BoardDevice {
  readonly name: string;
  readonly base: number;
  /** That of its registers; the device tree gives it 256 bytes, as QEMU's does. */
  readonly size = 8;
  private readonly line: InterruptLine;
  private readonly output: UartOptions['output'];
  private readonly drained: (() => void) | undefined;
  private readonly guest: GuestProgress;

  private ier = 0;
  private fcr = 0;
  private lcr = 0;
  private mcr = MCR_OUT2;
  private msr = MSR_CONNECTED;
  private scr = 0;
  private divisor = 12;
  private overrun = false;
  private broken = false;
  private transmitterEmptyPending = false;
  private received: number[] = [];

  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  private senderWaits = false;
  /** When the line could have brought what is in the FIFO; and what looks whether the guest can take more. */
  private arrival = 0;
  private arriving = 0;
  private soon: NodeJS.Immediate | undefined;
  private later: NodeJS.Timeout | undefined;

  readonly state = new DeviceState(this, {
    version: 2,
    schema: stateSchema,
    save: () => {
      const { ier, fcr, lcr, mcr, msr, scr, divisor, overrun, broken, transmitterEmptyPending, received } = this;
      const registers = { ier, fcr, lcr, mcr, msr, scr, divisor, overrun, broken, transmitterEmptyPending, received: [...received] };
      const waiting = saveBytes(Buffer.concat(this.waiting));
      return { ...registers, waiting, outgoing: saveBytes(this.outgoing.subarray(0, this.outgoingBytes)) };
    },
    load: ({ waiting, outgoing, ...registers }, refuse) => {
      const input = loadBytes(waiting);
      const output = loadBytes(outgoing);
      if (output.length > OUTPUT_BYTES) refuse(`${output.length} bytes of output wait in a buffer of ${OUTPUT_BYTES}`);
      return () => {
        Object.assign(this, registers);
        this.waiting = input.length > 0 ? [input] : [];
        this.waitingBytes = input.length;
        this.outgoing.set(output);
        this.outgoingBytes = output.length;
        // Its reader here is not behind.
        if (output.length >= OUTPUT_BYTES / 2) this.transmitterEmptyPending = true;
        if (output.length > 0) this.flushSoon();
        this.refill();
        this.update();
      };
    },
  });

  private readonly outgoing = new Uint8Array(OUTPUT_BYTES);
  private outgoingBytes = 0;
  private flushScheduled = false;
  private readerBusy = false;

  constructor(options: UartOptions) {
    this.base = options.base;
    this.name = `serial@${options.base.toString(16)}`;
    this.line = options.line;
    this.output = options.output;
    this.drained = options.drained;
    this.guest = options.guest ?? STEADY;
  }

  /** Input for the guest. All of it is kept; false asks the sender to wait for `drained` before it sends more. */
  receive(data: Uint8Array): boolean {
    if (data.length > 0) {
      // Not slice(), which of a Buffer is no copy.
      this.waiting.push(new Uint8Array(data));
      this.waitingBytes += data.length;
      this.refill();
      this.update();
    }
    this.senderWaits = this.waitingBytes >= INPUT_HIGH_WATER;
    return !this.senderWaits;
  }

  /** The other end breaks the line: a character of zeros that is marked, as from QEMU's `Ctrl-A b`. */
  receiveBreak(): void {
    if (this.mcr & MCR_LOOPBACK) return;
    if (this.received.length < this.capacity()) this.received.push(0);
    else this.overrun = true;
    this.broken = true;
    this.update();
  }

  /** Nobody looks for input any more. */
  close(): void {
    clearImmediate(this.soon);
    clearTimeout(this.later);
    this.waiting = [];
    this.waitingBytes = 0;
  }

  read(offset: number, _size: AccessSize): number {
    switch (offset) {
      case DATA:
        if (this.lcr & LCR_DLAB) return this.divisor & 0xff;
        return this.takeReceived();
      case IER:
        return this.lcr & LCR_DLAB ? this.divisor >>> 8 : this.ier;
      case IIR: {
        const cause = this.cause();
        if (cause === IIR_TRANSMITTER_EMPTY) {
          this.transmitterEmptyPending = false;
          this.update();
        }
        return cause | (this.fcr & FCR_ENABLE ? IIR_FIFOS : 0);
      }
      case LCR:
        return this.lcr;
      case MCR:
        return this.mcr;
      case LSR: {
        const status = this.lineStatus();
        if (this.overrun || this.broken) {
          this.overrun = false;
          this.broken = false;
          this.update();
        }
        return status;
      }
      case MSR: {
        if (this.mcr & MCR_LOOPBACK) return this.loopedModemStatus();
        const status = this.msr;
        if (status & MSR_DELTAS) {
          this.msr &= ~MSR_DELTAS;
          this.update();
        }
        return status;
      }
      case SCR:
        return this.scr;
      default:
        return 0;
    }
  }

  write(offset: number, _size: AccessSize, wide: number): void {
    const value = wide & 0xff;
    switch (offset) {
      case DATA:
        if (this.lcr & LCR_DLAB) {
          this.divisor = (this.divisor & 0xff00) | value;
          return;
        }
        this.transmit(value);
        break;
      case IER: {
        if (this.lcr & LCR_DLAB) {
          this.divisor = (this.divisor & 0xff) | (value << 8);
          return;
        }
        // Enabling the interrupt while the transmitter is empty raises it at once.
        if (value & ~this.ier & IER_TRANSMITTER_EMPTY) this.transmitterEmptyPending = !this.transmitterBusy();
        this.ier = value & 0x0f;
        break;
      }
      case IIR:
        if ((value ^ this.fcr) & FCR_ENABLE || value & FCR_CLEAR_RECEIVER) this.received = [];
        if (value & FCR_CLEAR_TRANSMITTER) this.transmitterEmptyPending = true;
        this.fcr = value & 0xc9;
        this.refill();
        break;
      case LCR:
        this.lcr = value;
        return;
      case MCR:
        this.mcr = value & 0x1f;
        this.refill();
        break;
      case SCR:
        this.scr = value;
        return;
    }
    this.update();
  }

  reset(): void {
    this.flush();
    this.ier = 0;
    this.fcr = 0;
    this.lcr = 0;
    this.mcr = MCR_OUT2;
    this.msr = MSR_CONNECTED;
    this.scr = 0;
    this.divisor = 12;
    this.overrun = false;
    this.broken = false;
    this.transmitterEmptyPending = false;
    this.received = [];
    this.arrival = 0;
    this.refill();
    this.update();
  }

  /** What the guest has not read of its input, which somebody else gets now. */
  takeBack(): Uint8Array {
    const all = Buffer.concat([Uint8Array.from(this.received), ...this.waiting]);
    this.received = [];
    this.waiting = [];
    this.waitingBytes = 0;
    this.refill();
    this.update();
    return all;
  }

  /** Hand on what the guest has sent so far. */
  flush(): void {
    this.flushScheduled = false;
    if (this.outgoingBytes === 0 || this.readerBusy) return;
    const data = this.outgoing.slice(0, this.outgoingBytes);
    this.outgoingBytes = 0;
    const accepted = this.output(data);
    if (!accepted) return;
    this.readerBusy = true;
    const done = () => {
      this.readerBusy = false;
      this.flush();
      // The transmitter may have become empty: that is an interrupt if the guest waits for it.
      if (!this.transmitterBusy()) this.transmitterEmptyPending = true;
      this.update();
    };
    accepted.then(done, done);
  }

  deviceTreeNode(): DeviceTreeNode {
    return {
      name: this.name,
      label: 'serial',
      properties: {
        compatible: 'ns16550a',
        reg: [{ u64: this.base }, { u64: 0x100 }],
        'clock-frequency': [UART_CLOCK],
        ...this.line.deviceTree,
      },
    };
  }

  private transmit(byte: number): void {
    if (this.mcr & MCR_LOOPBACK) {
      if (this.received.length < this.capacity()) this.received.push(byte);
      else {
        this.overrun = true;
        // Without a FIFO the newer character takes the place of the older one.
        if (!(this.fcr & FCR_ENABLE)) this.received = [byte];
      }
      this.transmitterEmptyPending = true;
      return;
    }
    // A guest that does not wait for the transmitter loses what does not fit, as on a real line.
    if (this.outgoingBytes < OUTPUT_BYTES) this.outgoing[this.outgoingBytes++] = byte;
    if (this.outgoingBytes === OUTPUT_BYTES) this.flush();
    else if (!this.flushScheduled && !this.readerBusy) this.flushSoon();
    this.transmitterEmptyPending = !this.transmitterBusy();
  }

  private flushSoon(): void {
    this.flushScheduled = true;
    queueMicrotask(() => this.flush());
  }

  /** Busy only while the reader is behind, and early enough that a full FIFO still fits. */
  private transmitterBusy(): boolean {
    return this.readerBusy && this.outgoingBytes >= OUTPUT_BYTES / 2;
  }

  private capacity(): number {
    return this.fcr & FCR_ENABLE ? FIFO_BYTES : 1;
  }

  private takeReceived(): number {
    const byte = this.received.shift() ?? 0;
    if (this.received.length === 0) {
      this.broken = false;
      this.refill();
    }
    this.update();
    return byte;
  }

  /** Move waiting input into the FIFO, or look again later; in loopback the line is cut off. */
  private refill(): void {
    if (this.mcr & MCR_LOOPBACK || this.received.length >= this.capacity()) return;
    if (this.waitingBytes === 0) return;
    if (!this.mayArrive()) {
      if (!this.soon && !this.later) this.lookAgain();
      return;
    }
    const before = this.received.length;
    while (this.waitingBytes > 0 && this.received.length < this.capacity()) {
      const [chunk] = this.waiting;
      const bytes = Math.min(chunk.length, this.capacity() - this.received.length);
      this.received.push(...chunk.subarray(0, bytes));
      this.waitingBytes -= bytes;
      if (bytes < chunk.length) this.waiting[0] = chunk.subarray(bytes);
      else this.waiting.shift();
    }
    this.arriving = this.received.length - before;
    this.arrival = performance.now() + this.arriving * CHARACTER_MS;
    this.guest.mark();
    if (this.senderWaits && this.waitingBytes < INPUT_HIGH_WATER / 2) {
      this.senderWaits = false;
      this.drained?.();
    }
  }

  /** Who looks for input by itself takes it when it can; who is interrupted for it has to be given time to. */
  private mayArrive(): boolean {
    if ((this.ier & IER_RECEIVED) === 0 || this.guest.hasExecuted(Infinity)) return true;
    return performance.now() >= this.arrival && this.guest.hasExecuted(this.arriving * CHARACTER_INSTRUCTIONS);
  }

  private lookAgain(): void {
    const look = (): void => {
      this.soon = undefined;
      this.later = undefined;
      // What is there comes first; the last of it makes room for more.
      if (this.received.length > 0) return;
      this.refill();
      this.update();
    };
    if (performance.now() < this.arrival + LOOK_MS) this.soon = setImmediate(look);
    else this.later = setTimeout(look, LOOK_MS);
  }

  private lineStatus(): number {
    return (
      (this.received.length > 0 ? LSR_DATA_READY : 0) |
      (this.overrun ? LSR_OVERRUN : 0) |
      (this.broken ? LSR_BREAK : 0) |
      (this.transmitterBusy() ? 0 : LSR_TRANSMITTER_EMPTY)
    );
  }

  /** In loopback the modem outputs come back as inputs: DTR → DSR, RTS → CTS, OUT1 → RI, OUT2 → DCD. */
  private loopedModemStatus(): number {
    return ((this.mcr & 0x0c) << 4) | ((this.mcr & 0x02) << 3) | ((this.mcr & 0x01) << 5);
  }

  /** The pending interrupt of the highest priority. */
  private cause(): number {
    if (this.ier & IER_LINE_STATUS && this.lineStatus() & LSR_ERRORS) return IIR_LINE_STATUS;
    if (this.ier & IER_RECEIVED && this.received.length > 0) {
      // Fewer bytes than the trigger level are reported as a timeout: without a line speed it has always passed.
      const trigger = this.fcr & FCR_ENABLE ? TRIGGER_LEVELS[this.fcr >>> 6] : 1;
      return this.received.length >= trigger ? IIR_RECEIVED : IIR_TIMEOUT;
    }
    if (this.ier & IER_TRANSMITTER_EMPTY && this.transmitterEmptyPending) return IIR_TRANSMITTER_EMPTY;
    if (this.ier & IER_MODEM_STATUS && this.msr & MSR_DELTAS) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  /** Only where something moved: what listens may take each call for a request (`Plic.requestLine`). */
  private update(): void {
    this.line.setLevel(this.cause() !== IIR_NONE);
  }
}
