import { csrName } from '../csr-names';
import { F_NAMES, X_NAMES } from '../register-names';
import { expandCompressed } from './c';
import { instructions, lookUp } from './index';
import { immediateOf, type Instruction, rdOf, rmOf, rs1Of, rs2Of, rs3Of } from './instruction';

const ROUNDING = ['rne', 'rtz', 'rdn', 'rup', 'rmm', 'unknown', 'unknown', 'dyn'];
const OPCODE_LOAD = 0x03;
const OPCODE_LOAD_FLOAT = 0x07;
const OPCODE_FENCE = 0x0f;
const OPCODE_STORE_FLOAT = 0x27;
const OPCODE_JALR = 0x67;

/** Which operands of a floating-point instruction are integer registers: moves, conversions, comparisons. */
function isIntegerDestination(name: string): boolean {
  return /^(feq|flt|fle|fclass|fmv\.x|fmvh\.x|fcvt(mod)?\.(w|wu|l|lu)\.|fleq|fltq)/.test(name);
}
function isIntegerSource(name: string): boolean {
  return /^(fmv\.[bhwdq]\.x|fmvp\.|fcvt\.[hsdq]\.(w|wu|l|lu)$)/.test(name);
}

/**
 * An instruction as assemblers write it, without pseudo-instructions; a compressed one as the instruction that it stands for. `pc`: where it
 * lies, for the targets of jumps. `word`: 16 bits of a compressed instruction, else 32.
 */
export function disassemble(word: number, pc: bigint): string {
  const isShort = (word & 3) !== 3;
  const full = isShort ? expandCompressed(word & 0xffff) : word >>> 0;
  const number = full === 0 ? -1 : lookUp(full);
  if (number < 0)
    return isShort ? `.half 0x${(word & 0xffff).toString(16).padStart(4, '0')}` : `.word 0x${(word >>> 0).toString(16).padStart(8, '0')}`;
  const instruction = instructions[number];
  const operands = operandsOf(instruction, full, pc);
  return operands === '' ? nameOf(instruction, full) : `${nameOf(instruction, full)} ${operands}`;
}

/** With aq and rl, which are operands only to the encoding. */
function nameOf({ name, format }: Instruction, word: number): string {
  if (format !== 'amo' && format !== 'amo2') return name;
  const order = (word >>> 25) & 3;
  return `${name}${['', '.rl', '.aq', '.aqrl'][order]}`;
}

function operandsOf({ name, format, fp, extension }: Instruction, word: number, pc: bigint): string {
  const isFloat = fp !== false && (extension === 'f' || extension === 'd' || extension.startsWith('zf'));
  const file = (float: boolean): readonly string[] => (float ? F_NAMES : X_NAMES);
  const rd = file(isFloat && !isIntegerDestination(name))[rdOf(word)];
  const rs1 = file(isFloat && !isIntegerSource(name))[rs1Of(word)];
  const rs2 = file(isFloat)[rs2Of(word)];
  const base = X_NAMES[rs1Of(word)];
  const immediate = immediateOf(format, word);
  const target = (): string => `0x${BigInt.asUintN(64, pc + BigInt(immediate)).toString(16)}`;
  const rounding = ROUNDING[rmOf(word)];
  switch (format) {
    case 'r':
      return `${rd},${rs1},${rs2}`;
    case 'r2':
      return `${rd},${rs1}`;
    case 'r4':
      return `${rd},${rs1},${rs2},${F_NAMES[rs3Of(word)]},${rounding}`;
    case 'rm':
      return `${rd},${rs1},${rs2},${rounding}`;
    case 'rm2':
      return `${rd},${rs1},${rounding}`;
    case 'i': {
      const opcode = word & 127;
      if (opcode === OPCODE_FENCE) return name === 'fence' ? fenceOf(word) : '';
      if (opcode === OPCODE_LOAD || opcode === OPCODE_LOAD_FLOAT || opcode === OPCODE_JALR) return `${rd},${immediate}(${base})`;
      return `${rd},${rs1},${immediate}`;
    }
    case 'shift':
    case 'shiftw':
      return `${rd},${rs1},0x${immediate.toString(16)}`;
    case 's':
      return `${(word & 127) === OPCODE_STORE_FLOAT ? F_NAMES[rs2Of(word)] : X_NAMES[rs2Of(word)]},${immediate}(${base})`;
    case 'b':
      return `${rs1},${rs2},${target()}`;
    case 'u':
      return `${rd},0x${(word >>> 12).toString(16)}`;
    case 'j':
      return `${rd},${target()}`;
    case 'csr':
      return `${rd},${csrName(immediate)},${rs1}`;
    case 'csri':
      return `${rd},${csrName(immediate)},${rs1Of(word)}`;
    case 'amo':
      return `${rd},${rs2},(${base})`;
    case 'amo2':
      return `${rd},(${base})`;
    case 'block':
      return `(${base})`;
    case 'fence':
      return `${rs1},${rs2}`;
    case 'none':
      return '';
  }
}

function fenceOf(word: number): string {
  const letters = (bits: number): string => [...'iorw'].filter((_, i) => bits & (8 >> i)).join('') || '0';
  return `${letters((word >>> 24) & 15)},${letters((word >>> 20) & 15)}`;
}
