import { z } from 'zod';
import type { AccessSize } from '../bus/device';
import { bytesSchema, DeviceState, loadBytes, saveBytes, wordList } from '../bus/device-state';
import { VmError } from '../errors/vm-error';
import type { BarRegion, PciFunction } from './pci-function';

const CAPABILITY = 0x11;
const CAPABILITY_BYTES = 12;
const CONTROL = 2;
const CONTROL_ENABLE = 0x8000;
const CONTROL_MASK_ALL = 0x4000;

const ENTRY_BYTES = 16;
const ENTRY_DATA = 8;
const ENTRY_CONTROL = 12;
const ENTRY_MASKED = 1;
const VECTORS_MAX = 2048;

/** MSI-X (PCI 3.0 §6.8.2): a table of messages in a BAR of its own, each of which a driver may mask, and the pending bits. */
export class Msix {
  readonly #table: DataView<ArrayBuffer>;
  readonly #pending: Uint32Array;
  readonly #capability: number;
  readonly state: DeviceState;

  constructor(
    private readonly pci: PciFunction,
    /** The BAR, of 32 bits, that maps table and pending bits. */
    bar: number,
    readonly vectors: number,
    /** Deliver a message: a write of 32 bits to a guest-physical address. */
    private readonly send: (address: number, data: number) => void,
  ) {
    if (!(vectors >= 1 && vectors <= VECTORS_MAX))
      throw new VmError('Internal', `A function has 1 to ${VECTORS_MAX} MSI-X vectors, not ${vectors}.`);
    this.#table = new DataView(new ArrayBuffer(ENTRY_BYTES * vectors));
    // Whole 64-bit words (§6.8.2).
    this.#pending = new Uint32Array(2 * Math.ceil(vectors / 64));
    const size = Math.max(4096, 2 ** Math.ceil(Math.log2(2 * ENTRY_BYTES * vectors)));
    const { config } = pci;
    const at = config.addCapability(CAPABILITY, CAPABILITY_BYTES);
    this.#capability = at;
    config.define(at + CONTROL, 2, vectors - 1, CONTROL_ENABLE | CONTROL_MASK_ALL);
    config.define(at + 4, 4, bar);
    config.define(at + 8, 4, (size / 2) | bar);
    config.hook(at + CONTROL, 2, {
      afterWrite: () => {
        this.#sendPending();
        pci.changed();
      },
    });
    pci.addRegion(bar, this.#region(size));
    this.reset();
    this.state = this.#describeState();
  }

  get isEnabled(): boolean {
    return (this.#control & CONTROL_ENABLE) !== 0;
  }

  /** Send a vector's message, or keep it until it is no longer masked. Only while enabled. */
  signal(vector: number): void {
    if (vector >= this.vectors) return;
    if (this.#isMasked(vector)) this.#pending[vector >>> 5] |= 1 << (vector & 31);
    else this.#send(vector);
  }

  /** All masked, nothing pending. The capability is the configuration space's. */
  reset(): void {
    for (let vector = 0; vector < this.vectors; vector++) {
      for (let at = 0; at < ENTRY_CONTROL; at += 4) this.#table.setUint32(ENTRY_BYTES * vector + at, 0, true);
      this.#table.setUint32(ENTRY_BYTES * vector + ENTRY_CONTROL, ENTRY_MASKED, true);
    }
    this.#pending.fill(0);
  }

  /** The table, and the vectors whose message waits for its mask to be taken away. */
  #describeState(): DeviceState {
    return new DeviceState(this.pci, {
      version: 1,
      schema: z.strictObject({ table: bytesSchema, pending: wordList(this.#pending.length) }),
      save: () => ({ table: saveBytes(new Uint8Array(this.#table.buffer)), pending: [...this.#pending] }),
      load: ({ table, pending }, refuse) => {
        const bytes = loadBytes(table);
        const known = (vector: number): boolean => vector < this.vectors;
        const beyond = pending.some((word, at) => word !== 0 && !known(at * 32 + 31 - Math.clz32(word)));
        if (bytes.length !== this.#table.byteLength || beyond) refuse(`it is not that of a function with ${this.vectors} MSI-X vectors`);
        return () => {
          new Uint8Array(this.#table.buffer).set(bytes);
          this.#pending.set(pending);
        };
      },
    });
  }

  get #control(): number {
    return this.pci.config.get(this.#capability + CONTROL, 2);
  }

  #isMasked(vector: number): boolean {
    return (
      (this.#control & CONTROL_MASK_ALL) !== 0 || (this.#table.getUint32(ENTRY_BYTES * vector + ENTRY_CONTROL, true) & ENTRY_MASKED) !== 0
    );
  }

  #send(vector: number): void {
    const at = ENTRY_BYTES * vector;
    const address = this.#table.getUint32(at, true) + this.#table.getUint32(at + 4, true) * 0x1_0000_0000;
    if (this.pci.isMaster) this.send(address, this.#table.getUint32(at + ENTRY_DATA, true));
  }

  #sendPending(): void {
    if (!this.isEnabled) return;
    for (let vector = 0; vector < this.vectors; vector++) {
      const bit = 1 << (vector & 31);
      if ((this.#pending[vector >>> 5] & bit) === 0 || this.#isMasked(vector)) continue;
      this.#pending[vector >>> 5] &= ~bit;
      this.#send(vector);
    }
  }

  #region(size: number): BarRegion {
    return {
      size,
      kind: 'memory32',
      read: (offset, width) => {
        if (offset >= size / 2) {
          const word = this.#pending[(offset - size / 2) >>> 2] ?? 0;
          return lowBits(word >>> (8 * (offset & 3)), width);
        }
        const at = offset & ~3;
        if (at >= this.#table.byteLength) return 0;
        return lowBits(this.#table.getUint32(at, true) >>> (8 * (offset & 3)), width);
      },
      write: (offset, width, value) => {
        // Aligned accesses of 32 and 64 bits only (§6.8.2).
        if (width !== 4 || offset + 4 > this.#table.byteLength) return;
        this.#table.setUint32(offset, offset % ENTRY_BYTES === ENTRY_CONTROL ? value & ENTRY_MASKED : value, true);
        this.#sendPending();
      },
    };
  }
}

function lowBits(value: number, width: AccessSize): number {
  return width === 4 ? value >>> 0 : value & ((1 << (8 * width)) - 1);
}
