import { DECODED_PAGE_BYTES, HART_PC } from '../../memory/layout';
import {
  FETCH_ENTRY_BYTES,
  FETCH_TABLE_BYTES,
  FETCH_RECORDS,
  FETCH_TAG,
  FETCH_VERSION,
  HART_COUNTING,
  HART_FETCH_TLB,
  HART_MAIL,
  HART_REGION_ORIGINALS,
  HART_SLOTS,
  REGION_HANDLER,
  REGIONS_MAX,
  SLOT_BYTES,
  SLOT_HOST,
  SLOT_PAGE,
  SLOT_VERSION,
  STAT_COMPILE_REQUESTS,
  STAT_EVICTIONS,
  STAT_REGIONS_INSTALLED,
  STAT_REGIONS_LIVE,
} from '../hart-layout';
import type { StatisticsBlock } from '../statistics';
import type { HelperName } from '../helper-table';
import type { HotSpot, Translation } from './compiler';

/** Who translates: usually the compile worker, which answers later. */
export interface Translator {
  request(spot: HotSpot): void;
  /** The next finished translation, if there is one. */
  receive(): Translation | undefined;
}

/** After so many new regions those that have died are looked for. */
const SWEEP = 1024;

/**
 * The translated regions of one hart: asks for hot code to be translated and puts the results in the place of the records
 * where they begin. A region lives as long as those records: when the page is evicted or `fence.i` finds it changed, the
 * records go, and with them the way into the region.
 */
export class Regions {
  readonly table = new WebAssembly.Table({ element: 'anyfunc', initial: REGIONS_MAX });
  private readonly halves: Uint16Array;
  private readonly words: Int32Array;
  private readonly requested = new Set<number>();
  /** Indices of the table that were ever used; those of them that are free again; and where each region's record lies. */
  private used = 0;
  private readonly free: number[] = [];
  private readonly places = new Uint32Array(REGIONS_MAX);
  /** With so many in use, look for regions whose records are gone. */
  private sweepAt = SWEEP;
  /** By region: whether calls are inlined. */
  private readonly inlined = new Uint8Array(REGIONS_MAX);

  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly hart: number,
    private readonly decoded: number,
    private readonly helpers: Record<HelperName, WebAssembly.ExportValue>,
    private readonly translator: Translator,
    /** Empties all decoded pages. */
    private readonly dropAllCode: () => void,
    private readonly statistics: StatisticsBlock,
    /** Jumps that make a place hot. */
    private readonly threshold: number,
    /** Regions at a time; beyond that all are dropped and the hot ones come back. */
    private readonly limit = REGIONS_MAX,
  ) {
    this.halves = new Uint16Array(memory.buffer);
    this.words = new Int32Array(memory.buffer);
  }

  /** Begin to look for hot code. */
  start(): void {
    this.words[(this.hart + HART_COUNTING) >>> 2] = 1;
  }

  /** The record at HART_PC has become hot, or it begins a region that is often entered: that is made again, with calls inlined. */
  hot(record: number): void {
    if (this.requested.has(record)) return;
    const region = this.halves[record >>> 1] - REGION_HANDLER;
    if (region >= 0 && this.inlined[region]) return;
    const slot = Math.floor((record - this.decoded) / DECODED_PAGE_BYTES);
    // The scratch records of a straddling instruction belong to no page.
    if (slot < 0) return;
    const at = (this.hart + HART_SLOTS + slot * SLOT_BYTES) >>> 2;
    this.requested.add(record);
    this.statistics.add(STAT_COMPILE_REQUESTS);
    const pc = (this.hart + HART_PC) >>> 2;
    const address = this.words[pc + 1] * 0x1_0000_0000 + ((this.words[pc] & ~4095) >>> 0);
    this.translator.request({
      record,
      page: this.words[at + (SLOT_PAGE >>> 2)],
      version: this.words[at + (SLOT_VERSION >>> 2)],
      address,
      records: this.decoded + slot * DECODED_PAGE_BYTES,
      host: this.words[at + (SLOT_HOST >>> 2)] >>> 0,
      hart: this.hart,
      hot: this.threshold,
      inlining: region >= 0,
      neighbours: this.neighbours(address, region >= 0 ? Infinity : 4096),
    });
  }

  /** What the fetch TLB knows of other pages than that at `address`, up to a distance in bytes. */
  private neighbours(address: number, most: number): Float64Array {
    const { words } = this;
    const found: number[] = [];
    const tlb = words[(this.hart + HART_FETCH_TLB) >>> 2];
    for (let entry = tlb >>> 2; entry < (tlb + FETCH_TABLE_BYTES) >>> 2; entry += FETCH_ENTRY_BYTES >>> 2) {
      const version = words[entry + (FETCH_VERSION >>> 2)];
      const low = words[entry + (FETCH_TAG >>> 2)];
      if (low === -1 || version === 0) continue;
      const distance = words[entry + (FETCH_TAG >>> 2) + 1] * 0x1_0000_0000 + (low >>> 0) - address;
      if (distance === 0 || Math.abs(distance) > most) continue;
      const records = words[entry + (FETCH_RECORDS >>> 2)] >>> 0;
      const slot = Math.floor((records - this.decoded) / DECODED_PAGE_BYTES);
      const host = words[(this.hart + HART_SLOTS + slot * SLOT_BYTES + SLOT_HOST) >>> 2] >>> 0;
      found.push(distance, version, records, host);
    }
    return Float64Array.from(found);
  }

  /** Take up what has been translated. Only between slices: no record may be in use. */
  receive(): void {
    Atomics.store(this.words, (this.hart + HART_MAIL) >>> 2, 0);
    for (let next = this.translator.receive(); next; next = this.translator.receive()) this.install(next);
  }

  private install({ module, spots, declined }: Translation): void {
    for (const spot of declined) this.requested.delete(spot.record);
    if (!module) return;
    if (this.live + spots.length > Math.min(this.sweepAt, this.limit)) this.sweep(spots.length);
    let functions: WebAssembly.Exports | undefined;
    spots.forEach((spot, i) => {
      this.requested.delete(spot.record);
      const slot = (spot.records - this.decoded) / DECODED_PAGE_BYTES;
      const at = (this.hart + HART_SLOTS + slot * SLOT_BYTES) >>> 2;
      const good = this.words[at + (SLOT_PAGE >>> 2)] === spot.page && this.words[at + (SLOT_VERSION >>> 2)] === spot.version;
      const handler = this.halves[spot.record >>> 1];
      const replaces = handler >= REGION_HANDLER;
      if (!good || handler === 0 || replaces !== spot.inlining) return;
      functions ??= new WebAssembly.Instance(module, { env: { memory: this.memory }, helpers: this.helpers }).exports;
      const index = replaces ? handler - REGION_HANDLER : (this.free.pop() ?? this.used++);
      this.table.set(index, functions[`r${i}`]);
      this.inlined[index] = replaces ? 1 : 0;
      if (replaces) return;
      this.places[index] = spot.record;
      this.halves[(this.hart + HART_REGION_ORIGINALS + index * 2) >>> 1] = handler;
      this.halves[spot.record >>> 1] = REGION_HANDLER + index;
      this.statistics.add(STAT_REGIONS_INSTALLED);
    });
    this.statistics.set(STAT_REGIONS_LIVE, this.live);
  }

  private get live(): number {
    return this.used - this.free.length;
  }

  /** Free the regions that nothing leads to any more; if that does not make room for `wanted` more, all. */
  private sweep(wanted: number): void {
    for (let index = 0; index < this.used; index++) {
      const record = this.places[index];
      if (record === 0 || this.halves[record >>> 1] === REGION_HANDLER + index) continue;
      this.table.set(index, null);
      this.places[index] = 0;
      this.free.push(index);
    }
    if (this.live + wanted > this.limit) {
      this.dropAllCode();
      for (let index = 0; index < this.used; index++) this.table.set(index, null);
      this.places.fill(0);
      this.free.length = 0;
      this.used = 0;
      this.statistics.add(STAT_EVICTIONS);
    }
    this.sweepAt = this.live + SWEEP;
  }
}
