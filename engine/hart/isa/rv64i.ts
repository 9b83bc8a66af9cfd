import type { I32, I64 } from '../../wasm/emitter';
import { bits, extension, type Context, type LoadKind, type LogSize } from './instruction';

/** RV64I (unprivileged ISA §2, §4), except for the system instructions. */
const { list, def } = extension('i');

const pure = { pure: true };
const sext32 = (c: Context, value: I32): I64 => c.e.i64.extend_s(value);
const low = (c: Context, value: I64): I32 => c.e.i32.wrap(value);
const shamt64 = (c: Context): I64 => c.imm();

def('lui', 'u', 0x37, (c) => c.rd(c.imm()), pure);
def('auipc', 'u', 0x17, (c) => c.rd(c.e.i64.add(c.pc(), c.imm())), pure);

def(
  'jal',
  'j',
  0x6f,
  (c) => {
    c.rd(c.link());
    c.jump();
  },
  { flow: 'jump' },
);
def(
  'jalr',
  'i',
  bits(0x67, 0),
  (c) => {
    const { e } = c;
    const target = e.keep(e.i64.and(e.i64.add(c.rs1(), c.imm()), e.i64.const(-2)));
    c.rd(c.link());
    c.jumpTo(e.get(target));
  },
  { flow: 'jump' },
);

const branch = (name: string, funct3: number, compare: (c: Context) => I32): void => {
  def(name, 'b', bits(0x63, funct3), (c) => c.branch(compare(c)), { flow: 'branch' });
};
branch('beq', 0, (c) => c.e.i64.eq(c.rs1(), c.rs2()));
branch('bne', 1, (c) => c.e.i64.ne(c.rs1(), c.rs2()));
branch('blt', 4, (c) => c.e.i64.lt_s(c.rs1(), c.rs2()));
branch('bge', 5, (c) => c.e.i64.ge_s(c.rs1(), c.rs2()));
branch('bltu', 6, (c) => c.e.i64.lt_u(c.rs1(), c.rs2()));
branch('bgeu', 7, (c) => c.e.i64.ge_u(c.rs1(), c.rs2()));

(['b', 'h', 'w', 'd', 'bu', 'hu', 'wu'] as LoadKind[]).forEach((kind, funct3) => {
  def(`l${kind}`, 'i', bits(0x03, funct3), (c) => c.rd(c.load(kind, c.e.i64.add(c.rs1(), c.imm()))));
});
['sb', 'sh', 'sw', 'sd'].forEach((name, size) => {
  def(name, 's', bits(0x23, size), (c) => c.store(size as LogSize, c.e.i64.add(c.rs1(), c.imm()), c.rs2()));
});

def('addi', 'i', bits(0x13, 0), (c) => c.rd(c.e.i64.add(c.rs1(), c.imm())), pure);
def('slti', 'i', bits(0x13, 2), (c) => c.rd(c.e.i64.extend_u(c.e.i64.lt_s(c.rs1(), c.imm()))), pure);
def('sltiu', 'i', bits(0x13, 3), (c) => c.rd(c.e.i64.extend_u(c.e.i64.lt_u(c.rs1(), c.imm()))), pure);
def('xori', 'i', bits(0x13, 4), (c) => c.rd(c.e.i64.xor(c.rs1(), c.imm())), pure);
def('ori', 'i', bits(0x13, 6), (c) => c.rd(c.e.i64.or(c.rs1(), c.imm())), pure);
def('andi', 'i', bits(0x13, 7), (c) => c.rd(c.e.i64.and(c.rs1(), c.imm())), pure);
def('slli', 'shift', bits(0x13, 1), (c) => c.rd(c.e.i64.shl(c.rs1(), shamt64(c))), pure);
def('srli', 'shift', bits(0x13, 5), (c) => c.rd(c.e.i64.shr_u(c.rs1(), shamt64(c))), pure);
def('srai', 'shift', bits(0x13, 5, 0x20), (c) => c.rd(c.e.i64.shr_s(c.rs1(), shamt64(c))), pure);

// wasm takes shift counts modulo the width, exactly as the ISA does.
def('add', 'r', bits(0x33, 0), (c) => c.rd(c.e.i64.add(c.rs1(), c.rs2())), pure);
def('sub', 'r', bits(0x33, 0, 0x20), (c) => c.rd(c.e.i64.sub(c.rs1(), c.rs2())), pure);
def('sll', 'r', bits(0x33, 1), (c) => c.rd(c.e.i64.shl(c.rs1(), c.rs2())), pure);
def('slt', 'r', bits(0x33, 2), (c) => c.rd(c.e.i64.extend_u(c.e.i64.lt_s(c.rs1(), c.rs2()))), pure);
def('sltu', 'r', bits(0x33, 3), (c) => c.rd(c.e.i64.extend_u(c.e.i64.lt_u(c.rs1(), c.rs2()))), pure);
def('xor', 'r', bits(0x33, 4), (c) => c.rd(c.e.i64.xor(c.rs1(), c.rs2())), pure);
def('srl', 'r', bits(0x33, 5), (c) => c.rd(c.e.i64.shr_u(c.rs1(), c.rs2())), pure);
def('sra', 'r', bits(0x33, 5, 0x20), (c) => c.rd(c.e.i64.shr_s(c.rs1(), c.rs2())), pure);
def('or', 'r', bits(0x33, 6), (c) => c.rd(c.e.i64.or(c.rs1(), c.rs2())), pure);
def('and', 'r', bits(0x33, 7), (c) => c.rd(c.e.i64.and(c.rs1(), c.rs2())), pure);

def('addiw', 'i', bits(0x1b, 0), (c) => c.rd(sext32(c, c.e.i32.add(low(c, c.rs1()), c.imm32()))), pure);
def('slliw', 'shiftw', bits(0x1b, 1), (c) => c.rd(sext32(c, c.e.i32.shl(low(c, c.rs1()), c.imm32()))), pure);
def('srliw', 'shiftw', bits(0x1b, 5), (c) => c.rd(sext32(c, c.e.i32.shr_u(low(c, c.rs1()), c.imm32()))), pure);
def('sraiw', 'shiftw', bits(0x1b, 5, 0x20), (c) => c.rd(sext32(c, c.e.i32.shr_s(low(c, c.rs1()), c.imm32()))), pure);
def('addw', 'r', bits(0x3b, 0), (c) => c.rd(sext32(c, c.e.i32.add(low(c, c.rs1()), low(c, c.rs2())))), pure);
def('subw', 'r', bits(0x3b, 0, 0x20), (c) => c.rd(sext32(c, c.e.i32.sub(low(c, c.rs1()), low(c, c.rs2())))), pure);
def('sllw', 'r', bits(0x3b, 1), (c) => c.rd(sext32(c, c.e.i32.shl(low(c, c.rs1()), low(c, c.rs2())))), pure);
def('srlw', 'r', bits(0x3b, 5), (c) => c.rd(sext32(c, c.e.i32.shr_u(low(c, c.rs1()), low(c, c.rs2())))), pure);
def('sraw', 'r', bits(0x3b, 5, 0x20), (c) => c.rd(sext32(c, c.e.i32.shr_s(low(c, c.rs1()), low(c, c.rs2())))), pure);

/** Memory reads and writes, and device input, in the sets of FENCE (unprivileged ISA §2.7); FENCE.TSO's immediate. */
const [I, R, W] = [8, 2, 1];
const FENCE_TSO = 0x833;

// FENCE: wasm has only the full one, so it is left out where the host keeps the order by itself (memory-model.md). On x86 that is all
// but memory writes before reads, of devices too: a hart reads some of them in memory. What goes to a device is a fence as it is.
// The predecessor and successor sets are immediate bits 7:4 and 3:0; one that is empty asks for nothing (pause, for one).
def('fence', 'i', bits(0x0f, 0), (c) => {
  const { e, host } = c;
  if (host.reorders === 'nothing') return;
  const strict = host.reorders === 'anything';
  const before = strict ? 0xf0 : W << 4;
  const after = strict ? 0x0f : I | R;
  const known = c.knownImmediate;
  if (known !== undefined) {
    if ((known & before) !== 0 && (known & after) !== 0 && (strict || (known & 0xfff) !== FENCE_TSO)) c.fence();
    return;
  }
  const has = (set: number): I32 => e.i32.ne(e.i32.and(c.imm32(), e.i32.const(set)), e.i32.const(0));
  const ordered = e.i32.and(has(before), has(after));
  const isTso = (): I32 => e.i32.eq(e.i32.and(c.imm32(), e.i32.const(0xfff)), e.i32.const(FENCE_TSO));
  e.if(strict ? ordered : e.i32.and(ordered, e.i32.eqz(isTso())), () => c.fence());
});

export const rv64i = list;
