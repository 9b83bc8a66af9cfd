import type { I32, I64 } from '../../wasm/emitter';
import { bits, extension, type Context, type Instruction } from './instruction';

/**
 * Single and double precision (unprivileged ISA §20, §21), described once for both. Registers hold raw bits; arithmetic
 * that rounds or raises flags is done by the helpers of softfloat.ts, which go the native way where that is exact.
 */
type Precision = 'f32' | 'f64';

/** A single-precision operand: its low half if properly NaN-boxed, else the canonical NaN (§21.2). */
function unbox(c: Context, raw: I64): I32 {
  const { e } = c;
  const value = e.keep(raw);
  return e.select(
    e.i32.wrap(e.get(value)),
    e.i32.const(0x7fc00000),
    e.i64.eq(e.i64.shr_u(e.get(value), e.i64.const(32)), e.i64.constHalves(-1, 0)),
  );
}

function box(c: Context, value: I32): I64 {
  return c.e.i64.or(c.e.i64.extend_u(value), c.e.i64.constHalves(0, -1));
}

function define(p: Precision): Instruction[] {
  const { list, def } = extension(p === 'f32' ? 'f' : 'd', { fp: 'dirty' });
  const single = p === 'f32';
  const fmt = single ? 0 : 1;
  const suffix = single ? 's' : 'd';
  const code = (funct5: number, funct3 = 0, rs2 = 0): number => (bits(0x53, funct3, (funct5 << 2) | fmt) | (rs2 << 20)) >>> 0;

  const operand = (c: Context, raw: I64): I32 | I64 => (single ? unbox(c, raw) : raw);
  const result = (c: Context, value: I32 | I64): void => c.fd(single ? box(c, value as I32) : (value as I64));
  const sign = (c: Context): I32 | I64 => (single ? c.e.i32.const(0x80000000) : c.e.i64.constHalves(0, 0x80000000));
  const magnitude = (c: Context): I32 | I64 => (single ? c.e.i32.const(0x7fffffff) : c.e.i64.constHalves(-1, 0x7fffffff));
  const xor = (c: Context, a: I32 | I64, b: I32 | I64): I32 | I64 =>
    single ? c.e.i32.xor(a as I32, b as I32) : c.e.i64.xor(a as I64, b as I64);
  const and = (c: Context, a: I32 | I64, b: I32 | I64): I32 | I64 =>
    single ? c.e.i32.and(a as I32, b as I32) : c.e.i64.and(a as I64, b as I64);
  const or = (c: Context, a: I32 | I64, b: I32 | I64): I32 | I64 =>
    single ? c.e.i32.or(a as I32, b as I32) : c.e.i64.or(a as I64, b as I64);
  const negate = (c: Context, value: I32 | I64): I32 | I64 => xor(c, value, sign(c));

  if (single) {
    def('flw', 'i', bits(0x07, 2), (c) => c.fd(c.e.i64.or(c.load('wu', c.e.i64.add(c.rs1(), c.imm())), c.e.i64.constHalves(0, -1))));
    def('fsw', 's', bits(0x27, 2), (c) => c.store(2, c.e.i64.add(c.rs1(), c.imm()), c.fs2()), { fp: 'clean' });
  } else {
    def('fld', 'i', bits(0x07, 3), (c) => c.fd(c.load('d', c.e.i64.add(c.rs1(), c.imm()))));
    def('fsd', 's', bits(0x27, 3), (c) => c.store(3, c.e.i64.add(c.rs1(), c.imm()), c.fs2()), { fp: 'clean' });
  }

  const fused = (name: string, opcode: number, negateProduct: boolean, negateAddend: boolean): void => {
    def(`${name}.${suffix}`, 'r4', (opcode | (fmt << 25)) >>> 0, (c) => {
      const first = (): I32 | I64 => (negateProduct ? negate(c, operand(c, c.fs1())) : operand(c, c.fs1()));
      const third = (): I32 | I64 => (negateAddend ? negate(c, operand(c, c.fs3())) : operand(c, c.fs3()));
      result(c, c.call(`${p}_fma`, first(), operand(c, c.fs2()), third(), c.rm()));
    });
  };
  fused('fmadd', 0x43, false, false);
  fused('fmsub', 0x47, false, true);
  fused('fnmsub', 0x4b, true, false);
  fused('fnmadd', 0x4f, true, true);

  (['add', 'sub', 'mul', 'div'] as const).forEach((op, i) => {
    def(`f${op}.${suffix}`, 'rm', code(i), (c) => result(c, c.call(`${p}_${op}`, operand(c, c.fs1()), operand(c, c.fs2()), c.rm())));
  });
  def(`fsqrt.${suffix}`, 'rm2', code(11), (c) => result(c, c.call(`${p}_sqrt`, operand(c, c.fs1()), c.rm())));

  def(`fsgnj.${suffix}`, 'r', code(4, 0), (c) =>
    result(c, or(c, and(c, operand(c, c.fs1()), magnitude(c)), and(c, operand(c, c.fs2()), sign(c)))),
  );
  def(`fsgnjn.${suffix}`, 'r', code(4, 1), (c) =>
    result(c, or(c, and(c, operand(c, c.fs1()), magnitude(c)), and(c, negate(c, operand(c, c.fs2())), sign(c)))),
  );
  def(`fsgnjx.${suffix}`, 'r', code(4, 2), (c) => result(c, xor(c, operand(c, c.fs1()), and(c, operand(c, c.fs2()), sign(c)))));
  def(`fmin.${suffix}`, 'r', code(5, 0), (c) => result(c, c.call(`${p}_min`, operand(c, c.fs1()), operand(c, c.fs2()))));
  def(`fmax.${suffix}`, 'r', code(5, 1), (c) => result(c, c.call(`${p}_max`, operand(c, c.fs1()), operand(c, c.fs2()))));

  (['le', 'lt', 'eq'] as const).forEach((op, funct3) => {
    def(`f${op}.${suffix}`, 'r', code(20, funct3), (c) =>
      c.rd(c.e.i64.extend_u(c.call(`${p}_${op}`, operand(c, c.fs1()), operand(c, c.fs2())))),
    );
  });
  def(`fclass.${suffix}`, 'r2', code(28, 1), (c) => c.rd(c.e.i64.extend_u(c.call(`${p}_class`, operand(c, c.fs1())))));

  (['i32', 'u32', 'i64', 'u64'] as const).forEach((integer, rs2) => {
    const letter = ['w', 'wu', 'l', 'lu'][rs2];
    def(`fcvt.${letter}.${suffix}`, 'rm2', code(24, 0, rs2), (c) => c.rd(c.call(`${p}_to_${integer}`, operand(c, c.fs1()), c.rm())));
    const from = (c: Context): I32 | I64 => (rs2 < 2 ? c.e.i32.wrap(c.rs1()) : c.rs1());
    // Every 32-bit integer is a double: nothing to round.
    // Exact conversions need no rounding mode, but a reserved one is illegal all the same.
    const exact = !single && rs2 < 2;
    def(`fcvt.${suffix}.${letter}`, 'rm2', code(26, 0, rs2), (c) => {
      if (exact) c.e.drop(c.rm());
      result(c, c.call(`${integer}_to_${p}`, from(c), ...(exact ? [] : [c.rm()])));
    });
  });

  if (single) {
    def('fmv.x.w', 'r2', code(28, 0), (c) => c.rd(c.e.i64.extend32_s(c.fs1())));
    def('fmv.w.x', 'r2', code(30, 0), (c) => c.fd(c.e.i64.or(c.rs1(), c.e.i64.constHalves(0, -1))));
  } else {
    def('fmv.x.d', 'r2', code(28, 0), (c) => c.rd(c.fs1()));
    def('fmv.d.x', 'r2', code(30, 0), (c) => c.fd(c.rs1()));
    def('fcvt.s.d', 'rm2', bits(0x53, 0, 0x20) | (1 << 20), (c) => c.fd(box(c, c.call('f64_to_f32', c.fs1(), c.rm()))));
    def('fcvt.d.s', 'rm2', bits(0x53, 0, 0x21), (c) => {
      c.e.drop(c.rm());
      c.fd(c.call('f32_to_f64', unbox(c, c.fs1())));
    });
  }
  return list;
}

export const f = define('f32');
export const d = define('f64');
