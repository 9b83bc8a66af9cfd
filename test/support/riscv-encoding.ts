/**
 * RISC-V instruction formats (unprivileged ISA §2.2 and §27.2 onwards) as plain functions, written without looking at
 * engine/hart/isa, whose oracle they help to be. All return the instruction's bits as an unsigned number.
 */

export const rType = (opcode: number, funct3: number, funct7: number, rd: number, rs1: number, rs2: number): number =>
  ((funct7 << 25) | (rs2 << 20) | (rs1 << 15) | (funct3 << 12) | (rd << 7) | opcode) >>> 0;

/** `immediate` −2048 to 2047. */
export const iType = (opcode: number, funct3: number, rd: number, rs1: number, immediate: number): number =>
  ((immediate << 20) | (rs1 << 15) | (funct3 << 12) | (rd << 7) | opcode) >>> 0;

/** `immediate` −2048 to 2047. */
export const sType = (opcode: number, funct3: number, rs1: number, rs2: number, immediate: number): number =>
  (((immediate >> 5) << 25) | (rs2 << 20) | (rs1 << 15) | (funct3 << 12) | ((immediate & 31) << 7) | opcode) >>> 0;

/** `offset` even, −4096 to 4094. */
export const bType = (funct3: number, rs1: number, rs2: number, offset: number): number =>
  (((offset >> 12) << 31) |
    (((offset >> 5) & 63) << 25) |
    (rs2 << 20) |
    (rs1 << 15) |
    (funct3 << 12) |
    (((offset >> 1) & 15) << 8) |
    (((offset >> 11) & 1) << 7) |
    0x63) >>>
  0;

/** `upper` is the 20-bit field itself. */
export const uType = (opcode: number, rd: number, upper: number): number => ((upper << 12) | (rd << 7) | opcode) >>> 0;

/** `offset` even, −2^20 to 2^20 − 2. */
export const jType = (rd: number, offset: number): number =>
  (((offset >> 20) << 31) |
    (((offset >> 1) & 0x3ff) << 21) |
    (((offset >> 11) & 1) << 20) |
    (((offset >> 12) & 0xff) << 12) |
    (rd << 7) |
    0x6f) >>>
  0;

export const r4Type = (opcode: number, rm: number, format: number, rd: number, rs1: number, rs2: number, rs3: number): number =>
  ((rs3 << 27) | (format << 25) | (rs2 << 20) | (rs1 << 15) | (rm << 12) | (rd << 7) | opcode) >>> 0;

// ---- Compressed. Registers named with a prime (`rdp`) are x8 to x15 or f8 to f15, given by their full number. ------

const ci = (op: number, funct3: number, rd: number, immediate: number): number =>
  (funct3 << 13) | (((immediate >> 5) & 1) << 12) | (rd << 7) | ((immediate & 31) << 2) | op;

/** c.addi, c.addiw, c.li, c.lui and c.slli, told apart by `op` and `funct3`; `immediate` 6 bits. */
export const cImmediate = ci;

/** c.mv, c.add, c.jr, c.jalr and c.ebreak: `high` is bit 12. */
export const cRegister = (high: number, rd: number, rs2: number): number => (4 << 13) | (high << 12) | (rd << 7) | (rs2 << 2) | 2;

/** c.addi16sp; `immediate` a multiple of 16, −512 to 496. */
export const cAddi16sp = (immediate: number): number =>
  (3 << 13) |
  (((immediate >> 9) & 1) << 12) |
  (2 << 7) |
  (((immediate >> 4) & 1) << 6) |
  (((immediate >> 6) & 1) << 5) |
  (((immediate >> 7) & 3) << 3) |
  (((immediate >> 5) & 1) << 2) |
  1;

/** c.addi4spn; `immediate` a multiple of 4, 0 (reserved) to 1020. */
export const cAddi4spn = (rdp: number, immediate: number): number =>
  (((immediate >> 4) & 3) << 11) |
  (((immediate >> 6) & 15) << 7) |
  (((immediate >> 2) & 1) << 6) |
  (((immediate >> 3) & 1) << 5) |
  ((rdp & 7) << 2);

/** Word loads and stores relative to rs1p; `offset` a multiple of 4, 0 to 124. */
export const cWord = (funct3: number, rp: number, rs1p: number, offset: number): number =>
  (funct3 << 13) |
  (((offset >> 3) & 7) << 10) |
  ((rs1p & 7) << 7) |
  (((offset >> 2) & 1) << 6) |
  (((offset >> 6) & 1) << 5) |
  ((rp & 7) << 2);

/** Doubleword loads and stores relative to rs1p; `offset` a multiple of 8, 0 to 248. */
export const cDouble = (funct3: number, rp: number, rs1p: number, offset: number): number =>
  (funct3 << 13) | (((offset >> 3) & 7) << 10) | ((rs1p & 7) << 7) | (((offset >> 6) & 3) << 5) | ((rp & 7) << 2);

/** Word load relative to sp; `offset` a multiple of 4, 0 to 252. */
export const cWordSpLoad = (funct3: number, rd: number, offset: number): number =>
  (funct3 << 13) | (((offset >> 5) & 1) << 12) | (rd << 7) | (((offset >> 2) & 7) << 4) | (((offset >> 6) & 3) << 2) | 2;

/** Doubleword load relative to sp; `offset` a multiple of 8, 0 to 504. */
export const cDoubleSpLoad = (funct3: number, rd: number, offset: number): number =>
  (funct3 << 13) | (((offset >> 5) & 1) << 12) | (rd << 7) | (((offset >> 3) & 3) << 5) | (((offset >> 6) & 7) << 2) | 2;

/** Word store relative to sp; `offset` a multiple of 4, 0 to 252. */
export const cWordSpStore = (funct3: number, rs2: number, offset: number): number =>
  (funct3 << 13) | (((offset >> 2) & 15) << 9) | (((offset >> 6) & 3) << 7) | (rs2 << 2) | 2;

/** Doubleword store relative to sp; `offset` a multiple of 8, 0 to 504. */
export const cDoubleSpStore = (funct3: number, rs2: number, offset: number): number =>
  (funct3 << 13) | (((offset >> 3) & 7) << 10) | (((offset >> 6) & 7) << 7) | (rs2 << 2) | 2;

/** c.srli (0), c.srai (1) and c.andi (2); `immediate` 6 bits. */
export const cArithmeticImmediate = (funct2: number, rdp: number, immediate: number): number =>
  (4 << 13) | (((immediate >> 5) & 1) << 12) | (funct2 << 10) | ((rdp & 7) << 7) | ((immediate & 31) << 2) | 1;

/** c.sub, c.xor, c.or, c.and (`high` 0, funct2 0 to 3), c.subw and c.addw (`high` 1, 0 and 1); the others are reserved. */
export const cArithmetic = (high: number, funct2: number, rdp: number, rs2p: number): number =>
  (4 << 13) | (high << 12) | (3 << 10) | ((rdp & 7) << 7) | (funct2 << 5) | ((rs2p & 7) << 2) | 1;

/** `offset` even, −2048 to 2046. */
export const cJump = (offset: number): number =>
  (5 << 13) |
  (((offset >> 11) & 1) << 12) |
  (((offset >> 4) & 1) << 11) |
  (((offset >> 8) & 3) << 9) |
  (((offset >> 10) & 1) << 8) |
  (((offset >> 6) & 1) << 7) |
  (((offset >> 7) & 1) << 6) |
  (((offset >> 1) & 7) << 3) |
  (((offset >> 5) & 1) << 2) |
  1;

/** c.beqz (funct3 6) and c.bnez (7); `offset` even, −256 to 254. */
export const cBranch = (funct3: number, rs1p: number, offset: number): number =>
  (funct3 << 13) |
  (((offset >> 8) & 1) << 12) |
  (((offset >> 3) & 3) << 10) |
  ((rs1p & 7) << 7) |
  (((offset >> 6) & 3) << 5) |
  (((offset >> 1) & 3) << 3) |
  (((offset >> 5) & 1) << 2) |
  1;
