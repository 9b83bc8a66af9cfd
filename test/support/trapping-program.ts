import type { HartEnvironment } from '../../engine/hart/hart';
import { MACHINE_RUN_STATE, RUN_STOPPED } from '../../engine/memory/layout';
import { Assembler, Label } from './assembler';
import { BareHart, FINISH, RAM } from './bare-hart';
import { iType, jType, sType, uType } from './riscv-encoding';

export const CSR = {
  stvec: 0x105,
  stimecmp: 0x14d,
  satp: 0x180,
  mstatus: 0x300,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mcountinhibit: 0x320,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
  minstret: 0xb02,
  time: 0xc01,
};
export const [A0, A1, A2, A3, T0, T1, LOG, RESUME] = [10, 11, 12, 13, 5, 6, 30, 31];
export const NOP = 0x13;
export const ECALL = 0x73;
export const MRET = 0x30200073;
export const WFI = 0x10500073;
export const FENCE_I = 0x100f;
export const RET = 0x8067;
export const MPP_S = 1n << 11n;
export const ADUE = 1n << 61n;
export const STCE = 1n << 63n;
export const PTE = { v: 1n, r: 2n, w: 4n, x: 8n, u: 16n, g: 32n, a: 64n, d: 128n };

/** Where tests keep things in RAM. */
export const LOG_AT = RAM + 0x8000;
export const TABLES = RAM + 0x10000;
export const DATA = RAM + 0x20000;
/** A device's registers, and where nothing is. */
export const DEVICE = 0x1000_0000;
export const NOWHERE = 0x4000_0000;

/** Machine code in the making. Traps are logged (mcause, mtval, mepc) and disable interrupts; execution goes on at x31 in M-mode. */
export class Program {
  readonly code = new Assembler();
  private readonly handler = new Label();

  constructor(build: (p: Program) => void) {
    const start = new Label();
    this.jump(start);
    this.code.place(this.handler);
    for (const [i, csr] of [CSR.mcause, CSR.mtval, CSR.mepc].entries()) {
      this.csrr(T0, csr);
      this.word(sType(0x23, 3, LOG, T0, 8 * i));
    }
    this.word(iType(0x13, 0, LOG, LOG, 24));
    this.csrw(CSR.mepc, RESUME);
    this.csrw(CSR.mie, 0);
    this.li(T0, 3n << 11n);
    this.word(iType(0x73, 2, 0, T0, CSR.mstatus));
    this.word(MRET);
    this.code.place(start);
    this.la(T0, this.handler);
    this.csrw(CSR.mtvec, T0);
    this.li(LOG, BigInt(LOG_AT));
    // Everything is allowed to S and U.
    this.set(CSR.pmpaddr0 + 15, (1n << 54n) - 1n);
    this.set(CSR.pmpcfg0 + 2, 0x1fn << 56n);
    build(this);
    this.finish();
  }

  word(bits: number): void {
    this.code.word(bits);
  }
  jump(to: Label): void {
    this.code.reference(4, to, (d) => jType(0, d));
  }
  la(rd: number, to: Label): void {
    this.code.reference(4, to, (d) => uType(0x17, rd, (d + 0x800) >> 12));
    this.code.reference(4, to, (d) => iType(0x13, 0, rd, rd, ((d + 4) << 20) >> 20));
  }
  li(rd: number, value: bigint): void {
    const v = BigInt.asIntN(64, value);
    const low = BigInt.asIntN(12, v);
    if (v === low) {
      this.word(iType(0x13, 0, rd, 0, Number(low)));
      return;
    }
    this.li(rd, (v - low) >> 12n);
    this.word(iType(0x13, 1, rd, rd, 12));
    this.word(iType(0x13, 0, rd, rd, Number(low)));
  }
  csrr(rd: number, csr: number): void {
    this.word(iType(0x73, 2, rd, 0, csr));
  }
  csrw(csr: number, rs1: number): void {
    this.word(iType(0x73, 1, 0, rs1, csr));
  }
  set(csr: number, value: bigint): void {
    this.li(T0, value);
    this.csrw(csr, T0);
  }
  store(address: number, value: bigint): void {
    this.li(T0, BigInt(address));
    this.li(T1, value);
    this.word(sType(0x23, 3, T0, T1, 0));
  }
  /** Do something that may trap; go on behind it. */
  attempt(body: () => void): void {
    const after = new Label();
    this.la(RESUME, after);
    body();
    this.code.place(after);
  }
  /** Continue at an address with the given mstatus; come back by a trap. */
  enter(mstatus: bigint, address: bigint): void {
    this.attempt(() => {
      this.set(CSR.mepc, address);
      // Clear MPP first.
      this.li(T0, 3n << 11n);
      this.word(iType(0x73, 3, 0, T0, CSR.mstatus));
      this.li(T0, mstatus);
      this.word(iType(0x73, 2, 0, T0, CSR.mstatus));
      this.word(MRET);
    });
  }
  finish(): void {
    this.li(T0, BigInt(FINISH));
    this.word(sType(0x23, 2, T0, 0, 0));
    const here = new Label();
    this.code.place(here);
    this.jump(here);
  }
}

export interface Trap {
  cause: number;
  value: bigint;
  pc: bigint;
}

/** A hart that runs such programs, and the traps that it took. */
export class Run {
  readonly machine: BareHart;
  private started = 0;
  private finished = false;
  constructor(
    helpers: WebAssembly.Module,
    environment: Partial<HartEnvironment> = {},
    shape: Omit<ConstructorParameters<typeof BareHart>[1] & object, 'environment'> = {},
  ) {
    this.machine = new BareHart(helpers, {
      ...shape,
      environment: {
        ...environment,
        time: () => {
          if (performance.now() - this.started > 5000) this.stop();
          return environment.time?.() ?? 0;
        },
        mmioWrite: (address, size, value) => this.write(address, size, value, environment),
      },
    });
  }
  private write(address: number, size: 1 | 2 | 4, value: number, environment: Partial<HartEnvironment>): boolean {
    if (address !== FINISH) return environment.mmioWrite?.(address, size, value) ?? false;
    this.finished = true;
    this.stop();
    return true;
  }
  stop(): void {
    Atomics.store(this.machine.memory.words, MACHINE_RUN_STATE >>> 2, RUN_STOPPED);
  }
  run(build: (p: Program) => void, expectFinish = true): Trap[] {
    const code = new Program(build).code.bytes();
    if (code.length > LOG_AT - RAM) throw new Error('program too long');
    this.started = performance.now();
    this.finished = false;
    this.machine.run(code);
    if (!this.finished && expectFinish) throw new Error(`the program did not finish; pc 0x${this.machine.hart.pc.toString(16)}`);
    const traps: Trap[] = [];
    for (let at = LOG_AT; this.u64(at + 16) !== 0n; at += 24) {
      traps.push({ cause: Number(BigInt.asUintN(63, this.u64(at))), value: this.u64(at + 8), pc: this.u64(at + 16) });
    }
    return traps;
  }
  u64(address: number): bigint {
    const at = this.machine.memory.offsetOf(address, 8);
    return this.machine.memory.data.getBigUint64(at, true);
  }
  put(address: number, value: bigint): void {
    this.machine.memory.data.setBigUint64(this.machine.memory.offsetOf(address, 8), value, true);
  }
  code(address: number, ...words: number[]): void {
    for (const [i, word] of words.entries()) this.machine.memory.writeU32(address + 4 * i, word);
  }
  /** Sv39: a gigabyte identity for RAM, and pages from `virtual` on, all in one last-level table. Returns satp. */
  map(virtual: bigint, entries: bigint[]): bigint {
    const leaf = PTE.v | PTE.r | PTE.w | PTE.x | PTE.a | PTE.d;
    const pointer = (address: number): bigint => (BigInt(address) >> 2n) | PTE.v;
    this.put(TABLES + 8 * 2, (BigInt(RAM) >> 2n) | leaf);
    this.put(TABLES + 8 * Number((virtual >> 30n) & 511n), pointer(TABLES + 4096));
    this.put(TABLES + 4096 + 8 * Number((virtual >> 21n) & 511n), pointer(TABLES + 8192));
    for (const [i, entry] of entries.entries()) this.put(TABLES + 8192 + 8 * (Number((virtual >> 12n) & 511n) + i), entry);
    return (8n << 60n) | (BigInt(TABLES) >> 12n);
  }
  entry(i: number): bigint {
    return this.u64(TABLES + 8192 + 8 * i);
  }
}

export const page = (address: number, flags: bigint): bigint => (BigInt(address) >> 2n) | PTE.v | flags;
export const load = (rd: number, rs1: number, funct3 = 3): number => iType(0x03, funct3, rd, rs1, 0);
export const store = (rs2: number, rs1: number, funct3 = 3): number => sType(0x23, funct3, rs1, rs2, 0);
export const causes = (traps: Trap[]): number[] => traps.map(({ cause }) => cause);
