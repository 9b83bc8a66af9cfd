import { Assembler } from '../support/assembler';
import { emitUnits, type Unit } from './sequence';

/**
 * Leaves out units for as long as the rest still fails. `failing` is given several candidates at once (starting a machine costs
 * more than running them) and returns the index of one that fails, or −1.
 */
export function shrink(units: readonly Unit[], failing: (candidates: readonly (readonly Unit[])[]) => number): readonly Unit[] {
  let smallest = units;
  for (let chunk = smallest.length >> 1; chunk > 0; ) {
    const candidates: Unit[][] = [];
    for (let i = 0; i < smallest.length; i += chunk) candidates.push([...smallest.slice(0, i), ...smallest.slice(i + chunk)]);
    const found = failing(candidates);
    if (found >= 0) smallest = candidates[found];
    else chunk >>= 1;
  }
  return smallest;
}

/** The machine code of a sequence, an instruction a line, as a disassembler takes it. */
export function listing(units: readonly Unit[]): string {
  const assembler = new Assembler();
  emitUnits(assembler, units);
  const bytes = assembler.bytes();
  const view = new DataView(bytes.buffer);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const half = view.getUint16(at, true);
    const long = (half & 3) === 3;
    lines.push(`  ${at.toString(16).padStart(4)}: ${(long ? view.getUint32(at, true) : half).toString(16).padStart(long ? 8 : 4, '0')}`);
    at += long ? 4 : 2;
  }
  return lines.join('\n');
}
