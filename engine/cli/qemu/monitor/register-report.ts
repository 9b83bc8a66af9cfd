import type { Debugger } from '../../../index';

const X_NAMES = [
  ...['zero', 'ra', 'sp', 'gp', 'tp', 't0', 't1', 't2', 's0', 's1', 'a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7'],
  ...['s2', 's3', 's4', 's5', 's6', 's7', 's8', 's9', 's10', 's11', 't3', 't4', 't5', 't6'],
];
const F_NAMES = [
  ...['ft0', 'ft1', 'ft2', 'ft3', 'ft4', 'ft5', 'ft6', 'ft7', 'fs0', 'fs1', 'fa0', 'fa1', 'fa2', 'fa3', 'fa4', 'fa5', 'fa6', 'fa7'],
  ...['fs2', 'fs3', 'fs4', 'fs5', 'fs6', 'fs7', 'fs8', 'fs9', 'fs10', 'fs11', 'ft8', 'ft9', 'ft10', 'ft11'],
];
/** CSRs that the report shows, in its order; `$NAME` works for all of them. */
const CSRS: Readonly<Record<string, number>> = {
  mhartid: 0xf14,
  mstatus: 0x300,
  mip: 0x344,
  mie: 0x304,
  mideleg: 0x303,
  medeleg: 0x302,
  mtvec: 0x305,
  stvec: 0x105,
  mepc: 0x341,
  sepc: 0x141,
  mcause: 0x342,
  scause: 0x142,
  mtval: 0x343,
  stval: 0x143,
  mscratch: 0x340,
  sscratch: 0x140,
  satp: 0x180,
};
/** Further ones that have a name behind `$`. */
const NAMED: Readonly<Record<string, number>> = {
  ...CSRS,
  sstatus: 0x100,
  sie: 0x104,
  sip: 0x144,
  misa: 0x301,
  mcounteren: 0x306,
  scounteren: 0x106,
  menvcfg: 0x30a,
  senvcfg: 0x10a,
  stimecmp: 0x14d,
  cycle: 0xc00,
  time: 0xc01,
  instret: 0xc02,
  mcycle: 0xb00,
  minstret: 0xb02,
  fflags: 0x001,
  frm: 0x002,
  fcsr: 0x003,
};

const hex = (value: bigint): string => BigInt.asUintN(64, value).toString(16).padStart(16, '0');

/** What `info registers` shows of a hart that stands, in the layout of QEMU. */
export function registerReport(harts: Debugger, hart: number): string {
  const { x, f, pc, privilege } = harts.registers(hart);
  const csrs = Object.entries(CSRS).flatMap(([name, number]) => {
    const value = harts.readCsr(hart, number);
    return value === undefined ? [] : ` ${name.padEnd(8)} ${hex(value)}\n`;
  });
  const file = (letter: string, names: string[], values: BigUint64Array): string =>
    names.map((name, i) => ` ${`${letter}${i}/${name}`.padEnd(8)} ${hex(values[i])}${i % 4 === 3 ? '\n' : ''}`).join('');
  return [
    `\nCPU#${hart}\n`,
    ` pc       ${hex(pc)}\n`,
    ` priv     ${privilege}\n`,
    ...csrs,
    file('x', X_NAMES, x),
    file('f', F_NAMES, f),
  ].join('');
}

/** The register of that name: `pc`, `a0`, `x10`, `fa0`, `mcause`. */
export function registerNamed(harts: Debugger, hart: number, name: string): bigint | undefined {
  const registers = harts.registers(hart);
  if (name === 'pc') return registers.pc;
  const [, letter, number] = /^([xf])(\d{1,2})$/.exec(name) ?? [];
  const x = letter === 'x' ? Number(number) : X_NAMES.indexOf(name === 'fp' ? 's0' : name);
  if (x >= 0 && x < 32) return registers.x[x];
  const f = letter === 'f' ? Number(number) : F_NAMES.indexOf(name);
  if (f >= 0 && f < 32) return registers.f[f];
  return Object.hasOwn(NAMED, name) ? harts.readCsr(hart, NAMED[name]) : undefined;
}
