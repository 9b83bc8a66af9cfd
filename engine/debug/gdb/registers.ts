import type { HartRegisters } from '../../hart/registers';
import { csrName } from '../../hart/csr-names';
import { fromHex } from './packet';
import type { DebugTarget } from './target';

/**
 * Registers as GDB numbers them (gdb/riscv-tdep.h), and their description by the features that it knows (GDB manual, appendix G.5.13):
 * x0 to x31, pc, f0 to f31, the CSRs, and the privilege.
 */
const FIRST_FLOAT = 33;
const FIRST_CSR = 65;
const PRIVILEGE = 4161;
const [SP, FP, PC] = [2, 8, 32];
const SIGNALS = { interrupt: 2, trap: 5 };
/** What `g` gives: x0 to x31 and pc. */
const GENERAL = 33;
const [FFLAGS, FRM, FCSR] = [1, 2, 3];
const FLOAT_CSRS = [FFLAGS, FRM, FCSR];

const INTEGERS = 'zero ra sp gp tp t0 t1 t2 fp s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'.split(' ');
const FLOATS =
  'ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11'.split(
    ' ',
  );
const POINTERS: Readonly<Record<string, string>> = { ra: 'code_ptr', sp: 'data_ptr', gp: 'data_ptr', tp: 'data_ptr', fp: 'data_ptr' };

/**
 * What LLDB wants to know beside: what a register is for, and its number in DWARF (RISC-V psABI, "DWARF register numbers"), for versions that
 * do not know RISC-V by themselves. GDB passes attributes over that it does not know.
 */
const GENERIC: Readonly<Record<string, string>> = {
  ...{ ra: 'ra', sp: 'sp', fp: 'fp', pc: 'pc' },
  ...Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`a${i}`, `arg${i + 1}`])),
};
function forLldb(name: string, dwarf?: number): string {
  const generic = GENERIC[name] === undefined ? '' : ` generic="${GENERIC[name]}"`;
  return dwarf === undefined ? generic : `${generic} ehframe_regnum="${dwarf}" dwarf_regnum="${dwarf}"`;
}

/** The document of qXfer:features:read, for the CSRs that there are. */
export function targetDescription(csrs: readonly number[]): string {
  const register = (name: string, number: number, type: string, bits = 64, more = ''): string =>
    `<reg name="${name}" bitsize="${bits}" type="${type}" regnum="${number}"${more}/>`;
  const csr = (number: number): string => register(csrName(number), FIRST_CSR + number, 'uint64', 64, ' save-restore="no"');
  const feature = (name: string, content: readonly string[]): string[] => [
    `<feature name="org.gnu.gdb.riscv.${name}">`,
    ...content,
    '</feature>',
  ];
  return [
    '<?xml version="1.0"?>',
    '<!DOCTYPE target SYSTEM "gdb-target.dtd">',
    '<target version="1.0">',
    '<architecture>riscv:rv64</architecture>',
    ...feature('cpu', [
      ...INTEGERS.map((name, number) => register(name, number, POINTERS[name] ?? 'int', 64, forLldb(name, number))),
      register('pc', PC, 'code_ptr', 64, forLldb('pc')),
    ]),
    ...feature('fpu', [
      '<union id="riscv_double"><field name="float" type="ieee_single"/><field name="double" type="ieee_double"/></union>',
      ...FLOATS.map((name, number) => register(name, FIRST_FLOAT + number, 'riscv_double', 64, forLldb(name, 32 + number))),
      ...FLOAT_CSRS.map((number) => register(csrName(number), FIRST_CSR + number, 'int', 32)),
    ]),
    ...feature(
      'csr',
      csrs.filter((number) => !FLOAT_CSRS.includes(number)).map((number) => csr(number)),
    ),
    ...feature('virtual', [register('priv', PRIVILEGE, 'int', 64, ' save-restore="no"')]),
    '</target>',
    '',
  ].join('\n');
}

/** A value with its least significant byte first. */
function littleHex(value: bigint, bytes = 8): string {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt.asUintN(64, value));
  return buffer.toString('hex', 0, bytes);
}

/** A register's value out of up to 8 bytes; undefined where it is none. */
function parseLittle(hex: string): bigint | undefined {
  const bytes = fromHex(hex);
  if (!bytes || bytes.length === 0 || bytes.length > 8) return undefined;
  const buffer = Buffer.alloc(8);
  buffer.set(bytes);
  return buffer.readBigUInt64LE();
}

/** `g`. */
export function readGeneral(target: DebugTarget, hart: number): string {
  const registers = target.registers(hart);
  return Array.from(registers.x, (value) => littleHex(value)).join('') + littleHex(registers.pc);
}

/** `G`: whether it was well-formed; the last of them may be missing. */
export function writeGeneral(target: DebugTarget, hart: number, hex: string): boolean {
  const values = Array.from({ length: Math.min(GENERAL, hex.length / 16) }, (_, i) => parseLittle(hex.slice(16 * i, 16 * i + 16)));
  if (hex.length % 16 !== 0 || values.length === 0 || values.includes(undefined)) return false;
  for (const [number, value] of values.entries()) writeValue(target, hart, number, value as bigint);
  return true;
}

/** `p`: the value as it is sent; undefined where there is no such register. */
export function readRegister(target: DebugTarget, hart: number, number: number): string | undefined {
  const registers = target.registers(hart);
  if (number < PC) return littleHex(registers.x[number]);
  if (number === PC) return littleHex(registers.pc);
  if (number < FIRST_CSR) return littleHex(registers.f[number - FIRST_FLOAT]);
  if (number === PRIVILEGE) return littleHex(BigInt(registers.level));
  const value = number < PRIVILEGE ? target.readCsr(hart, number - FIRST_CSR) : undefined;
  return value === undefined ? undefined : littleHex(value, FLOAT_CSRS.includes(number - FIRST_CSR) ? 4 : 8);
}

/** `P`: whether there is such a register, which takes the value. */
export function writeRegister(target: DebugTarget, hart: number, number: number, hex: string): boolean {
  const value = parseLittle(hex);
  return value !== undefined && writeValue(target, hart, number, value);
}

function writeValue(target: DebugTarget, hart: number, number: number, value: bigint): boolean {
  const registers = target.registers(hart);
  if (number === 0) return true;
  if (number < PC) registers.x[number] = value;
  else if (number === PC) registers.pc = value;
  else if (number < FIRST_CSR) {
    registers.f[number - FIRST_FLOAT] = value;
    registers.floatsWritten();
  } else if (number === PRIVILEGE) {
    if (value !== 0n && value !== 1n && value !== 3n) return false;
    registers.level = Number(value) as 0 | 1 | 3;
  } else return number < PRIVILEGE && target.writeCsr(hart, number - FIRST_CSR, value);
  return true;
}

/** `T`: a hart stands, with the registers that every debugger asks for first; `why` is one of the reasons that the protocol knows. */
export function stopReply(
  registers: HartRegisters,
  { isInterrupt, thread, core, why }: { isInterrupt: boolean; thread: string; core: number; why: string },
): string {
  const signal = isInterrupt ? SIGNALS.interrupt : SIGNALS.trap;
  const value = (number: number, held: bigint): string => `${number.toString(16).padStart(2, '0')}:${littleHex(held)};`;
  const values = [value(SP, registers.x[SP]), value(FP, registers.x[FP]), value(PC, registers.pc)].join('');
  return `T${signal.toString(16).padStart(2, '0')}${values}thread:${thread};core:${core.toString(16)};${why}`;
}

/** What `monitor info registers` prints. */
export function listRegisters(target: DebugTarget, hart: number): string {
  const registers = target.registers(hart);
  const hex = (value: bigint): string => value.toString(16).padStart(16, '0');
  const rows = (names: readonly string[], values: ArrayLike<bigint>): string[] => {
    const cells = names.map((name, number) => `${name.padStart(10)} ${hex(values[number])}`);
    return Array.from({ length: Math.ceil(cells.length / 4) }, (_, row) => cells.slice(4 * row, 4 * row + 4).join(''));
  };
  const csrs = target.knownCsrs().filter((number) => !/hpm|^pmp/.test(csrName(number)));
  const values = csrs.map((number) => target.readCsr(hart, number) ?? 0n);
  return [
    `hart ${hart}, ${registers.privilege} mode, pc ${hex(registers.pc)}`,
    ...rows(INTEGERS, registers.x),
    ...rows(FLOATS, registers.f),
    ...rows(csrs.map(csrName), values),
    '',
  ].join('\n');
}
