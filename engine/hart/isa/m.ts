import type { I32, I64 } from '../../wasm/emitter';
import { bits, extension, type Context } from './instruction';

/** Integer multiplication and division (unprivileged ISA §12). */
const { list, def } = extension('m', { pure: true });

const low = (c: Context, value: I64): I32 => c.e.i32.wrap(value);

def('mul', 'r', bits(0x33, 0, 1), (c) => c.rd(c.e.i64.mul(c.rs1(), c.rs2())));
def('mulh', 'r', bits(0x33, 1, 1), (c) => c.rd(c.call('mulh', c.rs1(), c.rs2())));
def('mulhsu', 'r', bits(0x33, 2, 1), (c) => c.rd(c.call('mulhsu', c.rs1(), c.rs2())));
def('mulhu', 'r', bits(0x33, 3, 1), (c) => c.rd(c.call('mulhu', c.rs1(), c.rs2())));
def('mulw', 'r', bits(0x3b, 0, 1), (c) => c.rd(c.e.i64.extend_s(c.e.i32.mul(low(c, c.rs1()), low(c, c.rs2())))));

/**
 * wasm traps where RISC-V defines a result, so an unusable divisor is replaced by 1: x / 1 and x % 1 are already right for
 * overflow (MIN / -1), and division by zero is put right afterwards.
 */
function divide64(c: Context, signed: boolean, remainder: boolean): void {
  const { e } = c;
  const { i64, i32 } = e;
  const a = e.keep(c.rs1());
  const b = e.keep(c.rs2());
  const overflow = (): I32 => i32.and(i64.eq(e.get(b), i64.const(-1)), i64.eq(e.get(a), i64.constHalves(0, 0x80000000)));
  const unusable = (): I32 => (signed ? i32.or(i64.eqz(e.get(b)), overflow()) : i64.eqz(e.get(b)));
  const divisor = (): I64 => e.select(i64.const(1), e.get(b), unusable());
  const whenZero = (): I64 => (remainder ? e.get(a) : i64.const(-1));
  const result = (): I64 => {
    if (remainder) return signed ? i64.rem_s(e.get(a), divisor()) : i64.rem_u(e.get(a), divisor());
    return signed ? i64.div_s(e.get(a), divisor()) : i64.div_u(e.get(a), divisor());
  };
  c.rd(e.select(whenZero(), result(), i64.eqz(e.get(b))));
}

function divide32(c: Context, signed: boolean, remainder: boolean): void {
  const { e } = c;
  const { i64, i32 } = e;
  const a = e.keep(low(c, c.rs1()));
  const b = e.keep(low(c, c.rs2()));
  const overflow = (): I32 => i32.and(i32.eq(e.get(b), i32.const(-1)), i32.eq(e.get(a), i32.const(0x80000000)));
  const unusable = (): I32 => (signed ? i32.or(i32.eqz(e.get(b)), overflow()) : i32.eqz(e.get(b)));
  const divisor = (): I32 => e.select(i32.const(1), e.get(b), unusable());
  const whenZero = (): I32 => (remainder ? e.get(a) : i32.const(-1));
  const result = (): I32 => {
    if (remainder) return signed ? i32.rem_s(e.get(a), divisor()) : i32.rem_u(e.get(a), divisor());
    return signed ? i32.div_s(e.get(a), divisor()) : i32.div_u(e.get(a), divisor());
  };
  c.rd(i64.extend_s(e.select(whenZero(), result(), i32.eqz(e.get(b)))));
}

def('div', 'r', bits(0x33, 4, 1), (c) => divide64(c, true, false));
def('divu', 'r', bits(0x33, 5, 1), (c) => divide64(c, false, false));
def('rem', 'r', bits(0x33, 6, 1), (c) => divide64(c, true, true));
def('remu', 'r', bits(0x33, 7, 1), (c) => divide64(c, false, true));
def('divw', 'r', bits(0x3b, 4, 1), (c) => divide32(c, true, false));
def('divuw', 'r', bits(0x3b, 5, 1), (c) => divide32(c, false, false));
def('remw', 'r', bits(0x3b, 6, 1), (c) => divide32(c, true, true));
def('remuw', 'r', bits(0x3b, 7, 1), (c) => divide32(c, false, true));

export const m = list;
