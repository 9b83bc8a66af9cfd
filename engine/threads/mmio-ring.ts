import type { LongAccess } from '../bus/device';
import type { MmioBus } from '../bus/mmio-bus';
import { DeviceError, VmError } from '../errors/vm-error';
import {
  HART_DEVICE_WAITS,
  HARTS_BASE,
  HART_STRIDE,
  MACHINE_DEVICE_POLLING,
  MACHINE_RUN_STATE,
  RING_DATA,
  RING_ENTRIES,
  RING_ENTRY_BYTES,
  RING_HEAD,
  RING_REPLY,
  RING_REPLY_FAULT,
  RING_TAIL,
  RING_WRITE,
  RUN_RUNNING,
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
/** How long a write that takes long keeps its hart once the hart is to stop, in ms. */
const HELD_MS = 5;
/** How long the device thread keeps looking for further requests, and how long it may keep the event loop waiting, in ms. */
const LINGER = 0.02;
const PATIENCE = 1;
/** How long a stop of the harts waits for what they posted, in ms. */
const DRAIN = 20;

const SETTLED = Promise.resolve();

/** The hart's end. */
export class MmioPort {
  private readonly words: Int32Array;
  private readonly floats: Float64Array;
  private readonly head: number;
  private readonly tail: number;
  private readonly data: number;
  private readonly waits: number;

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
    this.waits = (base + HART_DEVICE_WAITS) >>> 2;
  }

  /** The unsigned value, or undefined for an access fault. */
  read(address: number, size: number): number | undefined {
    this.post(address, size, 0);
    this.waitUntil(Atomics.load(this.words, this.head));
    const at = this.head + ((RING_REPLY - RING_HEAD) >>> 2);
    return this.words[at + ((RING_REPLY_FAULT - RING_REPLY) >>> 2)] ? undefined : this.words[at] >>> 0;
  }

  write(address: number, size: number, value: number): void {
    this.post(address, size | RING_WRITE, value);
  }

  /** Wait until the device thread has taken all that was written; not for what takes long, where the hart is to stop meanwhile. */
  settle(): void {
    this.waitUntil(Atomics.load(this.words, this.head), true);
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

  /** Wait until the device thread has served `count` requests; `impatient`: unless the hart is to stop and that takes long. */
  private waitUntil(count: number, impatient = false): void {
    const { words } = this;
    let spins = 0;
    let stopping = 0;
    for (;;) {
      const tail = Atomics.load(words, this.tail);
      if (((tail - count) | 0) >= 0) return;
      if (++spins === 1) words[this.waits]++;
      if (spins <= HART_SPINS) continue;
      if (impatient && Atomics.load(words, MACHINE_RUN_STATE >>> 2) !== RUN_RUNNING) {
        stopping ||= performance.now();
        if (performance.now() - stopping > HELD_MS) return;
      }
      Atomics.wait(words, this.tail, tail, impatient ? HELD_MS : 1000);
    }
  }
}

/**
 * The device thread's end, for all harts. What harts ask for never keeps the event loop for longer than a turn: neither many requests, nor
 * long ones, which devices do in steps.
 */
export class MmioServer {
  private readonly words: Int32Array;
  private readonly floats: Float64Array;
  /** What is left of the request at the tail of a hart's ring. */
  private readonly begun: (LongAccess | undefined)[] = [];
  /** The hart whose ring comes first: none waits for ever for the others. */
  private first = 0;
  /** When the present turn is over. */
  private deadline = 0;
  private nextTurn: NodeJS.Immediate | undefined;
  private holds = 0;
  private hurried = false;
  private polling = false;
  /** When a request was served last. */
  private lastServed = 0;
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
    clearImmediate(this.nextTurn);
  }

  /** Serve nothing before this settles: who takes what the devices say is behind. */
  hold(until: Promise<void>): void {
    this.holds++;
    void until.then(() => {
      if (--this.holds === 0) this.serve();
    });
  }

  /** Whether to serve in spite of hold(), for harts that are to stop, and cannot while they wait for an answer. */
  hurry(on: boolean): void {
    this.hurried = on;
    if (on && this.holds > 0) this.serve();
  }

  /** A hart rang: serve requests until none has come for a moment, then let the event loop have its turn. */
  serve(): void {
    if (this.closed || this.isHeld || this.polling) return;
    Atomics.store(this.words, MACHINE_DEVICE_POLLING >>> 2, POLLING);
    this.polling = true;
    this.lastServed = performance.now();
    this.deadline = this.lastServed + PATIENCE;
    this.poll();
  }

  /** Between two looks at the rings, what devices have begun goes on, as far as it waits for nothing but promises: a request may be done by that. */
  private readonly poll = (): void => {
    if (this.closed) return;
    const served = !this.isHeld && this.serveAll();
    const now = performance.now();
    if (served) this.lastServed = now;
    // Not held, nor for long without a turn of the event loop.
    if (!this.isHeld && now <= this.deadline && now - this.lastServed <= LINGER) {
      this.afterPromises(this.poll);
      return;
    }
    this.polling = false;
    // Stay in the polling state: no doorbell is needed, this comes back.
    if (this.isHeld) return;
    if (now > this.deadline) {
      this.comeBack();
      return;
    }
    const polling = MACHINE_DEVICE_POLLING >>> 2;
    Atomics.store(this.words, polling, IDLE);
    // A request that came in between rang no bell.
    if (this.pending() && Atomics.compareExchange(this.words, polling, IDLE, RUNG) === IDLE) this.comeBack();
  };

  /** Of a test that has both ends on one thread, at once. */
  protected afterPromises(work: () => void): void {
    void SETTLED.then(work);
  }

  /** Serve what is there, held or not, as far as that does not take long; the rest follows by itself. */
  drain(): void {
    this.deadline = performance.now() + DRAIN;
    while (this.serveAll() && performance.now() <= this.deadline);
    if (this.pending()) this.comeBack();
  }

  /** Forget what was posted. No hart may be running. */
  discard(): void {
    this.begun.fill(undefined);
    for (let hart = 0; hart < this.harts; hart++) {
      const base = (HARTS_BASE + hart * HART_STRIDE) >>> 2;
      Atomics.store(this.words, base + (RING_TAIL >>> 2), Atomics.load(this.words, base + (RING_HEAD >>> 2)));
    }
  }

  private get isHeld(): boolean {
    return this.holds > 0 && !this.hurried;
  }

  /** After the event loop's turn. */
  private comeBack(): void {
    if (this.closed) return;
    this.nextTurn ??= setImmediate(() => {
      this.nextTurn = undefined;
      this.serve();
    });
  }

  private pending(): boolean {
    for (let hart = 0; hart < this.harts; hart++) {
      const base = (HARTS_BASE + hart * HART_STRIDE) >>> 2;
      if (Atomics.load(this.words, base + (RING_HEAD >>> 2)) !== Atomics.load(this.words, base + (RING_TAIL >>> 2))) return true;
    }
    return false;
  }

  /** Serve what is there now, as far as the turn lasts; whether there was anything. */
  private serveAll(): boolean {
    let any = false;
    for (let i = 0; i < this.harts; i++) {
      const hart = (this.first + i) % this.harts;
      if (!this.serveRing(hart)) continue;
      any = true;
      if (performance.now() <= this.deadline) continue;
      this.first = (hart + 1) % this.harts;
      return true;
    }
    return any;
  }

  private serveRing(hart: number): boolean {
    const { words } = this;
    const base = HARTS_BASE + hart * HART_STRIDE;
    const tail = (base + RING_TAIL) >>> 2;
    const head = Atomics.load(words, (base + RING_HEAD) >>> 2);
    let served = Atomics.load(words, tail);
    if (served === head) return false;
    do {
      const at = base + RING_DATA + ((served >>> 0) % RING_ENTRIES) * RING_ENTRY_BYTES;
      if (!this.access(hart, base, this.floats[at >>> 3], words[(at >>> 2) + 3], words[(at >>> 2) + 2] >>> 0)) break;
      served = (served + 1) | 0;
      Atomics.store(words, tail, served);
      Atomics.notify(words, tail);
    } while (served !== head && performance.now() <= this.deadline);
    return true;
  }

  /** False: it takes longer, and goes on when this is called with the same request again. */
  private access(hart: number, base: number, address: number, operation: number, value: number): boolean {
    const size = (operation & 7) as 1 | 2 | 4;
    let reply = 0;
    let fault = 0;
    try {
      if (operation & RING_WRITE) {
        const access = this.begun[hart] ?? this.bus.begin(address, size, value);
        this.begun[hart] = undefined;
        if (access && !access.next().done) {
          this.begun[hart] = access;
          return false;
        }
      } else reply = this.bus.read(address, size);
    } catch (error) {
      fault = 1;
      if (!(error instanceof DeviceError)) {
        this.onError(new VmError('Internal', `A device failed at 0x${address.toString(16)}: ${String(error)}`, { cause: error }));
      }
    }
    this.words[(base + RING_REPLY) >>> 2] = reply;
    this.words[(base + RING_REPLY_FAULT) >>> 2] = fault;
    return true;
  }
}
