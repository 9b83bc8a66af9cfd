import { Assembler, Label } from '../support/assembler';
import * as code from '../support/riscv-encoding';
import { RAM_BASE } from './program';

/**
 * Differs from instructions.test.ts in what it varies: here every single access, CSR instruction or trap has a privilege mode,
 * translation, protection and pending interrupts of its own.
 *
 * A bare-metal program that carries out operations, each in a privilege mode, translation and protection of its own, and keeps
 * what came of each. An operation starts with `mret` at any address and ends with whatever trap reaches M-mode first.
 */
export interface Operation {
  /** Where mret goes: the operation's own instruction(s) (see `stub`), or an address to try to fetch from. */
  mepc: bigint | 'stub';
  /** The instructions at 'stub'; an ecall follows. */
  stub?: readonly number[];
  mstatus: bigint;
  satp?: bigint;
  a0?: bigint;
  a1?: bigint;
  a2?: bigint;
  /** pmpcfg0, pmpcfg2 and pmpaddr0 to pmpaddr15, set before the operation; as they were if absent. */
  pmp?: readonly bigint[];
  /** sfence.vma before the operation: of everything, or of the page of a0. */
  fence?: 'all' | 'a0';
  medeleg?: bigint;
  mideleg?: bigint;
  mie?: bigint;
  mip?: bigint;
  /** 1 for vectored mode of the S-mode trap handler. */
  vectored?: number;
  mcounteren?: bigint;
  scounteren?: bigint;
}

const INPUTS = [
  'mepc',
  'mstatus',
  'satp',
  'a0',
  'a1',
  'a2',
  'pmp',
  'fence',
  'medeleg',
  'mideleg',
  'mie',
  'mip',
  'stvec',
  'sepc',
  'mcounteren',
  'scounteren',
] as const;
/** What an operation left: the trap that ended it, registers (a3 to a6 hold scause, sepc, stval, sstatus if S-mode took a trap). */
export const OUTPUTS = ['mcause', 'mtval', 'mepc', 'mstatus', 'a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'mip', 'mie', 'satp'] as const;
const RECORD_BYTES = 256;
const FIRST_OUTPUT = 128;

/** Offsets in the image. The first pages of each 2 MiB, and its last, belong to the operations to read, write and run. */
const DRIVER = 0x1_0000;
const STUBS = 0x4_0000;
export const TABLES = 0x10_0000;
const RECORDS = 0xa1_0000;
const PMP_BLOCKS = 0xc1_0000;
const IMAGE_BYTES = 0x100_0000;
const PMP_BYTES = 18 * 8;

const TEST_FINISHER = 0x100000;
const S0 = 8;
const S1 = 9;
const [T0, T1] = [5, 6];
const A0 = 10;
const CSR = {
  sstatus: 0x100,
  stvec: 0x105,
  scounteren: 0x106,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  satp: 0x180,
  mstatus: 0x300,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpcfg2: 0x3a2,
  pmpaddr0: 0x3b0,
  mhartid: 0xf14,
};
const ECALL = 0x73;
const MRET = 0x30200073;
const WFI = 0x10500073;
const FENCE_I = 0x0000100f;
const SFENCE_ALL = 0x12000073;

export interface OperationProgram {
  image: Uint8Array;
  operations: readonly Operation[];
}

/** `tables`: what lies at TABLES. Memory that operations may use is filled with ecalls, so that any fetch ends at once. */
export function buildOperationProgram(operations: readonly Operation[], tables: Uint8Array): OperationProgram {
  const image = new Uint8Array(IMAGE_BYTES);
  const view = new DataView(image.buffer);
  // An ecall at every offset of 2 modulo 4, so that one straddles each page boundary.
  for (let at = 2; at < IMAGE_BYTES; at += 4) view.setUint16(at, ECALL, true);
  image.set(tables, TABLES);

  const supervisorHandler = new Label();
  const driver = emitDriver(operations.length, supervisorHandler);
  image.fill(0, DRIVER, TABLES);
  image.set(driver, DRIVER);
  view.setUint32(0, code.jType(0, DRIVER), true);

  let stub = STUBS;
  let block = PMP_BLOCKS;
  operations.forEach((operation, i) => {
    const at = RECORDS + i * RECORD_BYTES;
    const ending = stub;
    view.setUint32(stub, ECALL, true);
    stub += 4;
    const start = stub;
    if (operation.stub) {
      for (const word of operation.stub) {
        view.setUint32(stub, word, true);
        stub += 4;
      }
      view.setUint32(stub, ECALL, true);
      stub += 4;
    }
    let pmp = 0n;
    if (operation.pmp) {
      pmp = BigInt(RAM_BASE + block);
      for (const [j, value] of operation.pmp.entries()) view.setBigUint64(block + 8 * j, value, true);
      block += PMP_BYTES;
    }
    const values: Record<(typeof INPUTS)[number], bigint> = {
      mepc: operation.mepc === 'stub' ? BigInt(RAM_BASE + start) : operation.mepc,
      mstatus: operation.mstatus,
      satp: operation.satp ?? 0n,
      a0: operation.a0 ?? 0n,
      a1: operation.a1 ?? 0n,
      a2: operation.a2 ?? 0n,
      pmp,
      fence: operation.fence === 'all' ? 1n : operation.fence === 'a0' ? 2n : 0n,
      medeleg: operation.medeleg ?? 0n,
      mideleg: operation.mideleg ?? 0n,
      mie: operation.mie ?? 0n,
      mip: operation.mip ?? 0n,
      stvec: BigInt(RAM_BASE + DRIVER + (supervisorHandler.offset ?? 0) + (operation.vectored ?? 0)),
      sepc: BigInt(RAM_BASE + ending),
      mcounteren: operation.mcounteren ?? 0n,
      scounteren: operation.scounteren ?? 0n,
    };
    for (const [j, name] of INPUTS.entries()) view.setBigUint64(at + 8 * j, BigInt.asUintN(64, values[name]), true);
  });
  if (stub > TABLES || block > IMAGE_BYTES - 0x10000 || RECORDS + operations.length * RECORD_BYTES > PMP_BLOCKS - 0x20000)
    throw new Error('too many operations');
  return { image, operations };
}

function emitDriver(count: number, supervisorHandler: Label): Uint8Array {
  const a = new Assembler();
  const ld = (rd: number, name: (typeof INPUTS)[number]): void => a.word(code.iType(0x03, 3, rd, S0, 8 * INPUTS.indexOf(name)));
  const sd = (rs2: number, name: (typeof OUTPUTS)[number]): void =>
    a.word(code.sType(0x23, 3, S0, rs2, FIRST_OUTPUT + 8 * OUTPUTS.indexOf(name)));
  const addi = (rd: number, rs1: number, immediate: number): void => a.word(code.iType(0x13, 0, rd, rs1, immediate));
  const csrr = (rd: number, csr: number): void => a.word(code.iType(0x73, 2, rd, 0, csr));
  const csrw = (csr: number, rs1: number): void => a.word(code.iType(0x73, 1, 0, rs1, csr));
  const branch = (funct3: number, rs1: number, rs2: number, to: Label): void => a.reference(4, to, (d) => code.bType(funct3, rs1, rs2, d));
  const jump = (to: Label): void => a.reference(4, to, (d) => code.jType(0, d));
  const load = (rd: number, csr: number, name: (typeof INPUTS)[number]): void => {
    ld(rd, name);
    csrw(csr, rd);
  };
  const address = (rd: number, offset: number): void => {
    // lui sign-extends, so the address is made from half of it.
    a.word(code.uType(0x37, rd, ((RAM_BASE / 2 + offset / 2) >>> 12) & 0xfffff));
    a.word(code.iType(0x13, 1, rd, rd, 1));
  };
  const [first, asleep, next, done, trap, noPmp, noFence, notAll, here] = Array.from({ length: 9 }, () => new Label()) as [
    Label,
    Label,
    Label,
    Label,
    Label,
    Label,
    Label,
    Label,
    Label,
  ];

  csrw(CSR.mie, 0);
  csrr(T0, CSR.mhartid);
  branch(0, T0, 0, first);
  a.place(asleep);
  a.word(WFI);
  jump(asleep);
  a.place(first);
  a.reference(4, trap, (d) => code.uType(0x17, T0, (d + 0x800) >> 12));
  a.reference(4, trap, (d) => code.iType(0x13, 0, T0, T0, ((d + 4) << 20) >> 20));
  csrw(CSR.mtvec, T0);
  address(S0, RECORDS);
  address(S1, RECORDS + (count >> 5) * 32 * RECORD_BYTES);
  for (let i = 0; i < count % 32; i++) addi(S1, S1, RECORD_BYTES);

  a.place(next);
  branch(7, S0, S1, done);
  ld(T1, 'pmp');
  branch(0, T1, 0, noPmp);
  for (let i = 0; i < 16; i++) {
    a.word(code.iType(0x03, 3, T0, T1, 16 + 8 * i));
    csrw(CSR.pmpaddr0 + i, T0);
  }
  a.word(code.iType(0x03, 3, T0, T1, 0));
  csrw(CSR.pmpcfg0, T0);
  a.word(code.iType(0x03, 3, T0, T1, 8));
  csrw(CSR.pmpcfg2, T0);
  a.place(noPmp);
  csrw(CSR.mtval, 0);
  csrw(CSR.stval, 0);
  csrw(CSR.scause, 0);
  load(T0, CSR.satp, 'satp');
  load(T0, CSR.medeleg, 'medeleg');
  load(T0, CSR.mideleg, 'mideleg');
  load(T0, CSR.mip, 'mip');
  load(T0, CSR.mie, 'mie');
  load(T0, CSR.stvec, 'stvec');
  load(T0, CSR.sepc, 'sepc');
  load(T0, CSR.mcounteren, 'mcounteren');
  load(T0, CSR.scounteren, 'scounteren');
  load(T0, CSR.mepc, 'mepc');
  load(T0, CSR.mstatus, 'mstatus');
  ld(A0, 'a0');
  ld(A0 + 1, 'a1');
  ld(A0 + 2, 'a2');
  for (let i = 3; i < 7; i++) addi(A0 + i, 0, 0);
  ld(T0, 'fence');
  branch(0, T0, 0, noFence);
  addi(T1, 0, 1);
  branch(1, T0, T1, notAll);
  a.word(SFENCE_ALL);
  a.place(notAll);
  a.word(code.rType(0x73, 0, 9, 0, A0, 0));
  a.place(noFence);
  // Earlier operations may have written where this one runs.
  a.word(FENCE_I);
  a.word(MRET);

  while (a.offset % 256 !== 0) a.half(0);
  a.place(supervisorHandler);
  // Vectored interrupts come in at any of the first words.
  const body = new Label();
  for (let i = 0; i < 16; i++) jump(body);
  a.place(body);
  csrr(13, CSR.scause);
  csrr(14, CSR.sepc);
  csrr(15, CSR.stval);
  csrr(16, CSR.sstatus);
  a.word(ECALL);

  while (a.offset % 4 !== 0) a.half(0);
  a.place(trap);
  (['mcause', 'mtval', 'mepc', 'mstatus'] as const).forEach((name) => {
    csrr(T0, CSR[name]);
    sd(T0, name);
  });
  for (const [i, name] of (['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6'] as const).entries()) sd(A0 + i, name);
  (['mip', 'mie', 'satp'] as const).forEach((name) => {
    csrr(T0, CSR[name]);
    // QEMU's machine timer is due from the start.
    if (name === 'mip') a.word(code.iType(0x13, 7, T0, T0, ~0x80));
    sd(T0, name);
  });
  // MPRV, if an operation left it set, must not outlive the trap.
  csrw(CSR.mie, 0);
  a.word(code.uType(0x37, T0, 0x20));
  a.word(code.iType(0x73, 3, 0, T0, CSR.mstatus));
  addi(S0, S0, RECORD_BYTES);
  jump(next);

  a.place(done);
  a.word(code.uType(0x37, T0, TEST_FINISHER >> 12));
  a.word(code.uType(0x37, T1, 5));
  addi(T1, T1, 0x555);
  a.word(code.sType(0x23, 2, T0, T1, 0));
  a.place(here);
  jump(here);
  return a.bytes();
}

type Output = (typeof OUTPUTS)[number];

interface Outcome {
  index: number;
  operation: Operation;
  expected: Record<Output, bigint>;
  found: Record<Output, bigint>;
}

function outcomeOf(image: Uint8Array, index: number): Record<Output, bigint> {
  const view = new DataView(image.buffer, image.byteOffset);
  return Object.fromEntries(
    OUTPUTS.map((name, j) => [name, view.getBigUint64(RECORDS + index * RECORD_BYTES + FIRST_OUTPUT + 8 * j, true)]),
  ) as Record<Output, bigint>;
}

/** What QEMU 7.2 does otherwise than the specification, or than we where both may. */
function excused(name: Output, { operation, expected, found }: Outcome): boolean {
  const atomic = (operation.stub ?? []).some((word) => (word & 0x7f) === 0x2f);
  const interrupt = (value: bigint): boolean => value >> 63n === 1n;
  switch (name) {
    case 'mcause':
      // It takes the read of an AMO to where there is no memory for a load.
      if (atomic) return expected.mcause === 5n && found.mcause === 7n;
      // Of several interrupts it takes the one with the lowest number.
      if (interrupt(expected.mcause)) return interrupt(found.mcause);
      return crossesToNoMemory(expected, found);
    case 'a3':
      return interrupt(expected.a3) && interrupt(found.a3);
    case 'a5':
      return found.a3 === 3n && expected.a5 === 0n && found.a5 === found.a4;
    case 'mtval':
      // It leaves an ebreak's address out.
      if (found.mcause === 3n) return expected.mtval === 0n && found.mtval === found.mepc;
      // It makes two aligned accesses of a misaligned one to where there is no memory.
      return (
        ((found.mcause === 5n || found.mcause === 7n) && found.mtval === operation.a0 && (expected.mtval ^ found.mtval) < 8n) ||
        crossesToNoMemory(expected, found)
      );
    case 'a1':
    case 'a2':
      if (interrupt(expected[name])) return interrupt(found[name]);
      // Its machine timer is due from the start.
      return (expected[name] ^ found[name]) === 0x80n && (operation.stub ?? []).some((word) => word >>> 20 === 0x344);
    default:
      return false;
  }
}

/** A misaligned store to no memory whose second half must not be written either: one says this first, one that. */
function crossesToNoMemory(expected: Outcome['expected'], found: Outcome['found']): boolean {
  return expected.mcause === 15n && found.mcause === 7n && expected.mtval % 4096n === 0n && expected.mtval - found.mtval < 8n;
}

/** What differs between two runs of a program: outcomes of operations, and bytes of memory outside the records. */
export function compareOperations(
  program: OperationProgram,
  expected: Uint8Array,
  found: Uint8Array,
  limit = 10,
): { outcomes: Outcome[]; memory: string[] } {
  const outcomes: Outcome[] = [];
  program.operations.forEach((operation, index) => {
    if (outcomes.length >= limit) return;
    const at = RECORDS + index * RECORD_BYTES;
    if (Buffer.compare(expected.subarray(at, at + RECORD_BYTES), found.subarray(at, at + RECORD_BYTES)) === 0) return;
    const outcome = { index, operation, expected: outcomeOf(expected, index), found: outcomeOf(found, index) };
    if (OUTPUTS.some((name) => outcome.expected[name] !== outcome.found[name] && !excused(name, outcome))) outcomes.push(outcome);
  });
  const memory: string[] = [];
  const same = (from: number, to: number): boolean => Buffer.compare(expected.subarray(from, to), found.subarray(from, to)) === 0;
  for (let page = 0; page < IMAGE_BYTES && memory.length < limit; page += 4096) {
    if ((page >= RECORDS && page < RECORDS + program.operations.length * RECORD_BYTES) || same(page, page + 4096)) continue;
    for (let at = page; at < page + 4096 && memory.length < limit; at += 8) {
      if (same(at, at + 8)) continue;
      const hex = (bytes: Uint8Array): string =>
        Buffer.from(bytes.subarray(at, at + 8))
          .readBigUInt64LE()
          .toString(16);
      memory.push(`0x${(RAM_BASE + at).toString(16)}: expected ${hex(expected)}, found ${hex(found)}`);
    }
  }
  return { outcomes, memory };
}

export function describeOutcome({ index, operation, expected, found }: Outcome): string {
  const lines = OUTPUTS.filter((name) => expected[name] !== found[name]).map(
    (name) => `${name}: expected 0x${expected[name].toString(16)}, found 0x${found[name].toString(16)}`,
  );
  const input = JSON.stringify(operation, (_, value: unknown) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value));
  return `operation ${index} ${input}\n    ${lines.join('\n    ')}`;
}
