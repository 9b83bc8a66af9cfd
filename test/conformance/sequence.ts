import type { Assembler } from '../support/assembler';
import { Label } from '../support/assembler';
import * as code from '../support/riscv-encoding';

/** Stack pointer, loop counter and data pointer: random instructions read them but do not write them. */
export const SP = 2;
export const LOOP = 4;
export const BASE = 8;

/** The memory a sequence loads and stores lies from BASE − DATA_BEFORE on. */
export const DATA_BYTES = 1024;
export const DATA_BEFORE = 128;
/** SP is that much above BASE, for the unsigned offsets of c.ldsp and its like. */
export const SP_ABOVE_BASE = 256;

/** One step of a sequence: an instruction, or a few that only make sense together. Jumps enter it at its start only. */
export interface Unit {
  /** `forward(n)` is the start of the unit after the next n ones. */
  emit(assembler: Assembler, forward: (skip: number) => Label): void;
}

export const word = (bits: number): Unit => ({ emit: (a) => a.word(bits) });
export const half = (bits: number): Unit => ({ emit: (a) => a.half(bits) });

/** Several instructions as one unit. */
export const together = (...parts: readonly Unit[]): Unit => ({
  emit: (a, forward) => {
    for (const part of parts) part.emit(a, forward);
  },
});

/** Runs the body 1 to 2047 times; the condition at its end is one of bne (1), blt (4) and bltu (6). */
export function loop(times: number, condition: 1 | 4 | 6, body: readonly Unit[]): Unit {
  return {
    emit: (a) => {
      a.word(code.iType(0x13, 0, LOOP, 0, times));
      const top = new Label();
      a.place(top);
      emitUnits(a, body);
      a.word(code.iType(0x13, 0, LOOP, LOOP, -1));
      a.reference(4, top, (distance) => code.bType(condition, 0, LOOP, distance));
    },
  };
}

export function emitUnits(assembler: Assembler, units: readonly Unit[]): void {
  const labels = Array.from({ length: units.length + 1 }, () => new Label());
  const at = (i: number): Label => labels[Math.min(i, units.length)];
  units.forEach((unit, i) => {
    assembler.place(at(i));
    unit.emit(assembler, (skip) => at(i + 1 + skip));
  });
  assembler.place(at(units.length));
}
