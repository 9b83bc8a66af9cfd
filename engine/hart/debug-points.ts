import { VmError } from '../errors/vm-error';
import {
  BREAKPOINTS_MAX,
  MACHINE_BREAKPOINTS,
  MACHINE_BREAKPOINT_COUNT,
  MACHINE_DEBUG_EPOCH,
  MACHINE_WATCHPOINTS,
  MACHINE_WATCHPOINT_COUNT,
  WATCHPOINTS_MAX,
  WATCHPOINT_BYTES,
  WATCH_ACCESS,
  WATCH_FIRST,
  WATCH_LAST,
} from '../memory/layout';

/**
 * Why a hart stopped though the machine goes on. It stands before the instruction at `pc`, which has had no effect, unless it `isDone`.
 */
export interface HartStop {
  reason: 'step' | 'breakpoint' | 'read' | 'write';
  pc: bigint;
  /** The first watched byte that was to be read or written. */
  address?: bigint;
  /** The access has happened: the hart stands behind its instruction. */
  isDone?: true;
}

/** Data whose access stops a hart: `bytes` bytes from virtual address `address`. */
export interface Watchpoint {
  address: bigint;
  bytes: number;
  access: 'read' | 'write' | 'both';
}

const ACCESS = { read: 1, write: 2, both: 3 } as const;

/** Where the harts of a machine stop, whatever their privilege and address space. Change it only while no hart runs. */
export class DebugPoints {
  private readonly data: DataView;

  constructor(memory: WebAssembly.Memory) {
    this.data = new DataView(memory.buffer);
  }

  /** Stop before the instructions at these virtual addresses, and at no others. Throws VmError 'Config' for more than BREAKPOINTS_MAX. */
  setBreakpoints(addresses: bigint[]): void {
    check('breakpoints', addresses.length, BREAKPOINTS_MAX);
    for (const [i, address] of addresses.entries()) this.data.setBigUint64(MACHINE_BREAKPOINTS + 8 * i, address, true);
    this.change(MACHINE_BREAKPOINT_COUNT, addresses.length);
  }

  /**
   * Stop before loads, stores and atomic operations (those count as writes) on these data, and on no others. Instruction fetch, page
   * walks and devices do not count. Throws VmError 'Config' for more than WATCHPOINTS_MAX, and for less than one byte.
   */
  setWatchpoints(watchpoints: Watchpoint[]): void {
    check('watchpoints', watchpoints.length, WATCHPOINTS_MAX);
    const { data } = this;
    watchpoints.forEach(({ address, bytes, access }, i) => {
      if (!(bytes >= 1)) throw VmError.config(`A watchpoint is for 1 byte or more, not for ${bytes}.`);
      const at = MACHINE_WATCHPOINTS + WATCHPOINT_BYTES * i;
      data.setBigUint64(at + WATCH_FIRST, address, true);
      data.setBigUint64(at + WATCH_LAST, address + BigInt(bytes - 1), true);
      data.setUint32(at + WATCH_ACCESS, ACCESS[access], true);
    });
    this.change(MACHINE_WATCHPOINT_COUNT, watchpoints.length);
  }

  /** Changes whenever the points do. */
  get epoch(): number {
    return this.data.getUint32(MACHINE_DEBUG_EPOCH, true);
  }

  get isEmpty(): boolean {
    return this.data.getUint32(MACHINE_BREAKPOINT_COUNT, true) + this.data.getUint32(MACHINE_WATCHPOINT_COUNT, true) === 0;
  }

  /** What harts know by heart of registers and memory may be wrong now: they look again before they go on. */
  touch(): void {
    this.data.setUint32(MACHINE_DEBUG_EPOCH, this.epoch + 1, true);
  }

  private change(count: number, value: number): void {
    this.data.setUint32(count, value, true);
    this.touch();
  }
}

function check(what: string, count: number, most: number): void {
  if (count > most) throw VmError.config(`A machine has at most ${most} ${what}, not ${count}.`);
}
