import type { MmioBus } from '../bus/mmio-bus';
import { DeviceError, VmError } from '../bus/vm-error';
import {
  HARTS_BASE,
  HART_STRIDE,
  MACHINE_DEVICE_POLLING,
  RING_DATA,
  RING_ENTRIES,
  RING_ENTRY_BYTES,
  RING_HEAD,
  RING_REPLY,
  RING_REPLY_FAULT,
  RING_TAIL,
  RING_WRITE,
} from '../memory/layout';

/**
 * Device accesses from a hart's thread to the device thread (DESIGN §2): a ring per hart in shared memory. Writes are
 * posted; a read waits for its answer and so comes after all writes before it.
 */

/** States of MACHINE_DEVICE_POLLING. */
const IDLE = 0;
const POLLING = 1;
const RUNG = 2;

/** How often a hart looks for its answer before it sleeps: some 20 µs, about what a sleep costs. */
const HART_SPINS = 2000;
/** How long the device thread keeps looking for further requests, and how long it may keep the event loop waiting, in ms. */
const LINGER = 0.02;
const PATIENCE = 1;

/** The hart's end. */
export class MmioPort {
  private readonly words: Int32Array;
  private readonly floats: Float64Array;
  private readonly head: number;
  private readonly tail: number;
  private readonly data: number;

  constructor(
    memory: WebAssembly.Memory,
    hart: number,
    private readonly ringDoorbell: () => void,
  ) {
    const base = HARTS_BASE + hart * HART_STRIDE;
    this.words = new Int32Array(memory.buffer);
    this.floats = new Float64Array(memory.buffer);
    this.head = (base + RING_HEAD) >>> 2;
    this.tail = (base + RING_TAIL) >>> 2;
    this.data = base + RING_DATA;
  }

  /** The unsigned value, or undefined for an access fault. */
  read(address: number, size: number): number | undefined {
    this.post(address, size, 0);
    this.settle();
    const at = this.head + ((RING_REPLY - RING_HEAD) >>> 2);
    return this.words[at + ((RING_REPLY_FAULT - RING_REPLY) >>> 2)] ? undefined : this.words[at] >>> 0;
  }

  write(address: number, size: number, value: number): void {
    this.post(address, size | RING_WRITE, value);
  }

  /** Wait until the device thread has taken all that was written. */
  settle(): void {
    this.waitUntil(Atomics.load(this.words, this.head));
  }

  private post(address: number, operation: number, value: number): void {
    const { words } = this;
    const head = Atomics.load(words, this.head);
    if (((head - Atomics.load(words, this.tail)) | 0) >= RING_ENTRIES) this.waitUntil((head - RING_ENTRIES + 1) | 0);
    const at = this.data + ((head >>> 0) % RING_ENTRIES) * RING_ENTRY_BYTES;
    this.floats[at >>> 3] = address;
    words[(at >>> 2) + 2] = value;
    words[(at >>> 2) + 3] = operation;
    Atomics.store(words, this.head, (head + 1) | 0);
    if (Atomics.compareExchange(words, MACHINE_DEVICE_POLLING >>> 2, IDLE, RUNG) === IDLE) this.ringDoorbell();
  }

  /** Wait until the device thread has served `count` requests. */
  private waitUntil(count: number): void {
    const { words } = this;
    let spins = 0;
    for (;;) {
      const tail = Atomics.load(words, this.tail);
      if (((tail - count) | 0) >= 0) return;
      if (++spins > HART_SPINS) Atomics.wait(words, this.tail, tail, 1000);
    }
  }
}

/** The device thread's end, for all harts. */
export class MmioServer {
  private readonly words: Int32Array;
  private readonly floats: Float64Array;
  private closed = false;

  constructor(
    memory: WebAssembly.Memory,
    private readonly harts: number,
    private readonly bus: MmioBus,
    /** A device failed in a way that is no guest's doing. */
    private readonly onError: (error: VmError) => void,
  ) {
    this.words = new Int32Array(memory.buffer);
    this.floats = new Float64Array(memory.buffer);
  }

  close(): void {
    this.closed = true;
  }

  /** A hart rang: serve requests until none has come for a moment, then let the event loop have its turn. */
  serve(): void {
    if (this.closed) return;
    const polling = MACHINE_DEVICE_POLLING >>> 2;
    Atomics.store(this.words, polling, POLLING);
    const start = performance.now();
    let last = start;
    for (;;) {
      const now = performance.now();
      if (this.serveAll()) last = now;
      if (now - start > PATIENCE) {
        // Stay in the polling state: no doorbell is needed, this comes back after the event loop's turn.
        setImmediate(() => this.serve());
        return;
      }
      if (now - last > LINGER) break;
    }
    Atomics.store(this.words, polling, IDLE);
    // A request that came in between rang no bell.
    if (this.pending() && Atomics.compareExchange(this.words, polling, IDLE, RUNG) === IDLE) setImmediate(() => this.serve());
  }

  /** Serve all that is there, and come back. */
  drain(): void {
    this.serveAll();
  }

  private pending(): boolean {
    for (let hart = 0; hart < this.harts; hart++) {
      const base = (HARTS_BASE + hart * HART_STRIDE) >>> 2;
      if (Atomics.load(this.words, base + (RING_HEAD >>> 2)) !== Atomics.load(this.words, base + (RING_TAIL >>> 2))) return true;
    }
    return false;
  }

  /** Serve what is there; whether there was anything. */
  private serveAll(): boolean {
    let any = false;
    for (let hart = 0; hart < this.harts; hart++) {
      const base = HARTS_BASE + hart * HART_STRIDE;
      const head = (base + RING_HEAD) >>> 2;
      const tail = (base + RING_TAIL) >>> 2;
      let served = Atomics.load(this.words, tail);
      while (served !== Atomics.load(this.words, head)) {
        any = true;
        const at = base + RING_DATA + ((served >>> 0) % RING_ENTRIES) * RING_ENTRY_BYTES;
        this.access(base, this.floats[at >>> 3], this.words[(at >>> 2) + 3], this.words[(at >>> 2) + 2] >>> 0);
        served = (served + 1) | 0;
        Atomics.store(this.words, tail, served);
        Atomics.notify(this.words, tail);
      }
    }
    return any;
  }

  private access(base: number, address: number, operation: number, value: number): void {
    const size = (operation & 7) as 1 | 2 | 4;
    let reply = 0;
    let fault = 0;
    try {
      if (operation & RING_WRITE) this.bus.write(address, size, value);
      else reply = this.bus.read(address, size);
    } catch (error) {
      fault = 1;
      if (!(error instanceof DeviceError)) {
        this.onError(new VmError('Internal', `A device failed at 0x${address.toString(16)}: ${String(error)}`, { cause: error }));
      }
    }
    this.words[(base + RING_REPLY) >>> 2] = reply;
    this.words[(base + RING_REPLY_FAULT) >>> 2] = fault;
  }
}
