import { HARTS_BASE, HART_LINES, HART_STRIDE, HART_WAKE } from '../memory/layout';

/** Interrupt lines at their `mip` positions (RISC-V privileged §3.1.9). */
export const MSIP = 1 << 3;
export const SEIP = 1 << 9;
export const MEIP = 1 << 11;

function word(hart: number, offset: number): number {
  return (HARTS_BASE + hart * HART_STRIDE + offset) >>> 2;
}

/** A shared memory with nothing in it but what interrupt controllers and harts have in common: for controllers without a machine. */
export function interruptMemory(harts: number): WebAssembly.Memory {
  const pages = (HARTS_BASE + harts * HART_STRIDE) / 65536;
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** Make a hart look at its interrupt lines, its mtimecmp and the run state. */
export function wakeHart(words: Int32Array, hart: number): void {
  const wake = word(hart, HART_WAKE);
  Atomics.add(words, wake, 1);
  Atomics.notify(words, wake);
}

/** Raise or lower one of a hart's lines; wakes the hart where a line rises. */
export function setHartLine(words: Int32Array, hart: number, line: number, asserted: boolean): void {
  const lines = word(hart, HART_LINES);
  if (!asserted) Atomics.and(words, lines, ~line);
  else if ((Atomics.or(words, lines, line) & line) === 0) wakeHart(words, hart);
}

export function hartLine(words: Int32Array, hart: number, line: number): boolean {
  return (Atomics.load(words, word(hart, HART_LINES)) & line) !== 0;
}
