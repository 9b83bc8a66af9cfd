/**
 * Compressed instructions (unprivileged ISA §27): each is another spelling of a 32-bit instruction, so all that is said
 * here is which one. The expansion then goes the way of every instruction.
 */
interface Compressed {
  name: string;
  mask: number;
  match: number;
  /** The 32-bit instruction that the half-word stands for, or 0 where the encoding is reserved. */
  expand: (h: number) => number;
}

const RA = 1;
const SP = 2;

const full = (h: number): number => (h >>> 7) & 31;
const full2 = (h: number): number => (h >>> 2) & 31;
/** The three-bit register fields name x8 to x15. */
const short1 = (h: number): number => 8 + ((h >>> 7) & 7);
const short2 = (h: number): number => 8 + ((h >>> 2) & 7);

/** Collect immediate bits: each pair is a bit of the half-word and its place in the immediate. */
function gather(h: number, pairs: [from: number, to: number][]): number {
  let value = 0;
  for (const [from, to] of pairs) value |= ((h >>> from) & 1) << to;
  return value;
}
const signed = (value: number, width: number): number => (value << (32 - width)) >> (32 - width);

const imm6 = (h: number): number => signed(((h >>> 7) & 32) | ((h >>> 2) & 31), 6);
const shamt = (h: number): number => ((h >>> 7) & 32) | ((h >>> 2) & 31);
const offsetW = (h: number): number =>
  gather(h, [
    [12, 5],
    [11, 4],
    [10, 3],
    [6, 2],
    [5, 6],
  ]);
const offsetD = (h: number): number =>
  gather(h, [
    [12, 5],
    [11, 4],
    [10, 3],
    [6, 7],
    [5, 6],
  ]);
const spLoadW = (h: number): number =>
  gather(h, [
    [12, 5],
    [6, 4],
    [5, 3],
    [4, 2],
    [3, 7],
    [2, 6],
  ]);
const spLoadD = (h: number): number =>
  gather(h, [
    [12, 5],
    [6, 4],
    [5, 3],
    [4, 8],
    [3, 7],
    [2, 6],
  ]);
const spStoreW = (h: number): number =>
  gather(h, [
    [12, 5],
    [11, 4],
    [10, 3],
    [9, 2],
    [8, 7],
    [7, 6],
  ]);
const spStoreD = (h: number): number =>
  gather(h, [
    [12, 5],
    [11, 4],
    [10, 3],
    [9, 8],
    [8, 7],
    [7, 6],
  ]);
const jump = (h: number): number =>
  signed(
    gather(h, [
      [12, 11],
      [11, 4],
      [10, 9],
      [9, 8],
      [8, 10],
      [7, 6],
      [6, 7],
      [5, 3],
      [4, 2],
      [3, 1],
      [2, 5],
    ]),
    12,
  );
const branch = (h: number): number =>
  signed(
    gather(h, [
      [12, 8],
      [11, 4],
      [10, 3],
      [6, 7],
      [5, 6],
      [4, 2],
      [3, 1],
      [2, 5],
    ]),
    9,
  );

// ---- encoders of the 32-bit formats ---------------------------------------------------------------------------

const i = (opcode: number, funct3: number, rd: number, rs1: number, imm: number): number =>
  (opcode | (rd << 7) | (funct3 << 12) | (rs1 << 15) | (imm << 20)) >>> 0;
const r = (opcode: number, funct3: number, funct7: number, rd: number, rs1: number, rs2: number): number =>
  (opcode | (rd << 7) | (funct3 << 12) | (rs1 << 15) | (rs2 << 20) | (funct7 << 25)) >>> 0;
const s = (opcode: number, funct3: number, rs1: number, rs2: number, imm: number): number =>
  (opcode | ((imm & 31) << 7) | (funct3 << 12) | (rs1 << 15) | (rs2 << 20) | ((imm >> 5) << 25)) >>> 0;
const b = (funct3: number, rs1: number, imm: number): number =>
  (0x63 |
    (((imm >> 11) & 1) << 7) |
    (((imm >> 1) & 15) << 8) |
    (funct3 << 12) |
    (rs1 << 15) |
    (((imm >> 5) & 63) << 25) |
    (((imm >> 12) & 1) << 31)) >>>
  0;
const j = (rd: number, imm: number): number =>
  (0x6f | (rd << 7) | (((imm >> 12) & 255) << 12) | (((imm >> 11) & 1) << 20) | (((imm >> 1) & 1023) << 21) | (((imm >> 20) & 1) << 31)) >>>
  0;

const ADDI = 0x13;
const ADDIW = 0x1b;
const OP = 0x33;
const OPW = 0x3b;
const LOAD = 0x03;
const STORE = 0x23;

const table: Compressed[] = [];
const def = (name: string, mask: number, match: number, expand: (h: number) => number): void => {
  table.push({ name, mask, match, expand });
};

// Quadrant 0
def('c.addi4spn', 0xe003, 0x0000, (h) => {
  const imm = gather(h, [
    [12, 5],
    [11, 4],
    [10, 9],
    [9, 8],
    [8, 7],
    [7, 6],
    [6, 2],
    [5, 3],
  ]);
  return imm === 0 ? 0 : i(ADDI, 0, short2(h), SP, imm);
});
def('c.fld', 0xe003, 0x2000, (h) => i(0x07, 3, short2(h), short1(h), offsetD(h)));
def('c.lw', 0xe003, 0x4000, (h) => i(LOAD, 2, short2(h), short1(h), offsetW(h)));
def('c.ld', 0xe003, 0x6000, (h) => i(LOAD, 3, short2(h), short1(h), offsetD(h)));
def('c.fsd', 0xe003, 0xa000, (h) => s(0x27, 3, short1(h), short2(h), offsetD(h)));
def('c.sw', 0xe003, 0xc000, (h) => s(STORE, 2, short1(h), short2(h), offsetW(h)));
def('c.sd', 0xe003, 0xe000, (h) => s(STORE, 3, short1(h), short2(h), offsetD(h)));

// Quadrant 1
def('c.addi', 0xe003, 0x0001, (h) => i(ADDI, 0, full(h), full(h), imm6(h)));
def('c.addiw', 0xe003, 0x2001, (h) => (full(h) === 0 ? 0 : i(ADDIW, 0, full(h), full(h), imm6(h))));
def('c.li', 0xe003, 0x4001, (h) => i(ADDI, 0, full(h), 0, imm6(h)));
def('c.addi16sp', 0xef83, 0x6101, (h) => {
  const imm = signed(
    gather(h, [
      [12, 9],
      [6, 4],
      [5, 6],
      [4, 8],
      [3, 7],
      [2, 5],
    ]),
    10,
  );
  return imm === 0 ? 0 : i(ADDI, 0, SP, SP, imm);
});
def('c.lui', 0xe003, 0x6001, (h) => (imm6(h) === 0 ? 0 : (0x37 | (full(h) << 7) | (imm6(h) << 12)) >>> 0));
def('c.srli', 0xec03, 0x8001, (h) => i(ADDI, 5, short1(h), short1(h), shamt(h)));
def('c.srai', 0xec03, 0x8401, (h) => i(ADDI, 5, short1(h), short1(h), 0x400 | shamt(h)));
def('c.andi', 0xec03, 0x8801, (h) => i(ADDI, 7, short1(h), short1(h), imm6(h)));
def('c.sub', 0xfc63, 0x8c01, (h) => r(OP, 0, 0x20, short1(h), short1(h), short2(h)));
def('c.xor', 0xfc63, 0x8c21, (h) => r(OP, 4, 0, short1(h), short1(h), short2(h)));
def('c.or', 0xfc63, 0x8c41, (h) => r(OP, 6, 0, short1(h), short1(h), short2(h)));
def('c.and', 0xfc63, 0x8c61, (h) => r(OP, 7, 0, short1(h), short1(h), short2(h)));
def('c.subw', 0xfc63, 0x9c01, (h) => r(OPW, 0, 0x20, short1(h), short1(h), short2(h)));
def('c.addw', 0xfc63, 0x9c21, (h) => r(OPW, 0, 0, short1(h), short1(h), short2(h)));
def('c.j', 0xe003, 0xa001, (h) => j(0, jump(h)));
def('c.beqz', 0xe003, 0xc001, (h) => b(0, short1(h), branch(h)));
def('c.bnez', 0xe003, 0xe001, (h) => b(1, short1(h), branch(h)));

// Quadrant 2
def('c.slli', 0xe003, 0x0002, (h) => i(ADDI, 1, full(h), full(h), shamt(h)));
def('c.fldsp', 0xe003, 0x2002, (h) => i(0x07, 3, full(h), SP, spLoadD(h)));
def('c.lwsp', 0xe003, 0x4002, (h) => (full(h) === 0 ? 0 : i(LOAD, 2, full(h), SP, spLoadW(h))));
def('c.ldsp', 0xe003, 0x6002, (h) => (full(h) === 0 ? 0 : i(LOAD, 3, full(h), SP, spLoadD(h))));
def('c.ebreak', 0xffff, 0x9002, () => 0x00100073);
def('c.jr', 0xf07f, 0x8002, (h) => (full(h) === 0 ? 0 : i(0x67, 0, 0, full(h), 0)));
def('c.mv', 0xf003, 0x8002, (h) => r(OP, 0, 0, full(h), 0, full2(h)));
def('c.jalr', 0xf07f, 0x9002, (h) => i(0x67, 0, RA, full(h), 0));
def('c.add', 0xf003, 0x9002, (h) => r(OP, 0, 0, full(h), full(h), full2(h)));
def('c.fsdsp', 0xe003, 0xa002, (h) => s(0x27, 3, SP, full2(h), spStoreD(h)));
def('c.swsp', 0xe003, 0xc002, (h) => s(STORE, 2, SP, full2(h), spStoreW(h)));
def('c.sdsp', 0xe003, 0xe002, (h) => s(STORE, 3, SP, full2(h), spStoreD(h)));

/** Expansions by half-word, as far as they were asked for: all at once take some of each thread's first 60 ms. */
const expansions = new Uint32Array(65536);
const known = new Uint8Array(65536);

/** The 32-bit instruction that a compressed one stands for; 0 where it is illegal. */
export function expandCompressed(halfword: number): number {
  if (known[halfword] === 0) {
    known[halfword] = 1;
    const entry = table.find((c) => (halfword & c.mask) === c.match);
    if (entry) expansions[halfword] = entry.expand(halfword);
  }
  return expansions[halfword];
}

export const compressed: readonly Compressed[] = table;
