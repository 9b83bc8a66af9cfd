import { Emitter, type I32, type I64 } from '../../wasm/emitter';
import { ModuleBuilder } from '../../wasm/module-builder';
import {
  FETCH_ENTRIES,
  FETCH_ENTRY_BYTES,
  FETCH_RECORDS,
  FETCH_TAG,
  HART_FETCH_TLB,
  HART_REGION_ENTRIES,
  RECORD_HANDLER,
  REGION_HANDLER,
  STAT_REGION_ENTRIES,
} from '../hart-layout';
import { ASIDE, REGION_TYPE } from './region-emitter';

/** log2 of the pages' size over that of the fetch TLB's entries. */
const FETCH_SHIFT = 12 - Math.log2(FETCH_ENTRY_BYTES);

/**
 * A function `chain` that regions end with by a tail call: parameters as a region's, but the next pc in the place of the page. If a
 * region begins there and nothing stands against it, it goes on in that; else the two are the results of them all. It stands alone,
 * because on V8 before 13.6 every instance that imports a table costs as much as the table is large.
 *
 * @param hart the hart's base
 * @param reported entries of a region at which the interpreter is to report it: a power of two
 */
export function buildChain(hart: number, reported: number): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', 65536);
  module.importTable('env', 'regions');
  const e = new Emitter(REGION_TYPE.parameters);
  const { i32, i64 } = e;
  const target = e.parameter<I64>(1);
  const budget = e.parameter<I32>(2);
  const stop = e.openBlock();
  e.brIf(stop, i32.le_s(e.get(budget), i32.const(0)), 'unlikely');
  // A pc that is to be left aside fits no page.
  const entry = e.keep(
    i32.add(
      i32.load(i32.const(0), hart + HART_FETCH_TLB),
      i32.and(i32.wrap(i64.shr_u(e.get(target), i64.const(FETCH_SHIFT))), i32.const((FETCH_ENTRIES - 1) * FETCH_ENTRY_BYTES)),
    ),
  );
  const page = e.keep(i64.and(e.get(target), i64.const(-4096 | ASIDE)));
  e.brIf(stop, i64.ne(i64.load(e.get(entry), FETCH_TAG), e.get(page)), 'unlikely');
  const within = i32.shl(i32.and(i32.wrap(e.get(target)), i32.const(4095)), i32.const(2));
  const record = i32.add(within, i32.load(e.get(entry), FETCH_RECORDS));
  const index = e.keep(i32.sub(i32.load16_u(record, RECORD_HANDLER), i32.const(REGION_HANDLER)));
  e.brIf(stop, i32.lt_s(e.get(index), i32.const(0)), 'unlikely');
  const counter = e.keep(i32.shl(e.get(index), i32.const(1)));
  const count = e.keep(i32.add(i32.load16_u(e.get(counter), hart + HART_REGION_ENTRIES), i32.const(1)));
  e.brIf(stop, i32.eqz(i32.and(e.get(count), i32.const(reported - 1))), 'unlikely');
  i32.store16(e.get(counter), e.get(count), hart + HART_REGION_ENTRIES);
  const entries = (): I64 => i64.load(i32.const(0), hart + STAT_REGION_ENTRIES);
  i64.store(i32.const(0), i64.add(entries(), i64.const(1)), hart + STAT_REGION_ENTRIES);
  e.get(e.parameter<I32>(0));
  e.get(page);
  e.get(budget);
  e.get(e.parameter<I32>(3));
  e.returnCallIndirect(module.typeIndex(REGION_TYPE), e.get(index));
  e.end();
  e.return(e.get(target), e.get(budget));
  module.addFunction(REGION_TYPE, e, 'chain');
  return module.build();
}
