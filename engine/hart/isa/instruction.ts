import type { Emitter, F32, F64, I32, I64, Label, Value } from '../../wasm/emitter';
import type { HostMemory } from '../../host/host-memory';
import type { HelperName, HelperResult } from '../helper-table';

/**
 * How an instruction's operands lie in its word (unprivileged ISA §2.2, §2.3, §13, §14).
 * `rm`: like R with a rounding mode in funct3. `amo2`: AMO without rs2. `csr`: the CSR number is the immediate, rs1 a register or a 5-bit constant.
 * `block`: rs1 alone. `fence`: rs1 and rs2.
 */
export type Format =
  | 'r'
  | 'r2'
  | 'r4'
  | 'rm'
  | 'rm2'
  | 'i'
  | 'shift'
  | 'shiftw'
  | 's'
  | 'b'
  | 'u'
  | 'j'
  | 'csr'
  | 'csri'
  | 'amo'
  | 'amo2'
  | 'block'
  | 'fence'
  | 'none';

/** The kinds of guest load; the number is what the helpers take: log2 of the bytes, +4 for zero extension. */
export const LOAD_KINDS = { b: 0, h: 1, w: 2, d: 3, bu: 4, hu: 5, wu: 6 } as const;
export type LoadKind = keyof typeof LOAD_KINDS;

/** What is done with a cache block; the numbers are those of the encoding. */
export const BLOCK_OPERATIONS = { inval: 0, clean: 1, flush: 2, zero: 4 } as const;
export type BlockOperation = (typeof BLOCK_OPERATIONS)[keyof typeof BLOCK_OPERATIONS];

/**
 * What a floating-point register may be read as: its 64 bits, a double, or a single (as number or bits), which is the canonical NaN
 * unless properly NaN-boxed (unprivileged ISA §21.2).
 */
export interface FloatViews {
  i64: I64;
  f64: F64;
  f32: F32;
  i32: I32;
}

/** log2 of an access's bytes. */
export type LogSize = 0 | 1 | 2 | 3;

/**
 * What an instruction's semantics are written against. The interpreter and the JIT each implement it: in one, operands come
 * from the decoded record, in the other they are constants and locals.
 */
export interface Context {
  readonly e: Emitter;
  rs1(): I64;
  rs2(): I64;
  rd(value: I64): void;
  fs1<V extends keyof FloatViews>(view: V): FloatViews[V];
  fs2<V extends keyof FloatViews>(view: V): FloatViews[V];
  fs3<V extends keyof FloatViews>(view: V): FloatViews[V];
  /** A single, number or bits, is NaN-boxed. */
  fd(value: I64 | F64 | F32 | I32): void;
  /** The sign-extended immediate. */
  imm(): I64;
  /** The immediate's low 32 bits: shift amounts, CSR numbers. */
  imm32(): I32;
  /** The immediate, where it is known while emitting. */
  readonly knownImmediate: number | undefined;
  /** The 5-bit constant of csrrwi and its kind. */
  constant(): I64;
  /** Whether rs1 and rs2 are known to be one register. */
  readonly rs1IsRs2: boolean;
  /** 1 if the rs1 or rs2 field names x0, else 0. */
  rs1IsZero(): I32;
  rs2IsZero(): I32;
  /** The rounding mode, 0 to 4; raises illegal instruction where it is reserved. */
  rm(): I32;
  pc(): I64;
  /** Address of the following instruction. */
  link(): I64;
  load(kind: LoadKind, address: I64): I64;
  store(size: LogSize, address: I64, value: I64): void;
  /** Load fd, store fs2. */
  loadFloat(format: 'f32' | 'f64', address: I64): void;
  storeFloat(format: 'f32' | 'f64', address: I64): void;
  /** What order the host keeps by itself. */
  readonly host: HostMemory;
  /** All accesses before come before all that follow, to whoever looks; nothing where the host keeps every order. */
  fence(): void;
  /** Where in the shared memory a naturally aligned, writable guest word lies, for wasm atomics. Faults as a store. */
  atomicAddress(size: 2 | 3, address: I64): I32;
  /** Do this with the cache block at an address. It may be forbidden; it faults as a store. */
  cacheBlock(operation: BlockOperation, address: I64): void;
  /** Jump to pc + imm if the condition is not zero. */
  branch(condition: I32): void;
  /** Jump to pc + imm. */
  jump(): void;
  jumpTo(target: I64): void;
  /** Call a helper that cannot fault. Its arguments must have been emitted as `args`. */
  call<N extends HelperName>(name: N, ...args: (I32 | I64)[]): HelperResult<N>;
  /**
   * A floating-point result by native arithmetic where that serves, else `exactly` by a helper. What `attempt` emits branches to
   * `giveUp` where its result cannot be taken. An instruction that rounds says for which rounding modes it knows a native way;
   * that is taken only while NX is set, so that inexact results raise nothing new.
   */
  native<T extends Value>(attempt: (giveUp: Label, mode: number) => T, exactly: () => I32 | I64, modes?: readonly number[]): T | I32 | I64;
  /** Whether the wasm engine's relaxed_madd rounds once. */
  readonly fusesMultiplyAdd: boolean;
  /** Call a helper that may raise a trap for this instruction. */
  callFaulting<N extends HelperName>(name: N, ...args: (I32 | I64)[]): HelperResult<N>;
  /** Access the CSR that the immediate names; `operation` as csr_access has it. It may raise a trap. */
  csr(operand: I64, operation: number): I64;
  /** Call a helper that changed privilege, translation or interrupt enables, or sets the next pc itself. */
  transfer(name: HelperName, ...args: (I32 | I64)[]): void;
  /** After a CSR write: privilege, translation or interrupt enables may have changed. */
  settle(): void;
}

export interface Instruction {
  /** Assembler mnemonic. */
  name: string;
  /** The extension that brings it, as in the ISA string: `i`, `m`, `zicsr`, … */
  extension: string;
  format: Format;
  mask: number;
  match: number;
  /** What it does to the pc: falls through, may branch, always goes elsewhere. */
  flow: 'next' | 'branch' | 'jump';
  /** Writes nothing but rd, so that with rd = x0 it is a no-op. */
  pure: boolean;
  /** Needs mstatus.FS ≠ Off; 'dirty' also makes it Dirty. */
  fp: false | 'clean' | 'dirty';
  emit: (c: Context) => void;
}

interface Options {
  flow?: Instruction['flow'];
  pure?: boolean;
  fp?: Instruction['fp'];
}

/** Operand fields of a format, as the mask of bits that do not identify the instruction. */
const OPERAND_BITS: Record<Format, number> = {
  r: 0x01ff8f80,
  r2: 0x000f8f80,
  r4: 0xf9ffff80,
  rm: 0x01ffff80,
  rm2: 0x000fff80,
  i: 0xffff8f80,
  shift: 0x03ff8f80,
  shiftw: 0x01ff8f80,
  s: 0xffff8f80,
  b: 0xffff8f80,
  u: 0xffffff80,
  j: 0xffffff80,
  csr: 0xffff8f80,
  csri: 0xffff8f80,
  amo: 0x07ff8f80,
  amo2: 0x060f8f80,
  block: 0x000f8000,
  fence: 0x01ff8000,
  none: 0,
};

/** Start a list of instructions of one extension. */
export function extension(name: string, defaults: Options = {}) {
  const list: Instruction[] = [];
  const def = (mnemonic: string, format: Format, match: number, emit: (c: Context) => void, options: Options = {}): void => {
    const o = { flow: 'next' as const, pure: false, fp: false as const, ...defaults, ...options };
    list.push({
      name: mnemonic,
      extension: name,
      format,
      match: match >>> 0,
      mask: ~OPERAND_BITS[format] >>> 0,
      emit,
      flow: o.flow,
      pure: o.pure,
      fp: o.fp,
    });
  };
  return { list, def };
}

/** Major opcode, funct3 and funct7 in their places. */
export function bits(opcode: number, funct3 = 0, funct7 = 0): number {
  return (opcode | (funct3 << 12) | (funct7 << 25)) >>> 0;
}

// ---- operand fields --------------------------------------------------------------------------------------------

export const rdOf = (w: number): number => (w >>> 7) & 31;
export const rs1Of = (w: number): number => (w >>> 15) & 31;
export const rs2Of = (w: number): number => (w >>> 20) & 31;
export const rs3Of = (w: number): number => w >>> 27;
export const rmOf = (w: number): number => (w >>> 12) & 7;

/** The immediate of an instruction word, sign-extended to 32 bits; of `amo2` aq and rl, as bits 1 and 0; 0 where the format has none. */
export function immediateOf(format: Format, w: number): number {
  switch (format) {
    case 'i':
      return w >> 20;
    case 'shift':
      return (w >>> 20) & 63;
    case 'shiftw':
      return (w >>> 20) & 31;
    case 's':
      return ((w >> 25) << 5) | ((w >>> 7) & 31);
    case 'b':
      return ((w >> 31) << 12) | ((w << 4) & 0x800) | ((w >>> 20) & 0x7e0) | ((w >>> 7) & 0x1e);
    case 'u':
      return w & 0xfffff000;
    case 'j':
      return ((w >> 31) << 20) | (w & 0xff000) | ((w >>> 9) & 0x800) | ((w >>> 20) & 0x7fe);
    case 'csr':
    case 'csri':
      return w >>> 20;
    case 'amo2':
      return (w >>> 25) & 3;
    default:
      return 0;
  }
}
