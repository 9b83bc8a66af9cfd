import type { Random } from '../support/random';
import * as code from '../support/riscv-encoding';
import { BASE, DATA_BEFORE, DATA_BYTES, half, LOOP, loop, SP, SP_ABOVE_BASE, together, word, type Unit } from './sequence';

/**
 * Random RV64GC code with Zba, Zbb, Zbc, Zbs, Zicbom, Zicboz, Zicond, Zawrs and Svinval in M-mode: legal, reserved and faulting instructions, weighted towards what is easily wrong.
 * The same random numbers give the same code.
 */
export function randomUnits(random: Random, count: number): Unit[] {
  const generator = new InstructionGenerator(random);
  return Array.from({ length: count }, () => generator.unit());
}

const OP = 0x33;
const OP_32 = 0x3b;
const OP_IMM = 0x13;
const OP_IMM_32 = 0x1b;
const OP_FP = 0x53;
const MSTATUS = 0x300;
const MEPC = 0x341;

/** [opcode, funct3, funct7] of register-register instructions. */
const REGISTER: readonly (readonly [number, number, number])[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((funct3) => [OP, funct3, 0] as const),
  [OP, 0, 32],
  [OP, 5, 32],
  [OP_32, 0, 0],
  [OP_32, 1, 0],
  [OP_32, 5, 0],
  [OP_32, 0, 32],
  [OP_32, 5, 32],
];
const MULTIPLY: readonly (readonly [number, number, number])[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((funct3) => [OP, funct3, 1] as const),
  ...[0, 4, 5, 6, 7].map((funct3) => [OP_32, funct3, 1] as const),
];
const BIT_MANIPULATION: readonly (readonly [number, number, number])[] = [
  ...[2, 4, 6].flatMap((funct3) => [[OP, funct3, 0x10] as const, [OP_32, funct3, 0x10] as const]), // sh1add …
  [OP_32, 0, 0x04], // add.uw
  ...[4, 6, 7].map((funct3) => [OP, funct3, 0x20] as const), // xnor orn andn
  ...[4, 5, 6, 7].map((funct3) => [OP, funct3, 0x05] as const), // min …
  [OP, 1, 0x30], // rol ror
  [OP, 5, 0x30],
  [OP_32, 1, 0x30],
  [OP_32, 5, 0x30],
  [OP, 1, 0x24], // bclr bext binv bset
  [OP, 5, 0x24],
  [OP, 1, 0x34],
  [OP, 1, 0x14],
  ...[1, 2, 3].map((funct3) => [OP, funct3, 0x05] as const), // clmul …
  [OP, 5, 0x07], // czero.eqz czero.nez
  [OP, 7, 0x07],
];
const CTZW = [OP_IMM_32, 1, 0x601] as const;
/** [opcode, funct3, immediate] with the whole 12 bits fixed. */
const UNARY: readonly (readonly [number, number, number])[] = [
  ...[0x600, 0x601, 0x602].map((immediate) => [OP_IMM, 1, immediate] as const),
  [OP_IMM_32, 1, 0x600],
  CTZW,
  [OP_IMM_32, 1, 0x602],
  [OP_IMM, 1, 0x604],
  [OP_IMM, 1, 0x605],
  [OP_32, 4, 0x080],
  [OP_IMM, 5, 0x6b8],
  [OP_IMM, 5, 0x287],
];
/** [opcode, funct3, upper bits, bits of the shift amount]. */
const SHIFTS: readonly (readonly [number, number, number, number])[] = [
  [OP_IMM, 1, 0, 6],
  [OP_IMM, 5, 0, 6],
  [OP_IMM, 5, 0x400, 6],
  [OP_IMM_32, 1, 0, 5],
  [OP_IMM_32, 5, 0, 5],
  [OP_IMM_32, 5, 0x400, 5],
  [OP_IMM_32, 1, 0x080, 6], // slli.uw
  [OP_IMM, 5, 0x600, 6], // rori
  [OP_IMM_32, 5, 0x600, 5],
  [OP_IMM, 1, 0x480, 6], // bclri bexti binvi bseti
  [OP_IMM, 5, 0x480, 6],
  [OP_IMM, 1, 0x680, 6],
  [OP_IMM, 1, 0x280, 6],
];
const AMO_FUNCTIONS: readonly number[] = [0, 1, 4, 8, 12, 16, 20, 24, 28];

export interface GeneratorOptions {
  /** Registers that are not written, beside SP, LOOP and BASE. */
  readonly kept?: readonly number[];
  /** Whether LR and SC are drawn. */
  readonly reserving?: boolean;
  /** Whether code is drawn that writes over code. */
  readonly selfModifying?: boolean;
  /** Whether the instructions of Svinval are drawn. */
  readonly splitFences?: boolean;
}

/** Draws units, one at a time. */
export class InstructionGenerator {
  readonly #random: Random;
  /** Kinds of unit with how often they come up. */
  readonly #kinds: readonly (readonly [number, () => Unit])[];
  readonly #total: number;
  readonly #kept: readonly number[];
  readonly #splitFences: boolean;
  #depth = 0;

  constructor(random: Random, { kept = [], reserving = true, selfModifying = true, splitFences = true }: GeneratorOptions = {}) {
    this.#random = random;
    this.#splitFences = splitFences;
    this.#kept = [SP, LOOP, BASE, ...kept];
    this.#kinds = [
      [10, () => this.#register(REGISTER)],
      [8, () => this.#immediate()],
      [6, () => this.#shift()],
      [4, () => word(code.uType(random.pick([0x37, 0x17]), this.#rd(), random.below(1 << 20)))],
      [8, () => this.#register(MULTIPLY)],
      [6, () => this.#register(BIT_MANIPULATION)],
      [3, () => this.#unary()],
      [12, () => this.#memory()],
      [4, () => this.#memoryByPointer()],
      [6, () => this.#atomic()],
      [reserving ? 3 : 0, () => this.#loadReserved()],
      [22, () => this.#floatArithmetic()],
      [8, () => this.#floatOther()],
      [6, () => this.#floatFused()],
      [5, () => this.#csr()],
      [8, () => this.#branch()],
      [3, () => this.#jump()],
      [3, () => this.#loop()],
      [14, () => this.#compressed()],
      [8, () => this.#compressedMemory()],
      [3, () => this.#reserved()],
      [2, () => this.#fault()],
      [2, () => this.#fence()],
      [2, () => this.#block()],
      [selfModifying ? 2 : 0, () => this.#selfModifying()],
      [1, () => this.#machineReturn()],
    ];
    this.#total = this.#kinds.reduce((sum, [weight]) => sum + weight, 0);
  }

  unit(): Unit {
    let at = this.#random.below(this.#total);
    for (const [weight, make] of this.#kinds) {
      at -= weight;
      if (at < 0) return make();
    }
    throw new RangeError('the weights do not add up');
  }

  /** Any destination but the reserved registers; x0 is one. */
  destination(...besides: number[]): number {
    return this.#rd(...besides);
  }

  #rd(...besides: number[]): number {
    for (;;) {
      const rd = this.#random.below(32);
      if (!this.#kept.includes(rd) && !besides.includes(rd)) return rd;
    }
  }

  /** A destination other than x0. */
  #temporary(...besides: number[]): number {
    return this.#rd(0, ...besides);
  }

  #any(): number {
    return this.#random.below(32);
  }

  /** x9 to x15. */
  #rdp(): number {
    return this.#random.between(9, 15);
  }

  /** x8 to x15, f8 to f15. */
  #anyp(): number {
    return this.#random.between(8, 15);
  }

  #immediate12(): number {
    return this.#random.oneIn(4) ? this.#random.between(-16, 16) : this.#random.between(-2048, 2047);
  }

  #register(table: readonly (readonly [number, number, number])[]): Unit {
    const [opcode, funct3, funct7] = this.#random.pick(table);
    return word(code.rType(opcode, funct3, funct7, this.#rd(), this.#any(), this.#any()));
  }

  #immediate(): Unit {
    const [opcode, funct3] = this.#random.pick([...[0, 2, 3, 4, 6, 7].map((funct) => [OP_IMM, funct] as const), [OP_IMM_32, 0] as const]);
    return word(code.iType(opcode, funct3, this.#rd(), this.#any(), this.#immediate12()));
  }

  #shift(): Unit {
    const [opcode, funct3, upper, width] = this.#random.pick(SHIFTS);
    return word(code.iType(opcode, funct3, this.#rd(), this.#any(), upper | this.#random.below(1 << width)));
  }

  #unary(): Unit {
    const unary = this.#random.pick(UNARY);
    const [opcode, funct3, immediate] = unary;
    const [rd, rs1] = [this.#rd(), this.#any()];
    if (unary !== CTZW) return word(code.iType(opcode, funct3, rd, rs1, immediate));
    // QEMU before 8.0 counts on into the upper word: clear that first, with add.uw.
    const cleared = this.#temporary();
    return together(word(code.rType(OP_32, 0, 0x04, cleared, rs1, 0)), word(code.iType(opcode, funct3, rd, cleared, immediate)));
  }

  /** Offset from BASE of `bytes` bytes of data, aligned two times in three. */
  #dataOffset(bytes: number): number {
    const offset = this.#random.between(-DATA_BEFORE, DATA_BYTES - DATA_BEFORE - bytes);
    return this.#random.below(3) > 0 ? offset & -bytes : offset;
  }

  /** A load or store of any kind; address given by register and offset. */
  #access(kind: number, size: number, base: number, offset: number): Unit {
    switch (kind) {
      case 0:
        return word(code.iType(0x03, size, this.#rd(), base, offset));
      case 1:
        return word(code.iType(0x03, size === 3 ? 3 : size + 4, this.#rd(), base, offset));
      case 2:
        return word(code.sType(0x23, size, base, this.#any(), offset));
      case 3:
        return word(code.iType(0x07, size < 3 ? 2 : 3, this.#any(), base, offset));
      default:
        return word(code.sType(0x27, size < 3 ? 2 : 3, base, this.#any(), offset));
    }
  }

  #memory(): Unit {
    const kind = this.#random.below(5);
    const size = kind < 3 ? this.#random.below(4) : this.#random.between(2, 3);
    const offset = this.#dataOffset(1 << size);
    return this.#random.oneIn(4) ? this.#access(kind, size, SP, offset - SP_ABOVE_BASE) : this.#access(kind, size, BASE, offset);
  }

  #memoryByPointer(): Unit {
    const kind = this.#random.below(5);
    const size = kind < 3 ? this.#random.below(4) : this.#random.between(2, 3);
    const target = this.#dataOffset(1 << size);
    const offset = this.#random.between(-1000, 1000);
    const pointer = this.#temporary();
    return together(word(code.iType(OP_IMM, 0, pointer, BASE, target - offset)), this.#access(kind, size, pointer, offset));
  }

  #atomic(): Unit {
    const { pointer, size, setup } = this.#atomicPointer(this.#random.oneIn(16));
    const ordering = this.#random.below(4);
    const funct5 = this.#random.pick(AMO_FUNCTIONS);
    return together(setup, word(code.rType(0x2f, size, (funct5 << 2) | ordering, this.#rd(), pointer, this.#any())));
  }

  #atomicPointer(misaligned: boolean): { pointer: number; size: number; setup: Unit } {
    const size = this.#random.between(2, 3);
    const pointer = this.#temporary();
    let offset = this.#dataOffset(8) & -(1 << size);
    if (misaligned) offset += this.#random.between(1, (1 << size) - 1);
    return { pointer, size, setup: word(code.iType(OP_IMM, 0, pointer, BASE, offset)) };
  }

  /** LR, at most two instructions on registers, SC; or an SC that has no reservation; or an LR that is misaligned. */
  #loadReserved(): Unit {
    const misaligned = this.#random.oneIn(16);
    const { pointer, size, setup } = this.#atomicPointer(misaligned);
    const ordering = this.#random.below(4);
    if (misaligned) return together(setup, word(code.rType(0x2f, size, (2 << 2) | ordering, this.#rd(), pointer, 0)));
    const conditional = word(code.rType(0x2f, size, (3 << 2) | ordering, this.#rd(), pointer, this.#any()));
    if (this.#random.oneIn(4)) return together(setup, conditional);
    const between = Array.from({ length: this.#random.below(3) }, () =>
      word(code.rType(OP, this.#random.below(8), 0, this.#rd(pointer), this.#any(), this.#any())),
    );
    const reserve = word(code.rType(0x2f, size, (2 << 2) | ordering, this.#rd(pointer), pointer, 0));
    return together(setup, reserve, ...between, conditional);
  }

  /** Dynamic half the time, now and then a reserved rounding mode. */
  #rm(): number {
    if (this.#random.oneIn(32)) return this.#random.between(5, 6);
    return this.#random.oneIn(2) ? 7 : this.#random.below(5);
  }

  #floatArithmetic(): Unit {
    const { pick, below } = { pick: <T>(items: readonly T[]) => this.#random.pick(items), below: (n: number) => this.#random.below(n) };
    const format = below(2);
    const float = (funct5: number, rm: number, rd: number, rs1: number, rs2: number): Unit =>
      word(code.rType(OP_FP, rm, (funct5 << 2) | format, rd, rs1, rs2));
    switch (below(4)) {
      case 0: // to integer
        return float(24, this.#rm(), this.#rd(), this.#any(), below(4));
      case 1:
        return float(26, this.#rm(), this.#any(), this.#any(), below(4));
      default:
        return pick([
          () => float(below(4), this.#rm(), this.#any(), this.#any(), this.#any()),
          () => float(below(4), this.#rm(), this.#any(), this.#any(), this.#any()),
          () => float(11, this.#rm(), this.#any(), this.#any(), 0),
          () => float(8, this.#rm(), this.#any(), this.#any(), 1 - format),
        ])();
    }
  }

  #floatFused(): Unit {
    const opcode = this.#random.pick([0x43, 0x47, 0x4b, 0x4f]);
    return word(code.r4Type(opcode, this.#rm(), this.#random.below(2), this.#any(), this.#any(), this.#any(), this.#any()));
  }

  /** Sign injection, minimum, maximum, comparisons, classes and moves. */
  #floatOther(): Unit {
    const format = this.#random.below(2);
    const [funct5, funct3, rs2, integer] = this.#random.pick<readonly [number, number, number, boolean]>([
      [4, this.#random.below(3), this.#any(), false],
      [5, this.#random.below(2), this.#any(), false],
      [20, this.#random.below(3), this.#any(), true],
      [28, this.#random.below(2), 0, true],
      [30, 0, 0, false],
    ]);
    return word(code.rType(OP_FP, funct3, (funct5 << 2) | format, integer ? this.#rd() : this.#any(), this.#any(), rs2));
  }

  #csr(): Unit {
    const { below, pick } = { below: (n: number) => this.#random.below(n), pick: <T>(items: readonly T[]) => this.#random.pick(items) };
    switch (below(8)) {
      case 0: // a valid rounding mode, most times
        return word(code.iType(0x73, 5, this.#rd(), this.#random.oneIn(8) ? below(8) : below(5), 2));
      case 1: // the state of frm may be left reserved: dynamic rounding is then illegal
        return together(word(code.iType(0x73, pick([1, 2, 3]), this.#rd(), this.#any(), 3)), word(code.iType(0x73, 5, 0, below(5), 2)));
      case 2:
        return word(code.iType(0x73, pick([1, 2, 3, 5, 6, 7]), this.#rd(), this.#any(), 1));
      case 3: // csrrci and csrrsi on fflags bring back the exact paths
        return word(code.iType(0x73, pick([5, 6, 7]), this.#rd(), this.#any(), 1));
      case 4: // sscratch, stval
        return word(code.iType(0x73, pick([1, 2, 3, 5, 6, 7]), this.#rd(), this.#any(), pick([0x140, 0x143])));
      case 5: // read-only: a write is illegal, csrrs and csrrc of x0 are not (QEMU lets a register that holds 0 pass, too)
        return word(code.iType(0x73, pick([1, 2, 3]), 0, pick([0, 0, SP]), pick([0xc00, 0xc01, 0xc02, 0xf14])));
      case 6: // not there
        return word(code.iType(0x73, pick([1, 2, 3, 5, 6, 7]), this.#rd(), this.#any(), pick([0x0ff, 0x5a0, 0x7ff, 0x8c0, 0xcff, 0xfff])));
      default:
        return word(code.iType(0x73, pick([1, 2, 3]), this.#rd(), 0, pick([1, 2, 3])));
    }
  }

  #branch(): Unit {
    const skip = this.#random.below(5);
    const [rs1, rs2] = [this.#any(), this.#any()];
    if (this.#random.oneIn(3)) {
      const funct3 = this.#random.between(6, 7);
      const rs1p = this.#anyp();
      return { emit: (a, forward) => a.reference(2, forward(skip & 1), (distance) => code.cBranch(funct3, rs1p, distance)) };
    }
    const funct3 = this.#random.pick([0, 1, 4, 5, 6, 7]);
    return { emit: (a, forward) => a.reference(4, forward(skip), (distance) => code.bType(funct3, rs1, rs2, distance)) };
  }

  #jump(): Unit {
    const skip = this.#random.below(3);
    const rd = this.#rd();
    const pointer = this.#temporary();
    switch (this.#random.below(4)) {
      case 0:
        return { emit: (a, forward) => a.reference(4, forward(skip), (distance) => code.jType(rd, distance)) };
      case 1:
        return { emit: (a, forward) => a.reference(2, forward(skip), code.cJump) };
      case 2: {
        // jalr ignores bit 0 of the sum; the link may overwrite the pointer.
        const odd = this.#random.below(2);
        return {
          emit: (a, forward) => {
            a.word(code.uType(0x17, pointer, 0));
            a.reference(4, forward(skip), (distance) => code.iType(0x67, 0, rd, pointer, (distance + 4) | odd));
          },
        };
      }
      default: {
        const link = this.#random.below(2);
        return {
          emit: (a, forward) => {
            a.word(code.uType(0x17, pointer, 0));
            a.reference(4, forward(skip), (distance) => code.iType(OP_IMM, 0, pointer, pointer, distance + 4));
            a.half(code.cRegister(link, pointer, 0));
          },
        };
      }
    }
  }

  #loop(): Unit {
    if (this.#depth > 0) return this.#immediate();
    this.#depth++;
    const body = Array.from({ length: this.#random.between(1, 5) }, () => this.unit());
    this.#depth--;
    return loop(this.#random.between(1, 6), this.#random.pick([1, 4, 6]), body);
  }

  #compressed(): Unit {
    const immediate = this.#random.below(64);
    const rd = this.#rd();
    switch (this.#random.below(9)) {
      case 0: // c.addi, c.addiw (reserved for x0), c.li
        return half(code.cImmediate(1, this.#random.below(3), rd, immediate));
      case 1: // c.lui, reserved for 0
        return half(code.cImmediate(1, 3, rd, immediate));
      case 2:
        return half(code.cArithmeticImmediate(this.#random.below(3), this.#rdp(), immediate));
      case 3: // including the two reserved ones
        return half(code.cArithmetic(this.#random.below(2), this.#random.below(4), this.#rdp(), this.#anyp()));
      case 4:
        return half(code.cImmediate(2, 0, rd, immediate));
      case 5: // c.mv
        return half(code.cRegister(0, rd, this.#random.between(1, 31)));
      case 6: // c.add
        return half(code.cRegister(1, rd, this.#random.between(1, 31)));
      case 7:
        return half(code.cAddi4spn(this.#rdp(), this.#random.below(256) * 4));
      default: {
        const adjust = this.#random.between(1, 31) * 16;
        return together(
          half(code.cAddi16sp(adjust - 512)),
          half(code.cRegister(0, this.#temporary(), SP)),
          half(code.cAddi16sp(512 - adjust)),
        );
      }
    }
  }

  #compressedMemory(): Unit {
    const { below } = { below: (n: number) => this.#random.below(n) };
    switch (below(8)) {
      case 0: // c.lw
        return half(code.cWord(2, this.#rdp(), BASE, below(32) * 4));
      case 1: // c.ld
        return half(code.cDouble(3, this.#rdp(), BASE, below(32) * 8));
      case 2: // c.sw
        return half(code.cWord(6, this.#anyp(), BASE, below(32) * 4));
      case 3: // c.sd, c.fsd, c.fld
        return half(code.cDouble(this.#random.pick([7, 5, 1]), this.#anyp(), BASE, below(32) * 8));
      case 4: // c.lwsp, reserved for x0
        return half(code.cWordSpLoad(2, this.#rd(), below(64) * 4));
      case 5: // c.ldsp, reserved for x0
        return half(code.cDoubleSpLoad(3, this.#rd(), below(64) * 8));
      case 6: // c.fldsp
        return half(code.cDoubleSpLoad(1, this.#any(), below(64) * 8));
      default: // c.swsp, c.sdsp, c.fsdsp
        return this.#random.oneIn(3)
          ? half(code.cWordSpStore(6, this.#any(), below(64) * 4))
          : half(code.cDoubleSpStore(this.#random.pick([7, 5]), this.#any(), below(64) * 8));
    }
  }

  /** Encodings that mean nothing, and opcodes filled at random where whatever they may mean only touches registers. */
  #reserved(): Unit {
    const { below } = { below: (n: number) => this.#random.below(n) };
    switch (below(9)) {
      case 0: {
        const opcode = this.#random.pick([OP, OP_32, OP_IMM, OP_IMM_32]);
        const [funct3, funct7] = [below(8), below(128)];
        if (opcode === OP_IMM_32 && funct3 === 1 && funct7 === 0x30) return this.#unary();
        return word(code.rType(opcode, funct3, funct7, this.#rd(), this.#any(), this.#any()));
      }
      case 1: // formats half and quad, unused functions
        return word(
          code.rType(
            OP_FP,
            below(8),
            (this.#random.pick([0, 1, 2, 3, 4, 5, 8, 11, 20, 24, 26, 28, 30]) << 2) | below(4),
            this.#rd(),
            this.#any(),
            below(4),
          ),
        );
      case 2: // branch, load, store, AMO functions that do not exist
        return word(
          this.#random.pick([
            code.bType(this.#random.between(2, 3), this.#any(), this.#any(), 8),
            code.iType(0x03, 7, this.#rd(), BASE, 0),
            code.sType(0x23, this.#random.between(4, 7), BASE, this.#any(), 0),
            code.rType(0x2f, this.#random.pick([2, 3]), this.#random.pick([6, 7, 9, 11, 13, 17, 31]) << 2, this.#rd(), BASE, this.#any()),
            code.rType(0x2f, 2, 2 << 2, this.#rd(), BASE, this.#random.between(1, 31)), // lr with rs2
            code.iType(0x67, this.#random.between(1, 7), this.#rd(), BASE, 0),
          ]),
        );
      case 3: // whole opcodes: custom, reserved, 48 bits and longer
        return word(
          code.iType(this.#random.pick([0x0b, 0x2b, 0x5b, 0x7b, 0x6b, 0x77, 0x57]), below(8), this.#rd(), this.#any(), below(2048)),
        );
      case 4:
        return word(this.#random.pick([0x00200073, 0x10000073, 0x7b200073, 0x00000173, 0x10300073, 0x00004073]));
      case 5:
        return half(this.#random.pick([0x0000, 0x8002, 0x2001, 0x6101, 0x4002, 0x6002]));
      case 6: // quadrant 0, funct3 4
        return half((4 << 13) | (below(1 << 11) << 2));
      case 7: // ebreak, c.ebreak
        return this.#random.oneIn(2) ? word(0x00100073) : half(code.cRegister(1, 0, 0));
      default:
        return word(this.#random.pick([0xffffffff, 0xc0001073]));
    }
  }

  /** Loads, stores and jumps where there is nothing: access faults. */
  #fault(): Unit {
    switch (this.#random.below(3)) {
      case 0:
        return this.#access(this.#random.below(5), this.#random.between(2, 3), 0, this.#random.between(-2048, 2047 - 8) & -8);
      case 1: // the trap handler goes on at x1
        return word(code.iType(0x67, 0, 1, 0, this.#random.below(2048)));
      default: {
        const pointer = this.#temporary();
        return together(word(code.iType(OP_IMM, 0, pointer, 0, -this.#random.between(1, 1024) * 2)), half(code.cRegister(1, pointer, 0)));
      }
    }
  }

  #fence(): Unit {
    return word(
      this.#random.pick([
        0x0ff0000f,
        0x8330000f,
        0x0100000f,
        0x0000100f,
        0x12000073,
        code.rType(0x73, 0, 9, 0, this.#any(), this.#any()),
        ...(this.#splitFences ? [code.rType(0x73, 0, 11, 0, this.#any(), this.#any()), 0x18000073, 0x18100073] : []),
        0x00d00073,
        0x01d00073,
      ]),
    );
  }

  /** cbo.inval, cbo.clean, cbo.flush, cbo.zero, and two that are reserved, on a block of the data. */
  #block(): Unit {
    const pointer = this.#temporary();
    const offset = this.#random.between(64 - DATA_BEFORE, DATA_BYTES - DATA_BEFORE - 128);
    const rd = this.#random.oneIn(16) ? 1 : 0;
    return together(
      word(code.iType(OP_IMM, 0, pointer, BASE, offset)),
      word(code.iType(0x0f, 2, rd, pointer, this.#random.pick([0, 1, 2, 4, 4, 4, 4, 3, 5]))),
    );
  }

  /** Overwrites an instruction that follows, then runs it: fence.i is what makes that work. */
  #selfModifying(): Unit {
    const value = this.#temporary();
    const pointer = this.#temporary(value);
    const patch = code.iType(OP_IMM, this.#random.pick([0, 4, 6, 7]), this.#rd(), this.#any(), this.#immediate12());
    const before = code.iType(OP_IMM, 0, this.#rd(), this.#any(), this.#immediate12());
    const upper = (patch + 0x800) >>> 12;
    return {
      emit: (a) => {
        a.word(code.uType(0x37, value, upper & 0xfffff));
        a.word(code.iType(OP_IMM_32, 0, value, value, (patch << 20) >> 20));
        a.word(code.uType(0x17, pointer, 0));
        a.word(code.sType(0x23, 2, pointer, value, 12));
        a.word(0x0000100f);
        a.word(before);
      },
    };
  }

  /** mret into M-mode, a few units on. */
  #machineReturn(): Unit {
    const pointer = this.#temporary();
    const skip = this.#random.below(3);
    return {
      emit: (a, forward) => {
        a.word(code.uType(0x37, pointer, 2));
        a.word(code.iType(OP_IMM, 0, pointer, pointer, -2048));
        a.word(code.iType(0x73, 2, 0, pointer, MSTATUS));
        a.word(code.uType(0x17, pointer, 0));
        a.reference(4, forward(skip), (distance) => code.iType(OP_IMM, 0, pointer, pointer, distance + 4));
        a.word(code.iType(0x73, 1, 0, pointer, MEPC));
        a.word(0x30200073);
      },
    };
  }
}
