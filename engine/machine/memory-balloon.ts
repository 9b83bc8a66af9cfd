import { VmError } from '../errors/vm-error';
import type { BalloonStatistics, VirtioBalloon } from '../virtio/devices/balloon';

/** How the memory of a machine is used, in bytes. */
export interface MemoryUse {
  total: number;
  /** What the guest is asked to get by with, and what it gets by with. */
  target: number;
  usable: number;
  /** What went back to the host since the machine was switched on; much of it more than once. */
  released: number;
  /** Whether the guest has a driver for the balloon. */
  isDriven: boolean;
  /** What the guest says. */
  guest?: BalloonStatistics | undefined;
}

/** The guest's kernel and programs need some. */
const TARGET_MIN = 16 * 2 ** 20;
/** How long guests may take to answer, in milliseconds. */
const STATISTICS_MS = 2000;
const RECLAIM_MS = 20_000;

/** How much of a machine's memory its guest has, and how much the host. */
export class MemoryBalloon {
  constructor(
    private readonly device: VirtioBalloon,
    /** All that the machine has, in bytes. */
    private readonly total: number,
    private readonly isRunning: () => boolean,
  ) {}

  /** How the memory is used: by the guest, as far as it tells, and how much of it the balloon holds. */
  async use(): Promise<MemoryUse> {
    const { device, total } = this;
    const guest = this.isRunning() ? await soon(device.readStatistics(), STATISTICS_MS, undefined) : undefined;
    const { wanted, actual, released, isDriven } = device.fill;
    return { total, target: total - wanted, usable: total - actual, released, isDriven, guest };
  }

  /**
   * Ask the guest to get by with so many bytes of its memory; the host has the rest then. It is up to the guest how soon, and how far, it
   * does: use() tells. Throws VmError 'Config' for less than 16 MiB and for more than the machine has.
   */
  setTarget(bytes: number): void {
    const { device, total } = this;
    if (!(bytes >= TARGET_MIN && bytes <= total))
      throw VmError.config(`The guest can be asked to get by with ${TARGET_MIN >> 20} to ${total / 2 ** 20} MiB of memory.`, {
        code: 'memory-target-range',
        params: { leastBytes: TARGET_MIN, mostBytes: total },
      });
    device.inflateTo(total - bytes);
  }

  /**
   * Have the host get all memory that is free in the guest, now; by itself the guest reports that little by little. Resolves with how many
   * bytes that were.
   */
  async reclaim(): Promise<number> {
    return this.isRunning() ? soon(this.device.reclaimFree(), RECLAIM_MS, 0) : 0;
  }
}

/** What a guest answers, or `otherwise` when that takes too long. */
async function soon<T>(answer: Promise<T>, milliseconds: number, otherwise: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(otherwise), milliseconds);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
