import type { InterruptLine } from '../bus/device';
import { MmioBus, type MmioRange } from '../bus/mmio-bus';
import type { ExecTrace } from '../hart/exec-tracer';
import type { SemihostingFacts } from '../hart/semihosting';
import { Clint } from '../interrupt/clint';
import { InterruptControllers, type InterruptPlan } from '../interrupt/interrupt-controllers';
import { PCI_DEVICES, PCI_INTX, PCI_ISR_PAGES, VIRTIO_ISR } from '../memory/layout';
import { intxWords } from '../pci/host-bridge';
import type { GuestClock, HostSleep } from './guest-clock';

/** What a hart's thread has to know of the board. */
export interface HartBoard {
  /** Ticks per second of guest time. */
  timebase: number;
  resetVector: number;
  clint: { base: number };
  interrupts: InterruptPlan;
  /** The controller's source of INTA# of PCI device 0; the other three follow. */
  pci: { firstSource: number };
  virtioMmio: { base: number; stride: number; count: number; firstSource: number };
  /** What the device thread's bus answers. */
  ranges: MmioRange[];
  /** Whether hot code is translated to WebAssembly. */
  jit: boolean;
  /** What guest time does while the host sleeps. */
  hostSleep: HostSleep;
  /** Whether to take samples for a profile from the beginning; HartPool.isProfiling has that begin later. */
  profile?: boolean;
  /** What harts know of semihosting by themselves; without it they do not serve it. */
  semihosting?: SemihostingFacts;
  /** What to trace: `trap`, `mmio`, `exec`, … */
  trace?: string[];
  execTrace?: ExecTrace | undefined;
}

const INTERRUPT_STATUS = 0x60;
const INTERRUPT_ACK = 0x64;
const PAGE = 4096;
const ISR_BITS = 0xff;

/** Devices that a hart serves on its own thread, because their state lies in the shared memory (DESIGN §2). */
export class LocalDevices {
  private readonly bus = new MmioBus();
  private readonly words: Int32Array;
  private readonly first: number;
  private readonly last: number;
  private readonly ranges: { base: number; size: number }[];
  private readonly lines: InterruptLine[];
  /** INTA# to INTD# of PCI device 0, as the board wires them. */
  private readonly intx: InterruptLine[];

  constructor(
    memory: WebAssembly.Memory,
    harts: number,
    private readonly board: HartBoard,
    clock: GuestClock,
  ) {
    this.words = new Int32Array(memory.buffer);
    const { devices, wires } = new InterruptControllers(memory, harts, board.interrupts);
    for (const device of devices) this.bus.add(device);
    this.bus.add(new Clint({ memory, base: board.clint.base, harts, time: clock }));
    const { base, stride, count, firstSource } = board.virtioMmio;
    this.first = base;
    this.last = base + stride * count;
    this.ranges = this.bus.ranges();
    this.intx = Array.from({ length: 4 }, (_, wire) => wires.wordLine(board.pci.firstSource + wire, ...intxWords(wire)));
    this.lines = Array.from({ length: count }, (_, slot) => wires.wordLine(firstSource + slot, VIRTIO_ISR + 4 * slot));
  }

  /** The value, or undefined if the address is not one of these devices'. Throws DeviceError as a bus does. */
  read(address: number, size: 1 | 2 | 4): number | undefined {
    if (address >= this.first && address < this.last) {
      const offset = (address - this.first) % this.board.virtioMmio.stride;
      if (offset !== INTERRUPT_STATUS || size !== 4) return undefined;
      return Atomics.load(this.words, this.statusWord(address)) >>> 0;
    }
    if (this.answers(address)) return this.bus.read(address, size);
    return size === 1 && address % PAGE === 0 ? this.readIsr(address / PAGE) : undefined;
  }

  /** Whether the address is one of these devices'. */
  write(address: number, size: 1 | 2 | 4, value: number): boolean {
    if (address >= this.first && address < this.last) {
      const offset = (address - this.first) % this.board.virtioMmio.stride;
      if (offset !== INTERRUPT_ACK || size !== 4) return false;
      const at = this.statusWord(address);
      Atomics.and(this.words, at, ~value);
      this.lines[at - (VIRTIO_ISR >>> 2)].setLevel(false);
      return true;
    }
    if (!this.answers(address)) return false;
    this.bus.write(address, size, value);
    return true;
  }

  /** ISR of the virtio PCI function that has it in this page: a read clears it (virtio 1.3 §4.1.4.5). */
  private readIsr(page: number): number | undefined {
    for (let device = 1; device < PCI_DEVICES; device++) {
      if (Atomics.load(this.words, (PCI_ISR_PAGES >>> 2) + device) !== page) continue;
      const isr = Atomics.and(this.words, (PCI_INTX >>> 2) + device, ~ISR_BITS) & ISR_BITS;
      this.intx[device % this.intx.length].setLevel(false);
      return isr;
    }
    return undefined;
  }

  private statusWord(address: number): number {
    return (VIRTIO_ISR >>> 2) + Math.floor((address - this.first) / this.board.virtioMmio.stride);
  }

  private answers(address: number): boolean {
    for (const { base, size } of this.ranges) if (address >= base && address < base + size) return true;
    return false;
  }
}
