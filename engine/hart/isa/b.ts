import type { I32, I64 } from '../../wasm/emitter';
import { bits, extension, type Context } from './instruction';

/** Bit manipulation (unprivileged ISA §28): Zba, Zbb, Zbc, Zbs; and Zicond, which chooses (§11). */
const zba = extension('zba', { pure: true });
const zbb = extension('zbb', { pure: true });
const zbc = extension('zbc', { pure: true });
const zbs = extension('zbs', { pure: true });
const zicond = extension('zicond', { pure: true });

const low = (c: Context, value: I64): I32 => c.e.i32.wrap(value);
const zext32 = (c: Context, value: I64): I64 => c.e.i64.extend_u(c.e.i32.wrap(value));
const sext32 = (c: Context, value: I32): I64 => c.e.i64.extend_s(value);
const unary = (opcode: number, funct3: number, funct12: number): number => (bits(opcode, funct3) | (funct12 << 20)) >>> 0;

[1, 2, 3].forEach((n) => {
  const funct3 = n * 2;
  zba.def(`sh${n}add`, 'r', bits(0x33, funct3, 0x10), (c) => c.rd(c.e.i64.add(c.e.i64.shl(c.rs1(), c.e.i64.const(n)), c.rs2())));
  zba.def(`sh${n}add.uw`, 'r', bits(0x3b, funct3, 0x10), (c) =>
    c.rd(c.e.i64.add(c.e.i64.shl(zext32(c, c.rs1()), c.e.i64.const(n)), c.rs2())),
  );
});
zba.def('add.uw', 'r', bits(0x3b, 0, 0x04), (c) => c.rd(c.e.i64.add(zext32(c, c.rs1()), c.rs2())));
zba.def('slli.uw', 'shift', bits(0x1b, 1, 0x04), (c) => c.rd(c.e.i64.shl(zext32(c, c.rs1()), c.imm())));

const not = (c: Context, value: I64): I64 => c.e.i64.xor(value, c.e.i64.const(-1));
zbb.def('andn', 'r', bits(0x33, 7, 0x20), (c) => c.rd(c.e.i64.and(c.rs1(), not(c, c.rs2()))));
zbb.def('orn', 'r', bits(0x33, 6, 0x20), (c) => c.rd(c.e.i64.or(c.rs1(), not(c, c.rs2()))));
zbb.def('xnor', 'r', bits(0x33, 4, 0x20), (c) => c.rd(not(c, c.e.i64.xor(c.rs1(), c.rs2()))));
zbb.def('clz', 'r2', unary(0x13, 1, 0x600), (c) => c.rd(c.e.i64.clz(c.rs1())));
zbb.def('ctz', 'r2', unary(0x13, 1, 0x601), (c) => c.rd(c.e.i64.ctz(c.rs1())));
zbb.def('cpop', 'r2', unary(0x13, 1, 0x602), (c) => c.rd(c.e.i64.popcnt(c.rs1())));
zbb.def('clzw', 'r2', unary(0x1b, 1, 0x600), (c) => c.rd(c.e.i64.extend_u(c.e.i32.clz(low(c, c.rs1())))));
zbb.def('ctzw', 'r2', unary(0x1b, 1, 0x601), (c) => c.rd(c.e.i64.extend_u(c.e.i32.ctz(low(c, c.rs1())))));
zbb.def('cpopw', 'r2', unary(0x1b, 1, 0x602), (c) => c.rd(c.e.i64.extend_u(c.e.i32.popcnt(low(c, c.rs1())))));
zbb.def('sext.b', 'r2', unary(0x13, 1, 0x604), (c) => c.rd(c.e.i64.extend8_s(c.rs1())));
zbb.def('sext.h', 'r2', unary(0x13, 1, 0x605), (c) => c.rd(c.e.i64.extend16_s(c.rs1())));
zbb.def('zext.h', 'r2', unary(0x3b, 4, 0x080), (c) => c.rd(c.e.i64.and(c.rs1(), c.e.i64.const(0xffff))));

const extremes = [
  ['min', 4, 'lt_s'],
  ['minu', 5, 'lt_u'],
  ['max', 6, 'gt_s'],
  ['maxu', 7, 'gt_u'],
] as const;
for (const [name, funct3, compare] of extremes) {
  zbb.def(name, 'r', bits(0x33, funct3, 0x05), (c) => c.rd(c.e.select(c.rs1(), c.rs2(), c.e.i64[compare](c.rs1(), c.rs2()))));
}

zbb.def('rol', 'r', bits(0x33, 1, 0x30), (c) => c.rd(c.e.i64.rotl(c.rs1(), c.rs2())));
zbb.def('ror', 'r', bits(0x33, 5, 0x30), (c) => c.rd(c.e.i64.rotr(c.rs1(), c.rs2())));
zbb.def('rori', 'shift', bits(0x13, 5, 0x30), (c) => c.rd(c.e.i64.rotr(c.rs1(), c.imm())));
zbb.def('rolw', 'r', bits(0x3b, 1, 0x30), (c) => c.rd(sext32(c, c.e.i32.rotl(low(c, c.rs1()), low(c, c.rs2())))));
zbb.def('rorw', 'r', bits(0x3b, 5, 0x30), (c) => c.rd(sext32(c, c.e.i32.rotr(low(c, c.rs1()), low(c, c.rs2())))));
zbb.def('roriw', 'shiftw', bits(0x1b, 5, 0x30), (c) => c.rd(sext32(c, c.e.i32.rotr(low(c, c.rs1()), c.imm32()))));
zbb.def('rev8', 'r2', unary(0x13, 5, 0x6b8), (c) => c.rd(c.call('byte_swap', c.rs1())));
zbb.def('orc.b', 'r2', unary(0x13, 5, 0x287), (c) => c.rd(c.call('or_combine', c.rs1())));

zbc.def('clmul', 'r', bits(0x33, 1, 0x05), (c) => c.rd(c.call('clmul', c.rs1(), c.rs2())));
zbc.def('clmulr', 'r', bits(0x33, 2, 0x05), (c) => c.rd(c.call('clmulr', c.rs1(), c.rs2())));
zbc.def('clmulh', 'r', bits(0x33, 3, 0x05), (c) => c.rd(c.e.i64.shr_u(c.call('clmulr', c.rs1(), c.rs2()), c.e.i64.const(1))));

/** Zbs comes with a register and an immediate form of each instruction. */
function singleBit(name: string, funct3: number, funct7: number, op: (c: Context, index: () => I64) => I64): void {
  zbs.def(name, 'r', bits(0x33, funct3, funct7), (c) => c.rd(op(c, () => c.rs2())));
  zbs.def(`${name}i`, 'shift', bits(0x13, funct3, funct7), (c) => c.rd(op(c, () => c.imm())));
}
const bit = (c: Context, index: () => I64): I64 => c.e.i64.shl(c.e.i64.const(1), index());
singleBit('bclr', 1, 0x24, (c, index) => c.e.i64.and(c.rs1(), not(c, bit(c, index))));
singleBit('bext', 5, 0x24, (c, index) => c.e.i64.and(c.e.i64.shr_u(c.rs1(), index()), c.e.i64.const(1)));
singleBit('binv', 1, 0x34, (c, index) => c.e.i64.xor(c.rs1(), bit(c, index)));
singleBit('bset', 1, 0x14, (c, index) => c.e.i64.or(c.rs1(), bit(c, index)));

zicond.def('czero.eqz', 'r', bits(0x33, 5, 0x07), (c) => c.rd(c.e.select(c.e.i64.const(0), c.rs1(), c.e.i64.eqz(c.rs2()))));
zicond.def('czero.nez', 'r', bits(0x33, 7, 0x07), (c) => c.rd(c.e.select(c.rs1(), c.e.i64.const(0), c.e.i64.eqz(c.rs2()))));

export const b = [...zba.list, ...zbb.list, ...zbc.list, ...zbs.list, ...zicond.list];
