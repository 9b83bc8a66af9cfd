import {
  DECODED_PAGES,
  DECODED_PAGE_BYTES,
  DECODED_WAYS,
  HART_PC,
  MEMORY_REGIONS,
  MEMORY_REGION_COUNT,
  MEMORY_REGION_STRIDE,
  REGION_BASE,
  REGION_SIZE,
  REGION_VERSIONS,
} from '../../memory/layout';
import { DECODE } from '../handlers';
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
  PAGE_RECORDS,
  RECORD_BYTES,
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
import type { HotSpot, Translation } from './compiler';

/** Who translates: usually the compile worker, which answers later. */
export interface Translator {
  request(spot: HotSpot): void;
  /** What was requested, by its key, goes on being hot. */
  urge(key: number): void;
  /** The next finished translation, if there is one. */
  receive(): Translation | undefined;
}

/** After so many new regions those that have died are looked for. */
const SWEEP = 1024;

/** The regions that begin in one page, as it was at one version. */
interface PageRegions {
  version: number;
  /** Their indices in the table. */
  regions: number[];
}

/**
 * The translated regions of one hart: asks for hot code to be translated and puts the results in the place of the records
 * where they begin. Regions belong to a guest page at one version: when its records are dropped for others, they wait for them to
 * come back, and when `fence.i` finds the page changed, they are gone.
 */
export class Regions {
  private readonly halves: Uint16Array;
  private readonly words: Int32Array;
  /** By guest page number + 1, as in SLOT_PAGE. */
  private readonly pages = new Map<number, PageRegions>();
  /** By index: number of the record in its page, and 1 where calls are inlined. */
  private readonly records = new Uint16Array(REGIONS_MAX);
  private readonly inlined = new Uint8Array(REGIONS_MAX);
  /** Indices of the table that were ever used, and those of them that are free again. */
  private used = 0;
  private readonly free: number[] = [];
  /** With so many in use, look for dead ones. */
  private sweepAt = SWEEP;
  /** What is being translated: page and record as one number. */
  private readonly requested = new Set<number>();

  constructor(
    memory: WebAssembly.Memory,
    private readonly hart: number,
    private readonly decoded: number,
    /** Holds the regions by their indices. */
    private readonly table: WebAssembly.Table,
    /** What the modules of regions import. */
    private readonly imports: WebAssembly.Imports,
    private readonly translator: Translator,
    /** Decodes the instruction of a record. */
    private readonly decode: (record: number) => void,
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
    const { words } = this;
    const region = this.halves[record >>> 1] - REGION_HANDLER;
    if (region >= 0 && this.inlined[region]) return;
    const number = Math.floor((record - this.decoded) / DECODED_PAGE_BYTES);
    // The scratch records of a straddling instruction belong to no page.
    if (number < 0) return;
    const slot = this.slot(number);
    const records = this.decoded + number * DECODED_PAGE_BYTES;
    const page = words[(slot + SLOT_PAGE) >>> 2];
    const key = page * PAGE_RECORDS + recordOf({ record, records });
    if (this.requested.has(key)) {
      this.translator.urge(key);
      return;
    }
    this.requested.add(key);
    this.statistics.add(STAT_COMPILE_REQUESTS);
    const pc = (this.hart + HART_PC) >>> 2;
    const address = words[pc + 1] * 0x1_0000_0000 + ((words[pc] & ~4095) >>> 0);
    this.translator.request({
      key,
      record,
      page,
      version: words[(slot + SLOT_VERSION) >>> 2],
      slot,
      address,
      records,
      host: words[(slot + SLOT_HOST) >>> 2] >>> 0,
      hart: this.hart,
      hot: this.threshold,
      inlining: region >= 0,
      neighbours: this.neighbours(address, region >= 0 ? Infinity : 4096),
    });
  }

  private slot(number: number): number {
    return this.hart + HART_SLOTS + number * SLOT_BYTES;
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
      const slot = this.slot(Math.floor((records - this.decoded) / DECODED_PAGE_BYTES));
      found.push(distance, version, records, words[(slot + SLOT_HOST) >>> 2] >>> 0);
    }
    return Float64Array.from(found);
  }

  /** Take up what has been translated. Only between slices: no record may be in use. */
  receive(): void {
    Atomics.store(this.words, (this.hart + HART_MAIL) >>> 2, 0);
    for (let next = this.translator.receive(); next; next = this.translator.receive()) this.install(next);
  }

  private install({ module, spots, declined }: Translation): void {
    for (const spot of declined) this.requested.delete(spot.key);
    if (!module) return;
    if (this.live + spots.length > Math.min(this.sweepAt, this.limit)) this.sweep(spots.length);
    let functions: WebAssembly.Exports | undefined;
    spots.forEach((spot, i) => {
      this.requested.delete(spot.key);
      if (this.versionOf(spot.page) !== spot.version) return;
      let here = this.pages.get(spot.page);
      if (here?.version !== spot.version) {
        if (here) this.release(here);
        here = { version: spot.version, regions: [] };
        this.pages.set(spot.page, here);
      }
      const record = recordOf(spot);
      const known = here.regions.find((region) => this.records[region] === record);
      if (known !== undefined && !spot.inlining) return;
      functions ??= new WebAssembly.Instance(module, this.imports).exports;
      const index = known ?? this.free.pop() ?? this.used++;
      this.table.set(index, functions[`r${i}`]);
      this.inlined[index] = spot.inlining ? 1 : 0;
      this.statistics.add(STAT_REGIONS_INSTALLED);
      if (known !== undefined) return;
      this.records[index] = record;
      here.regions.push(index);
      const number = this.holding(spot.page, spot.version);
      if (number !== undefined) this.place(index, this.decoded + number * DECODED_PAGE_BYTES + record * RECORD_BYTES);
    });
    this.statistics.set(STAT_REGIONS_LIVE, this.live);
  }

  /** A page has been given to a slot, all its records empty: put the regions that it had in their places again. */
  revive(number: number): void {
    const slot = this.slot(number);
    const page = this.words[(slot + SLOT_PAGE) >>> 2];
    const here = this.pages.get(page);
    if (!here) return;
    if (here.version === this.words[(slot + SLOT_VERSION) >>> 2]) {
      const records = this.decoded + number * DECODED_PAGE_BYTES;
      for (const region of here.regions) this.place(region, records + this.records[region] * RECORD_BYTES);
    } else {
      this.release(here);
      this.pages.delete(page);
    }
  }

  /** Let a record lead to a region. */
  private place(index: number, record: number): void {
    const { halves } = this;
    if (halves[record >>> 1] === DECODE) this.decode(record);
    halves[(this.hart + HART_REGION_ORIGINALS + index * 2) >>> 1] = halves[record >>> 1];
    halves[record >>> 1] = REGION_HANDLER + index;
  }

  /** The number of the slot that holds a page. Each way has its part of the slots. */
  private holding(page: number, version: number): number | undefined {
    const { words } = this;
    const sets = DECODED_PAGES / DECODED_WAYS;
    for (let number = (page - 1) & (sets - 1); number < DECODED_PAGES; number += sets) {
      const slot = this.slot(number);
      if (words[(slot + SLOT_PAGE) >>> 2] === page) return words[(slot + SLOT_VERSION) >>> 2] === version ? number : undefined;
    }
    return undefined;
  }

  /** The present version of a page, given as in SLOT_PAGE. */
  private versionOf(page: number): number | undefined {
    const { words } = this;
    const address = (page - 1) * 4096;
    for (let i = 0; i < words[MEMORY_REGION_COUNT >>> 2]; i++) {
      const region = (MEMORY_REGIONS + i * MEMORY_REGION_STRIDE) >>> 2;
      const u64 = (field: number): number =>
        (words[region + (field >>> 2) + 1] >>> 0) * 0x1_0000_0000 + (words[region + (field >>> 2)] >>> 0);
      const offset = address - u64(REGION_BASE);
      if (offset < 0 || offset >= u64(REGION_SIZE)) continue;
      return Atomics.load(words, ((words[region + (REGION_VERSIONS >>> 2)] >>> 0) + (offset / 4096) * 4) >>> 2);
    }
    return undefined;
  }

  private get live(): number {
    return this.used - this.free.length;
  }

  private release({ regions }: PageRegions): void {
    for (const index of regions) {
      this.table.set(index, null);
      this.free.push(index);
    }
  }

  /** Free the regions of pages that have changed; if that does not make room for `wanted` more, all. */
  private sweep(wanted: number): void {
    for (const [page, here] of this.pages) {
      // Until the next fence.i its records may still be in use.
      if (this.versionOf(page) === here.version || this.holding(page, here.version) !== undefined) continue;
      this.release(here);
      this.pages.delete(page);
    }
    if (this.live + wanted > this.limit) {
      this.dropAllCode();
      for (const here of this.pages.values()) this.release(here);
      this.pages.clear();
      this.statistics.add(STAT_EVICTIONS);
    }
    this.sweepAt = this.live + SWEEP;
  }
}

/** Number of a spot's record in its page. */
function recordOf({ record, records }: Pick<HotSpot, 'record' | 'records'>): number {
  return (record - records) / RECORD_BYTES;
}
