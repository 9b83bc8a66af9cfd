import { DECODED_PAGE_BYTES, MACHINE_EXTENSIONS_OFF } from '../../memory/layout';
import { hostMemory, type HostMemory } from '../../host/host-memory';
import { ModuleBuilder } from '../../wasm/module-builder';
import {
  HART_COUNTERS,
  HART_COUNTER_COUNT,
  HART_JUMPS,
  JUMP_ROWS,
  JUMP_ROW_BYTES,
  PAGE_RECORDS,
  RECORD_BYTES,
  REGION_HANDLER,
  SLOT_PAGE,
  SLOT_VERSION,
} from '../hart-layout';
import { RecordingEmitter } from '../check/recording-emitter';
import { helperType, type HelperName } from '../helper-table';
import { discoverRegion, type CodePage, type CodeView, type Region } from './region';
import { REGION_TYPE, RegionEmitter } from './region-emitter';

/** Where hot code was seen, and what its surroundings held then. */
export interface HotSpot {
  /** Page and record as one number. */
  key: number;
  /** Address of the record that was jumped to, in the shared memory. */
  record: number;
  /** Guest page number, and the page's version, by which the hart sees whether the result is still good. */
  page: number;
  version: number;
  /** Address of the page's slot. */
  slot: number;
  /** Virtual address of the page; exact, for Sv57 addresses too. */
  address: number;
  /** Offset in the shared memory of the page's records and of the page itself. */
  records: number;
  host: number;
  /** The hart's part of the shared memory: its counters of jumps and their targets. */
  hart: number;
  /** Jumps that made it hot. */
  hot: number;
  /** Whether calls are to be inlined. */
  inlining: boolean;
  /** Other pages that could be executed then, NEIGHBOUR_FIELDS numbers each: those beside this one, and to inline calls all. */
  neighbours: Float64Array;
}

/** Distance from the page in bytes, version, records, host. */
export const NEIGHBOUR_FIELDS = 4;

/** A module whose functions `r0`, `r1`, … are the regions of `spots`, in order; and the spots that gave no region. */
export interface Translation {
  module: WebAssembly.Module | undefined;
  spots: HotSpot[];
  declined: HotSpot[];
}

/** What the shared memory tells of the code around a hot spot. */
class SpotView implements CodeView {
  readonly extensionsOff: number;

  constructor(
    private readonly halves: Uint16Array,
    private readonly words: Uint32Array,
    private readonly spot: HotSpot,
    readonly withCsrs: boolean,
  ) {
    this.extensionsOff = words[MACHINE_EXTENSIONS_OFF >>> 2];
  }

  page(distance: number): CodePage | undefined {
    const { spot } = this;
    if (distance === 0) return this.pageAt(spot.version, spot.records, spot.host);
    const { neighbours } = spot;
    for (let i = 0; i < neighbours.length; i += NEIGHBOUR_FIELDS) {
      if (neighbours[i] === distance) return this.pageAt(neighbours[i + 1], neighbours[i + 2], neighbours[i + 3]);
    }
    return undefined;
  }

  private pageAt(version: number, records: number, host: number): CodePage {
    return {
      version,
      code: this.halves.subarray(host >>> 1, (host >>> 1) + PAGE_RECORDS),
      records: this.halves.subarray(records >>> 1, (records + DECODED_PAGE_BYTES) >>> 1),
    };
  }

  /** Address of the record of the instruction at an offset; 0 if its page is unknown. */
  private record(offset: number): number {
    const { spot } = this;
    const { neighbours } = spot;
    const within = offset & 4095;
    if (offset === within) return spot.records + within * (RECORD_BYTES / 2);
    for (let i = 0; i < neighbours.length; i += NEIGHBOUR_FIELDS) {
      if (neighbours[i] === offset - within) return neighbours[i + 2] + within * (RECORD_BYTES / 2);
    }
    return 0;
  }

  isWarm(offset: number): boolean {
    const { halves, spot } = this;
    if (!spot.inlining) return false;
    const record = this.record(offset);
    if (record === 0) return false;
    const counter = spot.hart + HART_COUNTERS + ((record >>> 3) & (HART_COUNTER_COUNT - 1)) * 2;
    return halves[record >>> 1] >= REGION_HANDLER || halves[counter >>> 1] >= spot.hot / 4;
  }

  targets(offset: number): number[] {
    const { spot, words } = this;
    const record = this.record(offset);
    if (record === 0) return [];
    const row = (spot.hart + HART_JUMPS + ((record >>> 3) & (JUMP_ROWS - 1)) * JUMP_ROW_BYTES) >>> 2;
    const found: number[] = [];
    for (let i = row; i < row + (JUMP_ROW_BYTES >>> 2); i += 2) {
      if (words[i] === 0 && words[i + 1] === 0) continue;
      const target = (words[i + 1] | 0) * 0x1_0000_0000 + words[i] - spot.address;
      // Other jumps share the row: only what can be executed from here counts.
      if (this.page(target - (target & 4095))) found.push(target);
    }
    return found;
  }
}

export function emitModule(regions: Region[], host: HostMemory, Regions = RegionEmitter): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', 65536);
  const imported = new Map<HelperName, number>();
  const helperIndex = (name: HelperName): number => {
    let index = imported.get(name);
    if (index === undefined) {
      index = module.importFunction('helpers', name, helperType(name));
      imported.set(name, index);
    }
    return index;
  };
  // All bodies first: they decide which helpers are imported, and imports come before functions.
  const bodies = regions.map((region) => new Regions(region, helperIndex, host).emit());
  for (const [i, body] of bodies.entries()) module.addFunction(REGION_TYPE, body, `r${i}`);
  return module.build();
}

/** Translate some hot spots into one module for this host; `checked` for the lockstep check. */
export function translate(halves: Uint16Array, spots: HotSpot[], checked = false, host = hostMemory()): Translation {
  const words = new Uint32Array(halves.buffer);
  const regions: Region[] = [];
  const good: HotSpot[] = [];
  const declined: HotSpot[] = [];
  for (const spot of spots) {
    // Its page may have made room for another meanwhile.
    if (words[(spot.slot + SLOT_PAGE) >>> 2] !== spot.page || (words[(spot.slot + SLOT_VERSION) >>> 2] | 0) !== spot.version) {
      declined.push(spot);
      continue;
    }
    const entry = ((spot.record - spot.records) / RECORD_BYTES) * 2;
    const region = discoverRegion(new SpotView(halves, words, spot, !checked), entry);
    if (region && region.instructions > 1) {
      regions.push(region);
      good.push(spot);
    } else {
      declined.push(spot);
    }
  }
  return {
    module: regions.length > 0 ? new WebAssembly.Module(emitModule(regions, host, checked ? RecordingEmitter : RegionEmitter)) : undefined,
    spots: good,
    declined,
  };
}
