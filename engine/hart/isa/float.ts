import type { Emitter, F32, F64, I32, I64, Label, Local } from '../../wasm/emitter';
import { bits, extension, type Context, type Instruction } from './instruction';

/**
 * Single and double precision (unprivileged ISA §20, §21), described once for both. Arithmetic that rounds or raises flags is done
 * by the helpers of softfloat.ts. Where a context can, it tries wasm's own operations first; what is emitted for that says which of
 * their results stand: those that could have raised no flag but NX.
 */
type Precision = 'f32' | 'f64';

/** Rounding modes (unprivileged ISA §20.2). */
const RNE = 0;
const RTZ = 1;
const RDN = 2;
const RUP = 3;

/** To the type checker everything is a double: the operations have the same names for both formats. */
const numbers = (c: Context, p: Precision): Emitter['f64'] => c.e[p] as Emitter['f64'];

/** The exponent field of a result. In integer registers: V8 makes constants for comparisons of numbers anew each time. */
function exponent(c: Context, p: Precision, value: F64): I32 {
  const { i32, i64 } = c.e;
  if (p === 'f32') return i32.and(i32.shr_u(i32.reinterpret(value as unknown as F32), i32.const(23)), i32.const(0xff));
  return i32.and(i32.wrap(i64.shr_u(i64.reinterpret(value), i64.const(52))), i32.const(0x7ff));
}
const EXPONENT_MAX = { f32: 0xff, f64: 0x7ff };

/** A native result that is finite: it did not overflow, divide by zero, or come from a NaN or an infinity. */
function finite(c: Context, p: Precision, giveUp: Label, value: F64): F64 {
  const { e } = c;
  const result = e.keep(value);
  e.brIf(giveUp, e.i32.eq(exponent(c, p, e.get(result)), e.i32.const(EXPONENT_MAX[p])), 'unlikely');
  return e.get(result);
}

/**
 * A finite native result beyond the smallest binade, where it could have been tiny before it was rounded (§20.2); or one of which
 * `exact` says that it is exact.
 */
function normal(c: Context, p: Precision, giveUp: Label, value: F64, exact?: (result: F64) => I32): F64 {
  const { e } = c;
  const { i32 } = e;
  const result = e.keep(value);
  const outside = i32.ge_u(i32.sub(exponent(c, p, e.get(result)), i32.const(2)), i32.const(EXPONENT_MAX[p] - 2));
  if (exact) e.if(outside, () => e.brIf(giveUp, i32.eqz(exact(e.get(result)))));
  else e.brIf(giveUp, outside, 'unlikely');
  return e.get(result);
}

function define(p: Precision): Instruction[] {
  const { list, def } = extension(p === 'f32' ? 'f' : 'd', { fp: 'dirty' });
  const single = p === 'f32';
  const fmt = single ? 0 : 1;
  const suffix = single ? 's' : 'd';
  const code = (funct5: number, funct3 = 0, rs2 = 0): number => (bits(0x53, funct3, (funct5 << 2) | fmt) | (rs2 << 20)) >>> 0;

  const number = (c: Context): Emitter['f64'] => numbers(c, p);
  const integer = (c: Context): Emitter['i64'] => (single ? (c.e.i32 as unknown) : c.e.i64) as Emitter['i64'];
  const vectors = (c: Context): Emitter['f64x2'] => (single ? (c.e.f32x4 as unknown) : c.e.f64x2) as Emitter['f64x2'];
  const n1 = (c: Context): F64 => c.fs1(p) as F64;
  const n2 = (c: Context): F64 => c.fs2(p) as F64;
  const n3 = (c: Context): F64 => c.fs3(p) as F64;
  /** The operands as the helpers take them. */
  const raw = single ? 'i32' : 'i64';
  const b1 = (c: Context): I64 => c.fs1(raw) as I64;
  const b2 = (c: Context): I64 => c.fs2(raw) as I64;
  const b3 = (c: Context): I64 => c.fs3(raw) as I64;
  const sign = (c: Context): I64 => (single ? (c.e.i32.const(0x80000000) as unknown as I64) : c.e.i64.constHalves(0, 0x80000000));

  /** Gives up if an operand is NaN (or, at no loss, where two infinities meet). */
  const ordered = (c: Context, giveUp: Label, a: Local<F64>, b: Local<F64>): void => {
    const sum = c.e.keep(number(c).add(c.e.get(a), c.e.get(b)));
    c.e.brIf(giveUp, number(c).ne(c.e.get(sum), c.e.get(sum)), 'unlikely');
  };

  const address = (c: Context): I64 => c.e.i64.add(c.rs1(), c.imm());
  def(single ? 'flw' : 'fld', 'i', bits(0x07, 2 + fmt), (c) => c.loadFloat(p, address(c)));
  def(single ? 'fsw' : 'fsd', 's', bits(0x27, 2 + fmt), (c) => c.storeFloat(p, address(c)), { fp: 'clean' });

  const fused = (name: string, opcode: number, negateProduct: boolean, negateAddend: boolean): void => {
    def(`${name}.${suffix}`, 'r4', (opcode | (fmt << 25)) >>> 0, (c) => {
      const { e } = c;
      const first = (): F64 => (negateProduct ? number(c).neg(n1(c)) : n1(c));
      const third = (): F64 => (negateAddend ? number(c).neg(n3(c)) : n3(c));
      const exactly = (): I32 | I64 =>
        c.call(
          `${p}_fma`,
          negateProduct ? integer(c).xor(b1(c), sign(c)) : b1(c),
          b2(c),
          negateAddend ? integer(c).xor(b3(c), sign(c)) : b3(c),
          c.rm(),
        );
      const attempt = (giveUp: Label): F64 => {
        if (c.fusesMultiplyAdd) {
          const x = vectors(c);
          return normal(c, p, giveUp, x.extract0(x.relaxed_madd(x.splat(first()), x.splat(n2(c)), x.splat(third()))));
        }
        // The product of singles is an exact double. Rounding the sum twice goes wrong only where the first rounding lands on the
        // middle between two singles.
        const wide = (value: F64): F64 => e.f64.promote(value as unknown as F32);
        const sum = e.keep(e.f64.add(e.f64.mul(wide(first()), wide(n2(c))), wide(third())));
        const below = e.i32.and(e.i32.wrap(e.i64.reinterpret(e.get(sum))), e.i32.const(0x1fffffff));
        e.brIf(giveUp, e.i32.eq(below, e.i32.const(0x10000000)), 'unlikely');
        return normal(c, p, giveUp, e.f32.demote(e.get(sum)) as unknown as F64);
      };
      c.fd(single || c.fusesMultiplyAdd ? c.native(attempt, exactly, [RNE]) : exactly());
    });
  };
  fused('fmadd', 0x43, false, false);
  fused('fmsub', 0x47, false, true);
  fused('fnmsub', 0x4b, true, false);
  fused('fnmadd', 0x4f, true, true);

  (['add', 'sub', 'mul', 'div'] as const).forEach((op, i) => {
    def(`f${op}.${suffix}`, 'rm', code(i), (c) => {
      const attempt = (giveUp: Label): F64 => {
        const { e } = c;
        const a = e.keep(n1(c));
        const b = e.keep(n2(c));
        const value = number(c)[op](e.get(a), e.get(b));
        // Small sums are exact.
        if (op === 'add' || op === 'sub') return finite(c, p, giveUp, value);
        if (op === 'div') return normal(c, p, giveUp, value);
        const isZero = (operand: F64): I32 => number(c).eq(operand, number(c).const(0));
        return normal(c, p, giveUp, value, (result) => e.i32.and(isZero(result), e.i32.or(isZero(e.get(a)), isZero(e.get(b)))));
      };
      c.fd(c.native(attempt, () => c.call(`${p}_${op}`, b1(c), b2(c), c.rm()), [RNE]));
    });
  });
  def(`fsqrt.${suffix}`, 'rm2', code(11), (c) =>
    c.fd(
      c.native(
        (giveUp) => {
          // V8's scalar root waits for whatever was last in the register that it writes (vsqrtsd keeps its upper half).
          const x = vectors(c);
          return finite(c, p, giveUp, x.extract0(x.sqrt(x.splat(n1(c)))));
        },
        () => c.call(`${p}_sqrt`, b1(c), c.rm()),
        [RNE],
      ),
    ),
  );

  // Where both operands are one register these are fmv, fneg and fabs.
  def(`fsgnj.${suffix}`, 'r', code(4, 0), (c) => c.fd(c.rs1IsRs2 ? n1(c) : number(c).copysign(n1(c), n2(c))));
  def(`fsgnjn.${suffix}`, 'r', code(4, 1), (c) =>
    c.fd(c.rs1IsRs2 ? number(c).neg(n1(c)) : number(c).copysign(n1(c), number(c).neg(n2(c)))),
  );
  def(`fsgnjx.${suffix}`, 'r', code(4, 2), (c) =>
    c.fd(c.rs1IsRs2 ? number(c).abs(n1(c)) : integer(c).xor(b1(c), integer(c).and(b2(c), sign(c)))),
  );
  (['min', 'max'] as const).forEach((op, funct3) => {
    def(`f${op}.${suffix}`, 'r', code(5, funct3), (c) => {
      const attempt = (giveUp: Label): F64 => {
        const result = c.e.keep(number(c)[op](n1(c), n2(c)));
        c.e.brIf(giveUp, number(c).ne(c.e.get(result), c.e.get(result)), 'unlikely');
        return c.e.get(result);
      };
      c.fd(c.native(attempt, () => c.call(`${p}_${op}`, b1(c), b2(c))));
    });
  });

  (['le', 'lt', 'eq'] as const).forEach((op, funct3) => {
    def(`f${op}.${suffix}`, 'r', code(20, funct3), (c) => {
      const attempt = (giveUp: Label): I32 => {
        const { e } = c;
        const a = e.keep(n1(c));
        const b = e.keep(n2(c));
        ordered(c, giveUp, a, b);
        return number(c)[op](e.get(a), e.get(b));
      };
      c.rd(c.e.i64.extend_u(c.native(attempt, () => c.call(`${p}_${op}`, b1(c), b2(c))) as I32));
    });
  });
  def(`fclass.${suffix}`, 'r2', code(28, 1), (c) => c.rd(c.e.i64.extend_u(c.call(`${p}_class`, b1(c)))));

  (['i32', 'u32', 'i64', 'u64'] as const).forEach((type, rs2) => {
    const letter = ['w', 'wu', 'l', 'lu'][rs2];
    const narrow = rs2 < 2;
    const signed = rs2 % 2 === 0;
    const suffixOf = signed ? '_s' : '_u';
    const range = 2 ** ((narrow ? 32 : 64) - (signed ? 1 : 0));
    def(`fcvt.${letter}.${suffix}`, 'rm2', code(24, 0, rs2), (c) => {
      const { e } = c;
      const attempt = (giveUp: Label, mode: number): I64 => {
        const round = mode === RNE ? 'nearest' : mode === RTZ ? 'trunc' : mode === RDN ? 'floor' : 'ceil';
        const whole = e.keep(number(c)[round](n1(c)));
        const get = (): F64 => (signed ? number(c).abs(e.get(whole)) : e.get(whole));
        e.brIf(giveUp, e.i32.eqz(number(c).lt(get(), number(c).const(range))), 'unlikely');
        if (!signed) e.brIf(giveUp, e.i32.eqz(number(c).ge(e.get(whole), number(c).const(0))), 'unlikely');
        const name = `trunc_${p}${suffixOf}` as 'trunc_f64_s';
        return narrow ? e.i64.extend_s(e.i32[name](e.get(whole))) : e.i64[name](e.get(whole));
      };
      c.rd(c.native(attempt, () => c.call(`${p}_to_${type}`, b1(c), c.rm()), [RNE, RTZ, RDN, RUP]) as I64);
    });
    const from = (c: Context): I32 | I64 => (narrow ? c.e.i32.wrap(c.rs1()) : c.rs1());
    const convert = (c: Context): F64 => number(c)[`convert_${narrow ? 'i32' : 'i64'}${suffixOf}` as 'convert_i64_s'](from(c) as I64);
    def(`fcvt.${suffix}.${letter}`, 'rm2', code(26, 0, rs2), (c) => {
      if (narrow && !single) {
        // Every 32-bit integer is a double: nothing to round, but a reserved rounding mode is illegal all the same.
        c.e.drop(c.rm());
        c.fd(convert(c));
      } else {
        c.fd(
          c.native(
            () => convert(c),
            () => c.call(`${type}_to_${p}` as 'i64_to_f64', from(c), c.rm()),
            [RNE],
          ),
        );
      }
    });
  });

  if (single) {
    def('fmv.x.w', 'r2', code(28, 0), (c) => c.rd(c.e.i64.extend32_s(c.fs1('i64'))));
    def('fmv.w.x', 'r2', code(30, 0), (c) => c.fd(c.e.i32.wrap(c.rs1())));
  } else {
    def('fmv.x.d', 'r2', code(28, 0), (c) => c.rd(c.fs1('i64')));
    def('fmv.d.x', 'r2', code(30, 0), (c) => c.fd(c.rs1()));
    def('fcvt.s.d', 'rm2', bits(0x53, 0, 0x20) | (1 << 20), (c) =>
      c.fd(
        c.native(
          (giveUp) => normal(c, 'f32', giveUp, c.e.f32.demote(c.fs1('f64')) as unknown as F64),
          () => c.call('f64_to_f32', c.fs1('i64'), c.rm()),
          [RNE],
        ),
      ),
    );
    def('fcvt.d.s', 'rm2', bits(0x53, 0, 0x21), (c) => {
      c.e.drop(c.rm());
      const attempt = (giveUp: Label): F64 => {
        const wide = c.e.keep(c.e.f64.promote(c.fs1('f32')));
        c.e.brIf(giveUp, c.e.f64.ne(c.e.get(wide), c.e.get(wide)), 'unlikely');
        return c.e.get(wide);
      };
      c.fd(c.native(attempt, () => c.call('f32_to_f64', c.fs1('i32'))));
    });
  }
  return list;
}

export const f = define('f32');
export const d = define('f64');
