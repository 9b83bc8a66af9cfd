import { z } from 'zod';
import type { AccessSize, BoardDevice } from '../bus/device';
import { DeviceState, unsigned } from '../bus/device-state';
import type { DeviceTreeNode } from '../bus/device-tree';
import { HARTS_BASE, HARTS_MAX, HART_MTIMECMP, HART_STRIDE } from '../memory/layout';
import { VmError } from '../errors/vm-error';
import { hartLine, interruptMemory, MSIP, setHartLine, wakeHart } from './hart-lines';

const MTIMECMP = 0x4000;
const MTIME = 0xbff8;

/** Where mtime comes from: guest time in ticks of the timebase. */
export interface MachineTime {
  now(): number;
  set(ticks: number): void;
}

/** The time of this computer since now, for a CLINT without a machine. */
function hostTime(timebase: number): MachineTime {
  let start = performance.now();
  const now = (): number => Math.floor(((performance.now() - start) * timebase) / 1000);
  return { now, set: (ticks) => (start += ((now() - ticks) * 1000) / timebase) };
}

export interface ClintOptions {
  /** 1 to 16. */
  harts: number;
  /** Guest-physical address; that of QEMU's virt unless given. */
  base?: number;
  /** The machine's memory, in which the state lies; one of its own unless given. */
  memory?: WebAssembly.Memory;
  /** Where mtime comes from; this computer's clock unless given. */
  time?: MachineTime;
  /** Ticks of that clock a second. */
  timebase?: number;
}

/**
 * SiFive CLINT: software interrupts and machine timers of all harts. Its state lies in the shared memory (msip is the
 * hart's interrupt line itself), so any thread can make an instance and use it; each hart compares its own mtimecmp
 * with the time and drives MTIP itself.
 */
export class Clint implements BoardDevice {
  readonly name: string;
  readonly base: number;
  /** That of its registers; the device tree gives it 64 KiB, as QEMU's does. */
  readonly size = 0xc000;
  readonly accessSizes = { min: 4, max: 4 } as const;
  private readonly harts: number;
  private readonly time: MachineTime;
  private readonly words: Int32Array;
  /** High half of the sample whose low half was read last, for the high half of the same 8-byte access. */
  private latchedHigh = -1;
  readonly state: DeviceState;

  /** Throws VmError 'Config' for a number of harts that cannot be. */
  constructor({ harts, base = 0x2000000, memory, timebase = 10_000_000, time = hostTime(timebase) }: ClintOptions) {
    if (!Number.isInteger(harts) || harts < 1 || harts > HARTS_MAX)
      throw VmError.config(`A CLINT serves 1 to ${HARTS_MAX} harts, not ${harts}.`);
    this.base = base;
    this.name = `clint@${base.toString(16)}`;
    this.harts = harts;
    this.time = time;
    this.words = new Int32Array((memory ?? interruptMemory(harts)).buffer);
    const hart = z.strictObject({ msip: z.boolean(), mtimecmpLow: unsigned(32), mtimecmpHigh: unsigned(32) });
    this.state = new DeviceState(this, {
      version: 1,
      // mtime has 64 bits, and is as exact as a number.
      schema: z.strictObject({
        mtime: z
          .number()
          .min(0)
          .max(2 ** 64),
        harts: z.array(hart).length(harts),
      }),
      save: () => ({
        mtime: time.now(),
        harts: Array.from({ length: harts }, (_, hart) => ({
          msip: hartLine(this.words, hart, MSIP),
          mtimecmpLow: this.read(MTIMECMP + 8 * hart, 4),
          mtimecmpHigh: this.read(MTIMECMP + 8 * hart + 4, 4),
        })),
      }),
      load: (state) => () => {
        time.set(state.mtime);
        for (const [hart, { msip, mtimecmpLow, mtimecmpHigh }] of state.harts.entries()) this.set(hart, msip, mtimecmpLow, mtimecmpHigh);
      },
    });
  }

  /** Have a hart's timer interrupt come when mtime reaches `ticks` (below 2^53). Throws VmError 'Config' for a hart that there is not. */
  setTimer(hart: number, ticks: number): void {
    if (!Number.isInteger(hart) || hart < 0 || hart >= this.harts)
      throw VmError.config(`The CLINT serves harts 0 to ${this.harts - 1}, not ${hart}.`);
    if (!Number.isSafeInteger(ticks) || ticks < 0) throw VmError.config(`A timer is set to a whole number of ticks, not ${ticks}.`);
    // High half first to its greatest value, so that no time in between is early.
    this.write(MTIMECMP + 8 * hart + 4, 4, 0xffffffff);
    this.write(MTIMECMP + 8 * hart, 4, ticks % 0x1_0000_0000);
    this.write(MTIMECMP + 8 * hart + 4, 4, Math.floor(ticks / 0x1_0000_0000));
  }

  read(offset: number, _size: AccessSize): number {
    const latchedHigh = this.latchedHigh;
    this.latchedHigh = -1;
    if (offset === MTIME) {
      const ticks = this.time.now();
      this.latchedHigh = Math.floor(ticks / 0x1_0000_0000);
      return (ticks % 0x1_0000_0000) >>> 0;
    }
    if (offset === MTIME + 4) return latchedHigh >= 0 ? latchedHigh : Math.floor(this.time.now() / 0x1_0000_0000);
    if (offset < 4 * this.harts) return hartLine(this.words, offset >>> 2, MSIP) ? 1 : 0;
    const compare = this.compareWord(offset);
    return compare < 0 ? 0 : Atomics.load(this.words, compare) >>> 0;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    if (offset < 4 * this.harts) {
      setHartLine(this.words, offset >>> 2, MSIP, (value & 1) !== 0);
      return;
    }
    if (offset === MTIME || offset === MTIME + 4) {
      const now = this.time.now();
      const low = offset === MTIME ? value : now % 0x1_0000_0000;
      const high = offset === MTIME ? Math.floor(now / 0x1_0000_0000) : value;
      this.time.set(high * 0x1_0000_0000 + low);
      for (let hart = 0; hart < this.harts; hart++) wakeHart(this.words, hart);
      return;
    }
    const compare = this.compareWord(offset);
    if (compare < 0) return;
    Atomics.store(this.words, compare, value | 0);
    wakeHart(this.words, (offset - MTIMECMP) >>> 3);
  }

  /** No software interrupts, timers as far away as they go. */
  reset(): void {
    for (let hart = 0; hart < this.harts; hart++) this.set(hart, false, 0xffffffff, 0xffffffff);
  }

  private set(hart: number, msip: boolean, low: number, high: number): void {
    this.write(MTIMECMP + 8 * hart, 4, low);
    this.write(MTIMECMP + 8 * hart + 4, 4, high);
    setHartLine(this.words, hart, MSIP, msip);
  }

  deviceTreeNode(): DeviceTreeNode {
    return {
      name: this.name,
      properties: {
        compatible: ['sifive,clint0', 'riscv,clint0'],
        reg: [{ u64: this.base }, { u64: 0x10000 }],
        'interrupts-extended': Array.from({ length: this.harts }, (_, hart) => [
          { ref: `cpu${hart}_intc` },
          3,
          { ref: `cpu${hart}_intc` },
          7,
        ]).flat(),
      },
    };
  }

  /** Index of the mtimecmp word at `offset`, or -1. */
  private compareWord(offset: number): number {
    const at = offset - MTIMECMP;
    if (at < 0 || at >= 8 * this.harts) return -1;
    return (HARTS_BASE + (at >>> 3) * HART_STRIDE + HART_MTIMECMP + (at & 4)) >>> 2;
  }
}
