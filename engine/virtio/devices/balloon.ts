import { z } from 'zod';
import type { HostPages } from '../../backend/host-pages';
import type { AccessSize } from '../../bus/device';
import { DeviceState, unsigned } from '../../bus/device-state';
import { DeviceError, VmError } from '../../errors/vm-error';
import type { ScatterGatherList } from '../../memory/scatter-gather-list';
import { type Activation, VirtioDevice } from '../device';
import type { DescriptorChain } from '../queue';

// Feature bits (virtio 1.3 §5.5.3).
const F_STATS = 1;
const F_DEFLATE_ON_OOM = 2;
const F_FREE_PAGE_HINT = 3;
const F_PAGE_POISON = 4;
const F_PAGE_REPORTING = 5;

// Offsets in the configuration space (§5.5.4).
const NUM_PAGES = 0;
const ACTUAL = 4;
const HINT_COMMAND = 8;
const POISON = 12;

/** Pages of the balloon have 4 KiB whatever the guest's own have (§5.5.6). */
const PAGE_BYTES = 4096;
/** Page numbers in one request; Linux sends 256. */
const PAGES_MAX = 65536;
/** To put a page number in order takes as long as to copy so many bytes. */
const NUMBER_BYTES = 64;
/** Ranges of one request that go back to the host: where pages lie further apart the guest does without the others, and nobody has them. */
const RANGES_MAX = 256;
/** To give a range back takes as long as to copy so many bytes, beside its own. */
const RANGE_BYTES = 16 << 10;

/** What free_page_hint_cmd_id says: no hints any more; they have been used. Other values are commands (§5.5.6.7). */
const HINT_STOP = 0;
const HINT_DONE = 1;

/** Tags of the guest's statistics (§5.5.6.4). */
const STATISTICS = [
  'swapIn',
  'swapOut',
  'majorFaults',
  'minorFaults',
  'free',
  'total',
  'available',
  'caches',
  'hugePagesAllocated',
  'hugePagesFailed',
  'outOfMemoryKills',
  'allocationStalls',
  'asyncScans',
  'directScans',
  'asyncReclaims',
  'directReclaims',
] as const;
/** le16 tag, le64 value. */
const STATISTIC_BYTES = 10;

/** What the guest says of its memory; counts, and bytes for `swapIn`, `swapOut`, `free`, `total`, `available` and `caches`. */
export type BalloonStatistics = Partial<Record<(typeof STATISTICS)[number], number>>;

/** What a queue is for. */
type Role = 'inflate' | 'deflate' | 'statistics' | 'hints' | 'reports';

export interface VirtioBalloonOptions {
  /** The machine's RAM in bytes: more than that the balloon does not take. */
  memoryBytes: number;
  /** How memory goes back to the host; without it the guest gives up pages, and nobody gets them. */
  pages?: HostPages | undefined;
}

/** How full the balloon is, in bytes. */
export interface BalloonFill {
  /** What the guest is asked to do without, and what it does without. */
  wanted: number;
  actual: number;
  /** What went back to the host so far, by balloon, reports and hints; much of it more than once. */
  released: number;
  /** Whether a driver listens. */
  isDriven: boolean;
}

/**
 * The memory balloon (virtio 1.3 §5.5): the guest gives up pages, as many as it is asked to; it reports those that are free by itself, and on
 * demand; their memory goes back to the host. All of them can be used again at any time, which gets them from the host anew.
 */
export class VirtioBalloon extends VirtioDevice {
  readonly name = 'virtio-balloon';
  readonly deviceId = 5;
  override readonly pciClass = 0x050000;
  /** Of its statistics. */
  override readonly isNotifiedEarly = true;
  readonly queueSizes = [128, 128, 16, 128, 128];
  readonly #pages: HostPages | undefined;
  readonly #memoryBytes: number;
  #roles: (Role | undefined)[] = [];
  #released = 0;
  /** Chains of statistics that still come before those that are wanted. */
  #statisticsDue = 0;
  readonly #statisticsWaiters: ((statistics: BalloonStatistics | undefined) => void)[] = [];
  /** The hints that were asked for: their command, and what is given back to the host by them. */
  #hinting: { command: number; started: boolean; released: number; done: ((released: number) => void)[] } | undefined;
  #nextCommand = 2;

  override readonly state = new DeviceState(this, {
    version: 1,
    schema: z.strictObject({ wanted: unsigned(32), actual: unsigned(32), poison: unsigned(32) }),
    save: () => ({
      wanted: this.config.getUint32(NUM_PAGES, true),
      actual: this.config.getUint32(ACTUAL, true),
      poison: this.config.getUint32(POISON, true),
    }),
    load:
      ({ wanted, actual, poison }) =>
      () => {
        this.config.setUint32(NUM_PAGES, wanted, true);
        this.config.setUint32(ACTUAL, actual, true);
        this.config.setUint32(POISON, poison, true);
      },
  });

  constructor({ memoryBytes, pages }: VirtioBalloonOptions) {
    super([F_STATS, F_DEFLATE_ON_OOM, F_FREE_PAGE_HINT, F_PAGE_POISON, F_PAGE_REPORTING], new DataView(new ArrayBuffer(16)));
    this.#memoryBytes = memoryBytes;
    this.#pages = pages;
  }

  get fill(): BalloonFill {
    return {
      wanted: this.config.getUint32(NUM_PAGES, true) * PAGE_BYTES,
      actual: this.config.getUint32(ACTUAL, true) * PAGE_BYTES,
      released: this.#released,
      isDriven: this.isActive,
    };
  }

  /**
   * Ask the guest to do without so many bytes, of which whole pages count. It is up to the guest how soon, and how far, it does; `fill` tells.
   * Throws VmError 'Config' for more than the machine has.
   */
  inflateTo(bytes: number): void {
    if (!(bytes >= 0 && bytes <= this.#memoryBytes))
      throw VmError.config(`The balloon can take 0 to ${this.#memoryBytes} bytes of the box's memory, not ${bytes}.`);
    const pages = Math.floor(bytes / PAGE_BYTES);
    if (pages === this.config.getUint32(NUM_PAGES, true)) return;
    this.changeConfig((config) => config.setUint32(NUM_PAGES, pages, true));
  }

  /** Ask the guest how its memory is used. Resolves with undefined where its driver cannot tell, or goes away meanwhile. */
  readStatistics(): Promise<BalloonStatistics | undefined> {
    if (!this.isActive || !this.#roles.includes('statistics')) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#statisticsWaiters.push(resolve);
      if (this.#statisticsWaiters.length > 1) return;
      // What lies in the queue is old; the answer to that is new.
      this.#statisticsDue = 2;
      this.enter(() => this.#takeStatistics());
    });
  }

  /**
   * Give all memory that is free in the guest back to the host. Resolves with how many bytes that were; 0 where the guest's driver has no
   * hints.
   */
  reclaimFree(): Promise<number> {
    if (!this.isActive || !this.#roles.includes('hints')) return Promise.resolve(0);
    const underWay = this.#hinting;
    return new Promise((resolve) => {
      if (underWay) {
        underWay.done.push(resolve);
        return;
      }
      const command = this.#nextCommand;
      this.#nextCommand = command === 0xffff_ffff ? 2 : command + 1;
      this.#hinting = { command, started: false, released: 0, done: [resolve] };
      this.changeConfig((config) => config.setUint32(HINT_COMMAND, command, true));
    });
  }

  override writeConfig(offset: number, size: AccessSize, value: number): void {
    if (size === 4 && (offset === ACTUAL || offset === POISON)) this.config.setUint32(offset, value, true);
  }

  protected override onActivate({ queues, features }: Activation): void {
    const optional: [Role, number, number][] = [
      ['statistics', F_STATS, 2],
      ['hints', F_FREE_PAGE_HINT, 3],
      ['reports', F_PAGE_REPORTING, 4],
    ];
    const negotiated = optional.filter(([, bit]) => features.has(bit));
    // The specification gives each queue a number. Linux numbers those that it uses, one after the other.
    const isBySpecification = negotiated.every(([, , index]) => queues[index] !== undefined);
    this.#roles = ['inflate', 'deflate'];
    for (const [i, [role, , index]] of negotiated.entries()) this.#roles[isBySpecification ? index : 2 + i] = role;
  }

  protected override onReset(): void {
    this.#roles = [];
    // The guest has all of its memory again.
    this.config.setUint32(ACTUAL, 0, true);
    this.config.setUint32(HINT_COMMAND, HINT_STOP, true);
    this.config.setUint32(POISON, 0, true);
    this.#statisticsDue = 0;
    for (const resolve of this.#statisticsWaiters.splice(0)) resolve(undefined);
    this.#endHinting();
  }

  protected override serve(index: number): void {
    const role = this.#roles[index];
    if (role === 'statistics') {
      this.#takeStatistics();
      return;
    }
    for (let chain = this.take(index); chain; chain = this.take(index)) {
      try {
        if (role === 'inflate') this.#inflate(chain.readable);
        else if (role === 'reports') this.#release(chain.writable);
        else if (role === 'hints') this.#hint(chain);
      } finally {
        this.queue(index)?.complete(chain, 0);
      }
    }
  }

  #inflate(list: ScatterGatherList): void {
    const { length, memory } = list;
    if (length % 4 !== 0 || length > 4 * PAGES_MAX)
      throw DeviceError.InvalidParameter(
        `A request to the balloon has ${length} bytes; page numbers have 4 each, and there are at most ${PAGES_MAX}.`,
      );
    this.spend((length / 4) * NUMBER_BYTES);
    const bytes = list.toBytes();
    const numbers = new Uint32Array(length / 4);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < numbers.length; i++) numbers[i] = view.getUint32(4 * i, true);
    numbers.sort();
    for (let from = 0, to = 1, ranges = 0; from < numbers.length; from = to++, ranges++) {
      while (to < numbers.length && numbers[to] - numbers[to - 1] <= 1) to++;
      const address = numbers[from] * PAGE_BYTES;
      const size = (numbers[to - 1] - numbers[from] + 1) * PAGE_BYTES;
      const offset = memory.offsetOf(address, size, true);
      if (offset < 0)
        throw DeviceError.InvalidParameter(`The page at 0x${address.toString(16)} that the guest gives up is none of its memory.`);
      if (ranges >= RANGES_MAX) continue;
      this.#releaseRange(memory.bytes, offset, size);
      memory.wrote(address, size);
    }
  }

  #hint({ readable, writable }: DescriptorChain): void {
    const hinting = this.#hinting;
    if (readable.length > 0) {
      const command = readable.readU32(0);
      if (!hinting) return;
      if (command === hinting.command) hinting.started = true;
      else if (command === HINT_STOP && hinting.started) {
        // The guest takes the pages back.
        this.changeConfig((config) => config.setUint32(HINT_COMMAND, HINT_DONE, true));
        this.#endHinting();
      }
      return;
    }
    // Of a command that is over the guest may use the pages already.
    if (hinting?.started) hinting.released += this.#release(writable);
  }

  #endHinting(): void {
    const hinting = this.#hinting;
    this.#hinting = undefined;
    for (const resolve of hinting?.done ?? []) resolve(hinting?.released ?? 0);
  }

  /** Pages that are free in the guest. Returns how many bytes went to the host. */
  #release(list: ScatterGatherList): number {
    // The guest expects to find its pattern in free pages.
    if (this.hasFeature(F_PAGE_POISON) && this.config.getUint32(POISON, true) !== 0) return 0;
    let released = 0;
    for (const view of list.views()) released += this.#releaseRange(list.memory.bytes, view.byteOffset, view.length);
    list.wrote();
    return released;
  }

  #releaseRange(bytes: Uint8Array, offset: number, size: number): number {
    const pages = this.#pages;
    if (!pages) return 0;
    const start = Math.ceil(offset / pages.pageBytes) * pages.pageBytes;
    const end = Math.floor((offset + size) / pages.pageBytes) * pages.pageBytes;
    if (end <= start) return 0;
    this.spend(end - start + RANGE_BYTES);
    if (!pages.release(bytes.subarray(start, end))) return 0;
    this.#released += end - start;
    return end - start;
  }

  #takeStatistics(): void {
    const index = this.#roles.indexOf('statistics');
    while (this.#statisticsDue > 0) {
      const chain = this.take(index);
      if (!chain) return;
      const statistics = parseStatistics(chain.readable);
      this.#statisticsDue--;
      this.queue(index)?.complete(chain, 0);
      if (this.#statisticsDue === 0) for (const resolve of this.#statisticsWaiters.splice(0)) resolve(statistics);
    }
  }
}

/** Tags that are not known are left out. */
function parseStatistics(list: ScatterGatherList): BalloonStatistics {
  const statistics: BalloonStatistics = {};
  const count = Math.min(Math.floor(list.length / STATISTIC_BYTES), 256);
  for (let i = 0; i < count; i++) {
    const name = STATISTICS[list.readU16(STATISTIC_BYTES * i)] as (typeof STATISTICS)[number] | undefined;
    if (name) statistics[name] = list.readU64(STATISTIC_BYTES * i + 2);
  }
  return statistics;
}
