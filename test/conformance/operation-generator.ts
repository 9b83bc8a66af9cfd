import * as code from '../support/riscv-encoding';
import type { Random } from '../support/random';
import type { Operation } from './operation-program';
import { TABLES } from './operation-program';
import { RAM_BASE } from './program';

/**
 * Random page tables, protections, privileges and accesses. What the specification leaves open, and what QEMU 7.2 is known to do
 * differently, is left out; each place says so.
 */
const PAGE_TABLES = 16;
const PAGE = 4096;
const ALL = (1n << 64n) - 1n;
const OPEN_PMP = [0n, 0x1fn << 56n, ...Array.from({ length: 15 }, () => 0n), (1n << 54n) - 1n];

const MSTATUS = {
  sie: 1n << 1n,
  mie: 1n << 3n,
  spie: 1n << 5n,
  mpie: 1n << 7n,
  spp: 1n << 8n,
  mpp: 3n << 11n,
  fs: 3n << 13n,
  mprv: 1n << 17n,
  sum: 1n << 18n,
  mxr: 1n << 19n,
  tvm: 1n << 20n,
  tw: 1n << 21n,
  tsr: 1n << 22n,
};
const LEVELS = [0n, 1n, 3n];

const NO_MEMORY = [0x90000, 0xc0000];

/** Indices that tables have entries at, at every level: low ones, and high ones for addresses in the upper half. */
function index(random: Random): number {
  return random.oneIn(3) ? random.between(504, 511) : random.below(8);
}

/** Tables that point at each other and at the pages that operations may use; any of them may serve at any level. */
export function randomTables(random: Random): Uint8Array {
  const tables = new Uint8Array(PAGE_TABLES * PAGE);
  const view = new DataView(tables.buffer);
  for (let table = 0; table < PAGE_TABLES; table++) {
    for (let i = 0; i < 16; i++) {
      const place = i < 8 ? i : 496 + i;
      view.setBigUint64(table * PAGE + place * 8, randomEntry(random), true);
    }
  }
  return tables;
}

function randomEntry(random: Random): bigint {
  let entry: bigint;
  if (random.below(100) < 45) {
    entry = (BigInt(((RAM_BASE + TABLES) >>> 12) + random.below(PAGE_TABLES)) << 10n) | 1n;
    // G and the software bits mean nothing here; A, D and U are reserved in such an entry.
    if (random.oneIn(4)) entry |= BigInt(random.pick([0x20, 0x100, 0x200]));
    if (random.oneIn(20)) entry |= BigInt(random.pick([0x10, 0x40, 0x80]));
  } else {
    const page = random.pick([
      0x80200 + random.below(8),
      0x80200 + random.between(504, 511),
      0x80000 + 0x200 * random.between(1, 7),
      0x80200,
      0x80000,
      ...NO_MEMORY,
    ]);
    // QEMU 7.2 takes a table that is nowhere for an invalid one, so these are always leaves.
    const anyFlags = random.oneIn(4) && !NO_MEMORY.includes(page);
    entry =
      (BigInt(page) << 10n) |
      BigInt(anyFlags ? random.below(1024) : random.pick([0x0f, 0x1f, 0xcf, 0xdf, 0xd7, 0xc7, 0x43, 0x4b, 0x5b, 0x49, 0x59]));
  }
  if (random.oneIn(40)) entry |= 1n << BigInt(random.between(54, 63));
  // Svnapot: 64 KiB, or what is reserved.
  if (random.oneIn(40)) entry = (entry & ~(15n << 10n)) | (BigInt(random.pick([8, 8, 4, 0])) << 10n) | (1n << 63n);
  if (random.oneIn(30)) entry &= ~1n;
  return entry;
}

function randomAddress(random: Random, sv48: boolean): bigint {
  let address = 0n;
  const levels = sv48 ? 4 : 3;
  for (let level = 0; level < levels; level++) address = (address << 9n) | BigInt(index(random));
  address = BigInt.asUintN(64, BigInt.asIntN(9 * levels, address)) << 12n;
  if (random.oneIn(30)) address ^= 1n << BigInt(random.between(12 + 9 * levels - 1, 63));
  return BigInt.asUintN(64, address);
}

/** The page tables' protection is all or nothing: QEMU 7.2 asks PMP for no right to write when it sets A and D. */
export function randomPmp(random: Random, wholePages: boolean): bigint[] {
  const grain = wholePages ? PAGE : 4;
  const configs: bigint[] = [];
  const addresses: bigint[] = [];
  const anywhere = (): number =>
    random.pick([0x80000000, 0x80200000, 0x803f8000, 0x80400000, 0x80e00000]) + random.below(0x8000 / grain) * grain;
  for (let i = 0; i < 16; i++) {
    let kind = random.pick([0, 0, 1, 2, 3]);
    if (wholePages && kind === 2) kind = 3;
    let address = BigInt(anywhere() / 4);
    if (kind === 3) {
      const order = BigInt(wholePages ? random.between(9, 20) : random.between(0, 12));
      address = ((address >> order) << order) | ((1n << order) - 1n);
    }
    const rights = random.pick([0, 1, 3, 4, 5, 7, 7]);
    configs.push(BigInt(rights | (kind << 3)));
    addresses.push(address);
  }
  // The driver's own pages and the tables, first; everything else, last.
  const low = (RAM_BASE + 0x10000) / 4;
  addresses[0] = BigInt(low);
  configs[0] = 0n;
  addresses[1] = BigInt((RAM_BASE + 0x1f0000) / 4);
  configs[1] = BigInt((random.oneIn(12) ? 0 : 7) | (1 << 3));
  if (!random.oneIn(4)) {
    addresses[15] = (1n << 54n) - 1n;
    configs[15] = 0x1fn;
  }
  const pack = (from: number): bigint => configs.slice(from, from + 8).reduce((word, config, i) => word | (config << BigInt(8 * i)), 0n);
  return [pack(0), pack(8), ...addresses];
}

function physicalAddress(random: Random): bigint {
  return BigInt(random.pick([0x80200000, 0x803f8000, 0x80400000, 0x80000000, 0x90000000]) + random.below(8) * PAGE);
}

const loads = [0, 1, 2, 3, 4, 5, 6];
/** amoswap, amoor, amoand, amomaxu. */
const amos = [1, 8, 12, 28];

/** One access: by a load, store or AMO of M-mode with another mode's rights, or by running code at the address. */
function randomAccess(random: Random, address: bigint, fetches: boolean, crossing: boolean): Omit<Operation, 'satp'> {
  const priv = random.pick([0n, 0n, 1n, 1n, 1n, 3n]);
  if (priv === 3n) address = physicalAddress(random);
  let mstatus = 0n;
  for (const bit of [MSTATUS.sum, MSTATUS.mxr]) if (random.oneIn(2)) mstatus |= bit;
  if (fetches && random.oneIn(3)) {
    // QEMU 7.2 stops at an assertion where code runs on from a page that is no memory.
    const halfword = priv === 3n && address < 0x90000000n && random.oneIn(4) ? 4094 : random.pick([2, 6, 4090, 2 + 4 * random.below(1023)]);
    return { mepc: address + BigInt(halfword), mstatus: mstatus | (priv << 11n) };
  }
  const size = random.below(4);
  const bytes = 1 << size;
  let offset = random.pick([0, 8, PAGE - 8, 8 * random.below(512)]) + (random.oneIn(2) ? random.below(8 / bytes) * bytes : 0);
  if (random.oneIn(6)) offset = random.below(PAGE);
  if (crossing && random.oneIn(6)) offset = PAGE - random.between(1, 7);
  if (!crossing && offset + bytes > PAGE) offset = PAGE - bytes;
  const value = random.oneIn(2) ? 0n : ALL;
  let instruction: number[];
  switch (random.below(5)) {
    case 0:
    case 1: {
      const funct3 = random.pick(loads);
      if (!crossing && offset + (1 << (funct3 & 3)) > PAGE) offset &= ~7;
      instruction = [code.iType(0x03, funct3, 10, 10, 0)];
      break;
    }
    case 2:
      instruction = [code.sType(0x23, size, 10, 11, 0)];
      break;
    case 3:
      // QEMU finds misaligned addresses of LR and AMO to be so before translation, as we do.
      instruction = [code.rType(0x2f, Math.max(size, 2), random.pick(amos) << 2, 12, 10, 11)];
      offset &= random.oneIn(8) ? ~0 : ~7;
      break;
    default:
      instruction = [code.rType(0x2f, 3, 2 << 2, 12, 10, 0), code.rType(0x2f, 3, 3 << 2, 13, 10, 11)];
      offset &= ~7;
  }
  return {
    mepc: 'stub',
    stub: [code.iType(0x73, 1, 0, 12, 0x300), ...instruction],
    mstatus: MSTATUS.mpp,
    a0: BigInt.asUintN(64, address + BigInt(offset)),
    a1: value,
    a2: mstatus | MSTATUS.mprv | (priv << 11n),
  };
}

/** Accesses through random tables. With `wholePages` protection changes at page boundaries only, and code is run and pages are crossed too. */
export function randomAccesses(random: Random, count: number, wholePages: boolean): Operation[] {
  const operations: Operation[] = [];
  let satp = 0n;
  let sv48 = false;
  let recent: bigint[] = [];
  let open = false;
  while (operations.length < count) {
    const first = operations.length === 0;
    const newPmp = first || random.oneIn(40);
    let fence: Operation['fence'];
    if (first || random.oneIn(25)) {
      sv48 = random.oneIn(2);
      const root = BigInt(((RAM_BASE + TABLES) >>> 12) + random.below(PAGE_TABLES));
      satp = random.oneIn(12) ? 0n : ((sv48 ? 9n : 8n) << 60n) | root;
      recent = [];
      fence = 'all';
    } else if (random.oneIn(20)) fence = random.oneIn(2) ? 'all' : 'a0';
    const bare = satp === 0n;
    let address: bigint;
    if (recent.length > 0 && random.oneIn(2)) address = random.pick(recent);
    else {
      address = bare ? physicalAddress(random) : randomAddress(random, sv48);
      recent.push(address);
    }
    const pmp = newPmp ? (random.oneIn(4) ? OPEN_PMP : randomPmp(random, wholePages)) : undefined;
    if (pmp) open = pmp === OPEN_PMP;
    // An access that crosses pages is cut there by us, so that each part meets its own protection; by QEMU it is not.
    const access = randomAccess(random, address, wholePages, open);
    // After a change of protection QEMU must be told to forget what it knows.
    operations.push({ ...access, satp, ...(pmp ? { pmp } : {}), ...(fence || pmp ? { fence: pmp ? 'all' : fence } : {}) });
  }
  return operations;
}

// ---- CSRs, traps and interrupts ------------------------------------------------------------------------------------

/** Registers and the bits of them that may be written: those whose other bits the machines implement differently are left alone. */
const registers: [number, bigint][] = [
  [0x100, 0xc0122n], // sstatus
  [0x104, ALL],
  [0x106, ALL & 0xffffffffn],
  [0x140, ALL],
  [0x141, ALL & ~1n],
  [0x142, ALL],
  [0x143, ALL],
  [0x144, ALL],
  [0x300, ALL & ~MSTATUS.mprv & ~MSTATUS.fs & ~(0xffn << 32n) & ~0x1f670n & ~(1n << 63n)],
  [0x303, 0x222n],
  [0x304, 0xa2an],
  [0x340, ALL],
  [0x341, ALL & ~1n],
  [0x342, ALL],
  [0x343, ALL],
  [0x344, 0x222n],
  [0x306, 0xffffffffn],
  [0x001, 0xffn],
  [0x002, 0xffn],
  [0x003, 0xffffn],
  [0xf14, ALL],
  [0xc03, ALL],
  [0x180, 0x00000000000000ffn],
  [0x15c, 0n],
  [0x200, 0n],
  [0xfff, 0n],
];
const INTERRUPTS = [0x2n, 0x20n, 0x200n];

function someOf(random: Random, bits: readonly bigint[]): bigint {
  return bits.reduce((all, bit) => (random.oneIn(2) ? all | bit : all), 0n);
}

/** One CSR or privileged instruction, in any mode, with any interrupts pending, enabled and delegated. */
export function randomPrivileged(random: Random, count: number): Operation[] {
  return Array.from({ length: count }, (_, i) => {
    const priv = random.pick(LEVELS);
    let mstatus = (priv << 11n) | someOf(random, [MSTATUS.sie, MSTATUS.spie, MSTATUS.mpie, MSTATUS.sum, MSTATUS.mxr, MSTATUS.fs]);
    if (random.oneIn(2)) mstatus |= MSTATUS.spp;
    if (random.oneIn(3)) mstatus |= someOf(random, [MSTATUS.tvm, MSTATUS.tw, MSTATUS.tsr]);
    const quiet = random.oneIn(2);
    const operation: Operation = {
      mepc: 'stub',
      mstatus,
      a0: random.oneIn(2) ? ALL : BigInt(random.u32()),
      medeleg: random.oneIn(2) ? BigInt(random.pick([0x4, 0x8, 0x104, 0xb1fd & ~0x200])) : 0n,
      mideleg: someOf(random, INTERRUPTS),
      mie: quiet ? 0n : someOf(random, INTERRUPTS),
      mip: someOf(random, INTERRUPTS),
      vectored: random.below(2),
      mcounteren: BigInt(random.below(16)),
      scounteren: BigInt(random.below(16)),
      ...(i === 0 ? { pmp: OPEN_PMP, fence: 'all' as const } : {}),
    };
    if (random.below(10) < 7) {
      const [csr, writable] = random.pick(registers);
      const operationCode = random.between(1, 3);
      const immediate = random.oneIn(4);
      const rs1 = random.oneIn(4) ? 0 : immediate ? random.below(32) : 10;
      operation.a0 = BigInt.asUintN(64, (operation.a0 ?? 0n) & writable);
      if (immediate && (writable & 31n) !== 31n) return { ...operation, stub: [code.iType(0x73, 2, 11, 0, csr)] };
      operation.stub = [
        code.iType(0x73, operationCode + (immediate ? 4 : 0), random.oneIn(4) ? 0 : 11, rs1, csr),
        code.iType(0x73, 2, 12, 0, csr),
      ];
    } else {
      operation.stub = [
        random.pick([
          0x73, 0x00100073, 0x10200073, 0x30200073, 0x12000073, 0x12050073, 0, 0xffffffff, 0x0000100f, 0x0ff0000f, 0xc0102573, 0xc0002573,
        ]),
      ];
      // The time itself differs.
      if ((operation.stub[0] ?? 0) >>> 20 >= 0xc00 && operation.stub[0] !== 0xffffffff)
        operation.stub = [...operation.stub, code.iType(0x13, 0, 10, 0, 0)];
    }
    return operation;
  });
}
