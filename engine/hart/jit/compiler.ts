import { DECODED_PAGE_BYTES } from '../../memory/layout';
import { ModuleBuilder } from '../../wasm/module-builder';
import { PAGE_RECORDS, RECORD_BYTES } from '../hart-layout';
import { RecordingEmitter } from '../check/recording-emitter';
import { helperType, type HelperName } from '../helper-table';
import { discoverRegion, type Region } from './region';
import { REGION_TYPE, RegionEmitter } from './region-emitter';

/** Where hot code was seen: the record that was jumped to, and what its page held then. */
export interface HotSpot {
  record: number;
  /** Offset in the shared memory of the page's records and of the page itself. */
  records: number;
  host: number;
  /** Guest page number and version, by which the hart sees whether the result is still good. */
  page: number;
  version: number;
}

/** A module whose functions `r0`, `r1`, … are the regions of `spots`, in order; and the spots that gave no region. */
export interface Translation {
  module: WebAssembly.Module | undefined;
  spots: HotSpot[];
  declined: HotSpot[];
}

/** The region at a hot spot; undefined where it is not worth translating. */
function regionAt(halves: Uint16Array, spot: HotSpot): Region | undefined {
  const code = halves.subarray(spot.host >>> 1, (spot.host >>> 1) + PAGE_RECORDS);
  const records = halves.subarray(spot.records >>> 1, (spot.records + DECODED_PAGE_BYTES) >>> 1);
  const entry = ((spot.record - spot.records) / RECORD_BYTES) * 2;
  const region = discoverRegion(code, records, entry);
  return region && region.instructions > 1 ? region : undefined;
}

function emitModule(regions: Region[], Regions: typeof RegionEmitter): Uint8Array<ArrayBuffer> {
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
  const bodies = regions.map((region) => new Regions(region, helperIndex).emit());
  for (const [i, body] of bodies.entries()) module.addFunction(REGION_TYPE, body, `r${i}`);
  return module.build();
}

/** Translate some hot spots into one module; `checked` for the lockstep check. */
export function translate(halves: Uint16Array, spots: HotSpot[], checked = false): Translation {
  const regions: Region[] = [];
  const good: HotSpot[] = [];
  const declined: HotSpot[] = [];
  for (const spot of spots) {
    const region = regionAt(halves, spot);
    if (region) {
      regions.push(region);
      good.push(spot);
    } else {
      declined.push(spot);
    }
  }
  return {
    module: regions.length > 0 ? new WebAssembly.Module(emitModule(regions, checked ? RecordingEmitter : RegionEmitter)) : undefined,
    spots: good,
    declined,
  };
}
