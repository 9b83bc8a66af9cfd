import type { InterruptLine } from '../bus/device';
import { MmioBus, type MmioRange } from '../bus/mmio-bus';
import { Clint } from '../interrupt/clint';
import { InterruptControllers, type InterruptPlan } from '../interrupt/interrupt-controllers';
import { VIRTIO_ISR } from '../memory/layout';
import type { GuestClock } from './guest-clock';

/** What a hart's thread has to know of the board. */
export interface HartBoard {
  /** Ticks per second of guest time. */
  timebase: number;
  resetVector: number;
  clint: { base: number };
  interrupts: InterruptPlan;
  virtioMmio: { base: number; stride: number; count: number; firstSource: number };
  /** What the device thread's bus answers. */
  ranges: MmioRange[];
  /** Whether hot code is translated to WebAssembly. */
  jit: boolean;
  /** Whether to take samples for a profile. */
  profile?: boolean;
  /** What to trace: `trap`, `mmio`, … */
  trace?: string[];
}

const INTERRUPT_STATUS = 0x60;
const INTERRUPT_ACK = 0x64;

/** Devices that a hart serves on its own thread, because their state lies in the shared memory (DESIGN §2). */
export class LocalDevices {
  private readonly bus = new MmioBus();
  private readonly words: Int32Array;
  private readonly first: number;
  private readonly last: number;
  private readonly ranges: { base: number; size: number }[];
  private readonly lines: InterruptLine[];

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
    this.lines = Array.from({ length: count }, (_, slot) => wires.wordLine(firstSource + slot, VIRTIO_ISR + 4 * slot));
  }

  /** The value, or undefined if the address is not one of these devices'. Throws DeviceError as a bus does. */
  read(address: number, size: 1 | 2 | 4): number | undefined {
    if (address >= this.first && address < this.last) {
      const offset = (address - this.first) % this.board.virtioMmio.stride;
      if (offset !== INTERRUPT_STATUS || size !== 4) return undefined;
      return Atomics.load(this.words, this.statusWord(address)) >>> 0;
    }
    return this.answers(address) ? this.bus.read(address, size) : undefined;
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

  private statusWord(address: number): number {
    return (VIRTIO_ISR >>> 2) + Math.floor((address - this.first) / this.board.virtioMmio.stride);
  }

  private answers(address: number): boolean {
    for (const { base, size } of this.ranges) if (address >= base && address < base + size) return true;
    return false;
  }
}
