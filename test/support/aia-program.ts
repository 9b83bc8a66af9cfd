import { Assembler, Label } from './assembler';
import { bType, iType, jType, rType, sType, uType } from './riscv-encoding';

/** One access in machine mode, to a CSR or to a device. */
export type Access =
  | { kind: 'csr'; csr: number; how: 'write' | 'set' | 'clear'; operand: bigint }
  /** csrrs with x0. */
  | { kind: 'read'; csr: number }
  | { kind: 'load'; address: number }
  | { kind: 'store'; address: number; value: number; bytes: 1 | 4 };

/** What an access gives that raised an exception: this + mcause. */
export const RAISED = 0xffff_ffff_0000_0000n;

const FINISHER = 0x100000;
const CODE_BYTES = 0x18000;
const TABLE = CODE_BYTES;
const TABLE_ENTRY = 16;
/** Most accesses of one program. */
export const ACCESSES_MAX = 3000;
const LOG = TABLE + TABLE_ENTRY * ACCESSES_MAX;
export const PROGRAM_BYTES = LOG + 8 * ACCESSES_MAX;

const [T0, T1, T2, S0, S1] = [5, 6, 7, 8, 9];
const HOW = { write: 1, set: 2, clear: 3 };

/** A program for the start of RAM in which hart 0 makes the accesses in order, logs what each gave, and ends through the test finisher. */
export function buildAccesses(accesses: readonly Access[]): Uint8Array {
  const a = new Assembler();
  const address = (rd: number, offset: number): void => {
    a.word(uType(0x17, rd, (offset - a.offset + 0x800) >>> 12));
    a.word(iType(0x13, 0, rd, rd, ((offset - a.offset + 4) << 20) >> 20));
  };
  const [handler, first] = [new Label(), new Label()];
  a.word(iType(0x73, 2, T0, 0, 0xf14));
  a.reference(4, first, (distance) => bType(0, T0, 0, distance));
  a.word(0x10500073);
  a.word(jType(0, -4));
  a.place(first);
  a.reference(4, handler, (distance) => uType(0x17, T0, (distance + 0x800) >> 12));
  a.reference(4, handler, (distance) => iType(0x13, 0, T0, T0, ((distance + 4) << 20) >> 20));
  a.word(iType(0x73, 1, 0, T0, 0x305));
  address(S0, TABLE);
  address(S1, LOG);
  for (const access of accesses) {
    a.word(iType(0x03, 3, T0, S0, 0));
    a.word(iType(0x03, 3, T2, S0, 8));
    a.word(iType(0x13, 0, T1, 0, 0));
    if (access.kind === 'csr') a.word(iType(0x73, HOW[access.how], T1, T2, access.csr));
    else if (access.kind === 'read') a.word(iType(0x73, 2, T1, 0, access.csr));
    else if (access.kind === 'load') a.word(iType(0x03, 6, T1, T0, 0));
    else a.word(sType(0x23, access.bytes === 1 ? 0 : 2, T0, T2, 0));
    a.word(sType(0x23, 3, S1, T1, 0));
    a.word(iType(0x13, 0, S0, S0, TABLE_ENTRY));
    a.word(iType(0x13, 0, S1, S1, 8));
  }
  a.word(uType(0x37, T0, FINISHER >>> 12));
  a.word(uType(0x37, T1, 5));
  a.word(iType(0x1b, 0, T1, T1, 0x555));
  a.word(sType(0x23, 2, T0, T1, 0));
  a.word(jType(0, 0));
  a.place(handler);
  a.word(iType(0x73, 2, T1, 0, 0x342));
  a.word(iType(0x13, 0, T0, 0, -1));
  a.word(iType(0x13, 1, T0, T0, 32));
  a.word(rType(0x33, 6, 0, T1, T1, T0));
  a.word(iType(0x73, 2, T0, 0, 0x341));
  a.word(iType(0x13, 0, T0, T0, 4));
  a.word(iType(0x73, 1, 0, T0, 0x341));
  a.word(0x30200073);
  const code = a.bytes();
  if (code.length > CODE_BYTES || accesses.length > ACCESSES_MAX)
    throw new Error(`${accesses.length} accesses are too many for one program`);
  const image = new Uint8Array(PROGRAM_BYTES);
  image.set(code);
  const view = new DataView(image.buffer);
  accesses.forEach((access, i) => {
    const at = TABLE + TABLE_ENTRY * i;
    if (access.kind === 'load' || access.kind === 'store') view.setBigUint64(at, BigInt(access.address), true);
    if (access.kind === 'csr') view.setBigUint64(at + 8, BigInt.asUintN(64, access.operand), true);
    if (access.kind === 'store') view.setBigUint64(at + 8, BigInt(access.value), true);
  });
  return image;
}

/** What each access gave: a register's old value, a word loaded, or RAISED. `memory`: the program's bytes after its run. */
export function readLog(memory: Uint8Array, count: number): bigint[] {
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  return Array.from({ length: count }, (_, i) => view.getBigUint64(LOG + 8 * i, true));
}
