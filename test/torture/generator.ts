import { Label } from '../support/assembler';
import { type BareMetal, FINISHER, RAM, T0, T1, T2 } from '../support/bare-metal';
import type { ElfPart } from '../support/elf-builder';
import { Random } from '../support/random';
import { iType, rType, sType } from '../support/riscv-encoding';

const MiB = 1 << 20;
// What lies where in RAM behind the code.
const RINGS = RAM + 2 * MiB;
const RING_BYTES = 0x1000;
const RING_PLACES = 16;
const BUFFERS = RAM + 3 * MiB;
const BUFFER_BYTES = MiB;
const SCRATCH = RAM + 5 * MiB;
const TABLES = RAM + 6 * MiB;
const TABLE_PAGES = 8;
const TOHOST = RAM + 7 * MiB;

const CLINT = 0x2000000;
const VIRTIO = 0x10001000;
const ECAM = 0x30000000;
const FUNCTION = 0x8000;
const BAR_PLACES = [0x40000000, 0x40004000, 0x7fffc000, 0x400000000, 0x7ffffc000, RAM, RAM + 3 * MiB, 0, 0x10000000, 0xffffc000];

const MSTATUS = 0x300;
const MIE = 0x304;
const MTVEC = 0x305;
const STVEC = 0x105;
const SATP = 0x180;
const MSCRATCH = 0x340;
const MEPC = 0x341;
const MCAUSE = 0x342;
const MHARTID = 0xf14;
const PMPCFG0 = 0x3a0;
const PMPADDR0 = 0x3b0;
const MPP = 0x1800;
const MPRV = 0x20000;
const [TVM, TW, TSR] = [1 << 20, 1 << 21, 1 << 22];
const MRET = 0x30200073;
const SRET = 0x10200073;
const WFI = 0x10500073;
const ECALL = 0x73;
const EBREAK = 0x100073;
const SFENCE = 0x12000073;
const FENCE_I = 0x100f;
const RET = 0x8067;
/** Ticks between two timer interrupts, which take a hart out of whatever it got into. */
const PATIENCE = 20_000;

/** What guests that end on their own end with. */
export const GUEST_EXITS = [77, 78];

export interface RandomGuest {
  harts: number;
  /** Options of `hartbox run` beside those. */
  args: string[];
  /** Bytes of each drive that it has, in order; `disk(i)` of `randomGuest` names their files. */
  symbols: Record<string, number>;
  write: (program: BareMetal) => void;
  /** Behind its code. */
  parts: ElfPart[];
}

/** Ranges of devices, with the steps in which something is to be found there. */
const DEVICES: { base: number; size: number; step: number; width: 1 | 2 | 4 }[] = [
  { base: 0x1000, size: 0x100, step: 4, width: 4 },
  { base: FINISHER + 4, size: 0xffc, step: 4, width: 4 },
  { base: 0x101000, size: 0x30, step: 4, width: 4 },
  { base: CLINT, size: 0x40, step: 4, width: 4 },
  { base: CLINT + 0x4000, size: 0x80, step: 4, width: 4 },
  { base: CLINT + 0xbff8, size: 8, step: 4, width: 4 },
  { base: 0xc000000, size: 0x200, step: 4, width: 4 },
  { base: 0xc001000, size: 0x10, step: 4, width: 4 },
  { base: 0xc002000, size: 0x1000, step: 0x80, width: 4 },
  { base: 0xc200000, size: 0x20000, step: 0x1000, width: 4 },
  { base: 0xc200004, size: 0x20000, step: 0x1000, width: 4 },
  { base: 0xc001bc0, size: 0x200, step: 4, width: 4 },
  { base: 0xc003000, size: 0x1000, step: 4, width: 4 },
  { base: 0xc004000, size: 0x200, step: 4, width: 4 },
  { base: 0xd000000, size: 0x4200, step: 4, width: 4 },
  { base: 0x24000000, size: 0x10000, step: 0x1000, width: 4 },
  { base: 0x28000000, size: 0x10000, step: 0x1000, width: 4 },
  { base: 0x10000000, size: 8, step: 1, width: 1 },
  { base: VIRTIO, size: 0x8000, step: 4, width: 4 },
  { base: 0x10100000, size: 0x18, step: 2, width: 2 },
  { base: 0x10100010, size: 8, step: 4, width: 4 },
  { base: 0x20000000, size: 0x40000, step: 4, width: 4 },
  { base: 0x22000000, size: 0x1000, step: 4, width: 4 },
  { base: 0x3000000, size: 0x10000, step: 4, width: 4 },
  { base: ECAM, size: 6 * FUNCTION, step: FUNCTION, width: 4 },
  { base: ECAM + FUNCTION, size: 0x100, step: 2, width: 2 },
  { base: ECAM + 2 * FUNCTION, size: 0x100, step: 4, width: 4 },
  { base: 0x40000000, size: 0x8000, step: 4, width: 4 },
  { base: 0x400000000, size: 0x8000, step: 4, width: 4 },
];

const CSRS = [
  ...[0x001, 0x002, 0x003, 0x008, 0x009, 0x00a, 0x00f, 0x015, 0x100, 0x104, STVEC, 0x106, 0x10a, 0x140, 0x141, 0x142, 0x143, 0x144],
  ...[0x14d, 0x150, 0x151, 0x15c, 0xdb0, SATP, MSTATUS, 0x301, 0x302, 0x303, MIE, 0x306, 0x308, 0x309, 0x30a, 0x30c, 0x320, 0x323],
  ...[MEPC, MCAUSE, 0x343, 0x344, 0x350, 0x351, 0x35c, 0xfb0, 0x747, 0x7a0, 0x7a1, 0x7a2, 0xb00, 0xb02, 0xb03, 0xc00, 0xc01, 0xc02],
  ...[0xc20, 0xc21, 0xc22, 0xf11, 0xf12, 0xf13, MHARTID, 0xf15],
];

const VALUES = [0, 1, 2, 3, 4, 7, 8, 0xf, 0x80, 0xff, 0x100, 0x3333, 0xffff, 0x10000, 0x7fffffff, -1, -2, -2147483648];

/** A guest made of random acts, the same for the same seed; `disks` are files that it may use as drives. */
export function randomGuest(seed: number, disks: readonly string[]): RandomGuest {
  const random = new Random(seed);
  const harts = random.pick([1, 1, 2, 2, 4, 16]);
  const isPacked = random.oneIn(2);
  const virtio = [isPacked && 'packed', random.oneIn(2) && 'in-order', random.oneIn(2) && 'notification-data'].filter(
    (word) => word !== false,
  );
  const drives = disks
    .slice(0, random.below(disks.length + 1))
    .map((file) => `file=${file},format=raw,if=${random.pick(['virtio', 'virtio', 'scsi'])}`);
  const args = [
    ...['--bus', random.pick(['mmio', 'pci']), '--aia', random.pick(['none', 'none', 'aplic', 'aplic-imsic'])],
    ...(virtio.length > 0 ? ['--virtio', virtio.join(',')] : []),
    ...drives.flatMap((drive) => ['--drive', drive]),
    ...(random.oneIn(8) ? ['--no-jit'] : []),
    ...(random.oneIn(6) ? ['--trace', random.pick(['mmio', 'virtio', 'trap'])] : []),
  ];
  const writer = new Writer(random, harts, {
    locks: random.oneIn(5),
    resets: random.oneIn(4),
    ends: random.oneIn(8),
  });
  return {
    harts,
    args,
    symbols: random.oneIn(2) ? { tohost: TOHOST, fromhost: TOHOST + 8 } : {},
    write: (program) => writer.write(program),
    parts: [
      { address: RINGS, bytes: randomRings(random, isPacked) },
      { address: BUFFERS, bytes: randomBuffers(random) },
      { address: TABLES, bytes: randomTables(random) },
      { address: TOHOST, bytes: new Uint8Array(64) },
    ],
  };
}

/** Descriptors, available and used ring of each queue in a page: mostly such as a device takes, some not. */
function randomRings(random: Random, isPacked: boolean): Uint8Array {
  const bytes = new Uint8Array(RING_BYTES * RING_PLACES);
  const view = new DataView(bytes.buffer);
  for (let place = 0; place < RING_PLACES; place++) {
    const base = place * RING_BYTES;
    for (let i = 0; i < 16; i++) {
      const at = base + 16 * i;
      const flags = random.pick([0, 1, 1, 2, 2, 3, 4, random.below(8)]);
      view.setBigUint64(at, BigInt(randomAddress(random)), true);
      view.setUint32(at + 8, random.oneIn(8) ? random.u32() : random.pick([1, 8, 16, 64, 512, 4096, 65536]), true);
      view.setUint16(at + (isPacked ? 14 : 12), isPacked ? flags | random.pick([0x80, 0x80, 0x8000, 0x8080]) : flags, true);
      view.setUint16(at + (isPacked ? 12 : 14), random.oneIn(4) ? random.below(20) : i + 1, true);
      view.setUint16(base + 0x404 + 2 * i, random.oneIn(8) ? random.below(65536) : random.below(16), true);
    }
    view.setUint16(base + 0x400, random.below(4), true);
    view.setUint16(base + 0x402, random.oneIn(8) ? random.below(65536) : random.below(12), true);
  }
  return bytes;
}

/** Requests of block and SCSI devices, at all places where a descriptor may point. */
function randomBuffers(random: Random): Uint8Array {
  const bytes = new Uint8Array(0x10000);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + 64 <= bytes.length; at += 64) {
    view.setUint32(at, random.pick([0, 0, 1, 1, 4, 8, 11, 13, 14, random.u32()]), true);
    view.setUint32(at + 8, random.below(4096), true);
    view.setUint8(at + 19, random.pick([0, 0x12, 0x25, 0x28, 0x2a, 0xa0, random.below(256)]));
  }
  return bytes;
}

/** Page tables of which any page may be the root: leaves of all sizes over RAM and devices, tables below, and nonsense. */
function randomTables(random: Random): Uint8Array {
  const bytes = new Uint8Array(4096 * TABLE_PAGES);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += 8) {
    const index = (at / 8) % 512;
    const target = random.pick([
      index * 0x40000000,
      RAM + index * 0x200000,
      RAM + (index % 64) * 4096,
      0x10000000,
      TABLES + 4096 * random.below(TABLE_PAGES),
    ]);
    const flags = random.pick([0xcf, 0xdf, 0xcf, 0xdf, 1, 1, random.below(1024)]);
    view.setBigUint64(at, ((BigInt(target) >> 12n) << 10n) | BigInt(flags), true);
    if (random.oneIn(32)) view.setUint32(at + 4, random.u32(), true);
  }
  return bytes;
}

function randomAddress(random: Random): number {
  if (random.oneIn(20)) return random.pick([0, 0x1000, 0x10000000, RAM, RAM + 192 * MiB - 1, RAM + 192 * MiB, 2 ** 32, 2 ** 52]);
  return BUFFERS + 64 * random.below(BUFFER_BYTES / 64);
}

interface Habits {
  /** It locks PMP entries. */
  locks: boolean;
  resets: boolean;
  ends: boolean;
}

class Writer {
  readonly #acts: [weight: number, act: (program: BareMetal) => void][];

  constructor(
    private readonly random: Random,
    private readonly harts: number,
    private readonly habits: Habits,
  ) {
    this.#acts = [
      [8, (p) => this.#deviceWrite(p)],
      [3, (p) => this.#deviceRead(p)],
      [6, (p) => this.#csr(p)],
      [2, (p) => this.#pmp(p)],
      [5, (p) => this.#lowerPrivilege(p)],
      [2, (p) => this.#translatedAccess(p)],
      [1, (p) => p.wfi()],
      [4, (p) => this.#writtenCode(p)],
      [6, (p) => this.#driveMmio(p)],
      [6, (p) => this.#drivePci(p)],
      [3, (p) => this.#ringWrite(p)],
      [2, (p) => this.#fwCfg(p)],
      [2, (p) => this.#print(p)],
      [2, (p) => this.#atomics(p)],
      [1, (p) => this.#toHost(p)],
      [habits.resets ? 1 : 0, (p) => p.poke(4, FINISHER, 0x7777)],
    ];
  }

  write(p: BareMetal): void {
    const { random, harts } = this;
    const handler = new Label();
    const supervisor = new Label();
    const bodies = Array.from({ length: harts }, () => new Label());
    p.la(T0, handler);
    p.csrw(MTVEC, T0);
    p.la(T0, supervisor);
    p.csrw(STVEC, T0);
    p.li(T0, 0x80);
    p.csrw(MIE, T0);
    // Everybody may do everything, until PMP says otherwise: one entry over all.
    p.li(T0, -1);
    p.csrw(PMPADDR0 + 15, T0);
    p.li(T0, 0x1f);
    p.word(iType(0x13, 1, T0, T0, 56));
    p.csrw(PMPCFG0 + 2, T0);
    p.csrr(T0, MHARTID);
    bodies.forEach((body, hart) => {
      const other = new Label();
      p.li(T1, hart);
      p.branch('bne', T0, T1, other);
      p.la(T2, body);
      p.word(iType(0x67, 0, 0, T2, 0));
      p.place(other);
    });
    p.align(4);
    // On with the next act, in machine mode.
    p.place(handler);
    p.li(T0, MPRV | TVM | TW | TSR);
    p.word(iType(0x73, 3, 0, T0, MSTATUS));
    p.li(T0, MPP);
    p.word(iType(0x73, 2, 0, T0, MSTATUS));
    p.li(T0, 0x80);
    p.csrw(MIE, T0);
    this.#setTimer(p);
    p.csrr(T0, MSCRATCH);
    p.csrw(MEPC, T0);
    p.word(MRET);
    p.align(4);
    p.place(supervisor);
    p.word(ECALL);
    p.word(SRET);

    for (const body of bodies) {
      p.align(4);
      p.place(body);
      this.#setTimer(p);
      p.li(T0, 8);
      p.word(iType(0x73, 2, 0, T0, MSTATUS));
      const acts = random.between(20, 80);
      const last = this.habits.ends ? random.below(acts) : -1;
      for (let i = 0; i < acts; i++) {
        const next = new Label();
        p.la(T0, next);
        p.csrw(MSCRATCH, T0);
        if (i === last && random.oneIn(harts)) p.poke(4, FINISHER, (random.pick(GUEST_EXITS) << 16) | 0x3333);
        else this.#act()(p);
        p.place(next);
      }
      // Further than a branch reaches.
      p.la(T2, body);
      p.word(iType(0x67, 0, 0, T2, 0));
    }
  }

  #act(): (program: BareMetal) => void {
    let at = this.random.below(this.#acts.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, act] of this.#acts) {
      if (at < weight) return act;
      at -= weight;
    }
    throw new Error('unreachable');
  }

  get #value(): number {
    const { random } = this;
    if (random.oneIn(3)) return random.u32() | 0;
    return random.oneIn(4) ? randomAddress(random) : random.pick(VALUES);
  }

  #setTimer(p: BareMetal): void {
    p.li(T0, CLINT + 0xbff8);
    p.load(8, T1, T0);
    p.li(T2, PATIENCE);
    p.word(rType(0x33, 0, 0, T1, T1, T2));
    p.csrr(T0, MHARTID);
    p.word(iType(0x13, 1, T0, T0, 3));
    p.li(T2, CLINT + 0x4000);
    p.word(rType(0x33, 0, 0, T0, T0, T2));
    p.store(8, T1, T0);
  }

  #place(): { address: number; width: 1 | 2 | 4 | 8 } {
    const { random } = this;
    const { base, size, step, width } = random.pick(DEVICES);
    const address = base + step * random.below(Math.ceil(size / step)) + (random.oneIn(20) ? random.below(4) : 0);
    return { address, width: random.oneIn(6) ? random.pick([1, 2, 4, 8]) : width };
  }

  #deviceWrite(p: BareMetal): void {
    const { address, width } = this.#place();
    const times = this.random.pick([1, 1, 1, 1, 100]);
    p.li(T0, address);
    p.li(T1, this.#value);
    p.li(T2, times);
    this.#repeat(p, () => p.store(width, T1, T0));
  }

  #deviceRead(p: BareMetal): void {
    const { address, width } = this.#place();
    p.li(T0, address);
    p.load(width, T1, T0);
  }

  /** As often as T2 says. */
  #repeat(p: BareMetal, body: () => void): void {
    const done = new Label();
    const { again } = p.loop();
    p.branch('beq', T2, 0, done);
    body();
    p.addi(T2, T2, -1);
    again();
    p.place(done);
  }

  #csr(p: BareMetal): void {
    const { random } = this;
    const csr = random.oneIn(10) ? random.below(4096) : random.pick(CSRS);
    if (csr === MSCRATCH || (csr === MTVEC && !random.oneIn(20))) return;
    p.li(T1, this.#value);
    p.word(iType(0x73, random.between(1, 3), T0, T1, csr));
  }

  #pmp(p: BareMetal): void {
    const { random, habits } = this;
    // The entry over all comes last; those before it count first.
    const entry = random.below(15);
    p.li(T1, random.pick([RAM / 4, (RAM + random.below(64) * 4096) / 4, (RAM / 4) | 0x1fff, -1, 0, this.#value]));
    p.csrw(PMPADDR0 + entry, T1);
    p.li(T1, random.below(32) | (habits.locks && random.oneIn(2) ? 0x80 : 0));
    p.word(iType(0x13, 1, T1, T1, 8 * (entry % 8)));
    p.word(iType(0x73, random.pick([2, 3]), 0, T1, PMPCFG0 + 2 * (entry >> 3)));
  }

  /** In S- or U-mode, with and without translation, trapped by TVM, TW and TSR or not. */
  #lowerPrivilege(p: BareMetal): void {
    const { random } = this;
    const inside = new Label();
    this.#translate(p);
    p.li(T0, MPP | TVM | TW | TSR);
    p.word(iType(0x73, 3, 0, T0, MSTATUS));
    p.li(
      T0,
      random.pick([0, 0x800]) | random.pick([0, TVM]) | random.pick([0, TW]) | random.pick([0, TSR]) | random.pick([0, 0x40000, 0x80000]),
    );
    p.word(iType(0x73, 2, 0, T0, MSTATUS));
    if (random.oneIn(4)) {
      p.li(T1, this.#value);
      p.csrw(random.pick([0x302, 0x303]), T1);
    }
    p.la(T0, inside);
    p.csrw(MEPC, T0);
    p.word(MRET);
    p.place(inside);
    for (let i = random.between(1, 4); i > 0; i--) {
      switch (random.below(6)) {
        case 0:
          p.word(random.pick([WFI, SRET, SFENCE, FENCE_I, EBREAK, MRET, 0]));
          break;
        case 1:
          p.li(T1, this.#value);
          p.word(iType(0x73, 1, T0, T1, random.pick([SATP, 0x100, 0x104, 0x105, 0x141, 0x144, 0x14d, 0x150, 0x151])));
          break;
        case 2:
          p.li(T0, random.pick([RAM + MiB, BUFFERS, 0x10000000, VIRTIO, 0xc0000000, this.#value]));
          p.load(random.pick([1, 2, 4, 8]), T1, T0);
          break;
        case 3:
          p.li(T0, random.pick([BUFFERS, 0x10000000, TABLES, this.#value]));
          p.store(random.pick([1, 2, 4, 8]), T1, T0);
          break;
        case 4:
          p.word(random.u32());
          break;
        default:
          p.li(T2, random.between(1, 3000));
          this.#repeat(p, () => p.addi(T1, T1, 1));
      }
    }
    p.word(ECALL);
  }

  #translate(p: BareMetal): void {
    const { random } = this;
    const mode = random.pick([0, 0, 8, 8, 9, 10, 15]);
    p.li(T0, mode);
    p.word(iType(0x13, 1, T0, T0, 60));
    p.li(T1, random.oneIn(10) ? random.below(2 ** 31) : (TABLES + 4096 * random.below(TABLE_PAGES)) / 4096);
    p.word(rType(0x33, 6, 0, T0, T0, T1));
    p.csrw(SATP, T0);
    if (random.oneIn(2)) p.word(SFENCE);
  }

  /** Loads and stores of machine mode that go through S-mode's translation. */
  #translatedAccess(p: BareMetal): void {
    const { random } = this;
    this.#translate(p);
    p.li(T0, MPP);
    p.word(iType(0x73, 3, 0, T0, MSTATUS));
    p.li(T1, MPRV | random.pick([0, 0x800]));
    p.li(T0, random.pick([BUFFERS, RAM + MiB, 0x40000000, 0x10000000, this.#value]));
    p.word(iType(0x73, 2, 0, T1, MSTATUS));
    if (random.oneIn(2)) p.load(8, T1, T0);
    else p.store(8, T1, T0);
    p.li(T1, MPRV);
    p.word(iType(0x73, 3, 0, T1, MSTATUS));
  }

  /** Code that it has written a moment ago: some of it valid, some again and again. */
  #writtenCode(p: BareMetal): void {
    const { random } = this;
    const at = SCRATCH + 0x100 * random.below(256);
    const length = random.between(1, 8);
    p.li(T0, at);
    for (let i = 0; i < length; i++) {
      const word = random.oneIn(3)
        ? random.u32()
        : random.pick([
            0x00150513,
            0x40b50533,
            0x02b50533,
            RET,
            FENCE_I,
            WFI,
            EBREAK,
            sType(0x23, 3, T0, T1, 8 * random.below(8)),
            0x00a5262f,
          ]);
      p.li(T1, word | 0);
      p.store(4, T1, T0, 4 * i);
    }
    p.li(T1, RET);
    p.store(4, T1, T0, 4 * length);
    if (!random.oneIn(4)) p.word(FENCE_I);
    p.li(T2, random.pick([1, 1, 300]));
    this.#repeat(p, () => p.word(iType(0x67, 0, 1, T0, 0)));
  }

  /** The registers of a virtio driver's start in their order, each with something that may be right; a few get lost. */
  #drive(p: BareMetal, base: number, registers: readonly (readonly [offset: number, width: 1 | 2 | 4, value: number])[]): void {
    for (const [offset, width, value] of registers) {
      if (!this.random.oneIn(25)) p.poke(width, base + offset, value);
    }
  }

  /** Words of features: version 1, packed, in order, notification data, reset; indirect, event index. */
  #features(): [low: number, high: number] {
    const { random } = this;
    return [
      random.pick([0, 0x30000000, random.u32() | 0]),
      1 | (random.oneIn(2) ? 4 : 0) | (random.oneIn(2) ? 8 : 0) | random.pick([0, 0, 0x40, random.below(256)]),
    ];
  }

  #ringPlace(): number {
    const { random } = this;
    return random.oneIn(12) ? randomAddress(random) : RINGS + RING_BYTES * random.below(RING_PLACES);
  }

  #driveMmio(p: BareMetal): void {
    const { random } = this;
    const base = VIRTIO + 0x1000 * random.below(6);
    const queue = random.below(4);
    const ring = this.#ringPlace();
    const [low, high] = this.#features();
    this.#drive(p, base, [
      [0x70, 4, 0],
      [0x70, 4, 3],
      [0x24, 4, 0],
      [0x20, 4, low],
      [0x24, 4, 1],
      [0x20, 4, high],
      [0x70, 4, 11],
      [0x30, 4, queue],
      [0x38, 4, random.pick([8, 16, 16, 3, 256, random.u32() | 0])],
      [0x80, 4, ring | 0],
      [0x84, 4, Math.floor(ring / 2 ** 32)],
      [0x90, 4, (ring + 0x400) | 0],
      [0x94, 4, 0],
      [0xa0, 4, (ring + 0x800) | 0],
      [0xa4, 4, 0],
      [0x44, 4, 1],
      [0x70, 4, 15],
    ]);
    for (let i = random.below(4); i >= 0; i--) p.poke(4, base + 0x50, random.oneIn(5) ? this.#value : queue);
    if (random.oneIn(3)) p.poke(4, base + random.pick([0x64, 0x70, 0xc0, 0x100, 0x104]), this.#value);
  }

  #drivePci(p: BareMetal): void {
    const { random } = this;
    const configuration = ECAM + FUNCTION * random.between(1, 6);
    const bar = random.oneIn(2) ? 0x40000000 + 0x4000 * random.below(4) : random.pick(BAR_PLACES);
    const table = random.oneIn(2) ? 0x40010000 : random.pick(BAR_PLACES);
    const queue = random.below(4);
    const ring = this.#ringPlace();
    const [low, high] = this.#features();
    this.#drive(p, configuration, [
      [0x10, 4, random.pick(VALUES)],
      [0x14, 4, table | 0],
      [0x20, 4, bar | 0],
      [0x24, 4, Math.floor(bar / 2 ** 32)],
      [0x04, 2, random.pick([6, 6, 6, 7, 2, 0x406])],
      [0x3c, 1, random.below(256)],
    ]);
    // MSI-X, wherever its capability stands; messages to RAM, to IMSICs, to nowhere.
    if (random.oneIn(2)) {
      p.poke(2, configuration + 0x40 + 4 * random.below(32) + 2, random.pick([0x8000, 0xc000, 0]));
      this.#drive(p, table, [
        [0, 4, random.pick([0x24000000, 0x28000000, BUFFERS, 0x100000]) | 0],
        [4, 4, 0],
        [8, 4, random.below(300)],
        [12, 4, 0],
      ]);
    }
    this.#drive(p, bar, [
      [0x14, 1, 0],
      [0x14, 1, 3],
      [0x08, 4, 0],
      [0x0c, 4, low],
      [0x08, 4, 1],
      [0x0c, 4, high],
      [0x14, 1, 11],
      [0x10, 2, random.pick([0, 0xffff, random.below(8)])],
      [0x16, 2, queue],
      [0x18, 2, random.pick([8, 16, 16, 3, 256, random.below(65536)])],
      [0x1a, 2, random.pick([0, 0xffff, random.below(8)])],
      [0x20, 4, ring | 0],
      [0x24, 4, Math.floor(ring / 2 ** 32)],
      [0x28, 4, (ring + 0x400) | 0],
      [0x2c, 4, 0],
      [0x30, 4, (ring + 0x800) | 0],
      [0x34, 4, 0],
      [0x1c, 2, 1],
      [0x14, 1, 15],
    ]);
    for (let i = random.below(4); i >= 0; i--) p.poke(random.pick([2, 4]), bar + 0x3000 + 4 * queue, random.oneIn(5) ? this.#value : queue);
    if (random.oneIn(3)) p.poke(2, bar + 0x3a, 1);
    if (random.oneIn(3)) {
      p.li(T0, bar + random.pick([0, 0x14, 0x1000, 0x2000]));
      p.load(1, T1, T0);
    }
  }

  /** More chains, or other descriptors, in a ring that a device may be at work on. */
  #ringWrite(p: BareMetal): void {
    const { random } = this;
    const ring = RINGS + RING_BYTES * random.below(RING_PLACES);
    p.li(T0, ring);
    if (random.oneIn(2)) {
      p.load(2, T1, T0, 0x402);
      p.addi(T1, T1, random.pick([1, 1, 2, 16, -1]));
      p.store(2, T1, T0, 0x402);
      return;
    }
    p.li(T1, random.oneIn(2) ? randomAddress(random) : this.#value);
    p.store(random.pick([2, 4, 8]), T1, T0, 8 * random.below(32));
    if (random.oneIn(2)) {
      p.li(T1, random.pick([0x80, 0x81, 0x82, 0x8000, 0x8001, 0x8002, 0x8080]));
      p.store(2, T1, T0, 14 + 16 * random.below(16));
    }
  }

  #fwCfg(p: BareMetal): void {
    const { random } = this;
    const record = BUFFERS + 64 * random.below(64);
    const bigEndian = (value: number): number => Buffer.from(Uint32Array.of(value >>> 0).buffer).readInt32BE();
    p.poke(
      4,
      record,
      bigEndian((random.pick([0, 0x05, 0x19, 0x20, random.below(65536)]) << 16) | random.pick([2, 10, 8, 4, 16, random.below(32)])),
    );
    p.poke(4, record + 4, bigEndian(random.pick([4, 64, 4096, MiB, 100 * MiB, random.u32()])));
    p.poke(4, record + 8, random.oneIn(10) ? this.#value : 0);
    p.poke(4, record + 12, bigEndian(random.pick([BUFFERS, BUFFERS + 4096, RAM + 8 * MiB, randomAddress(random)])));
    p.li(T2, random.pick([1, 1, 1, 50]));
    p.li(T1, bigEndian(record));
    p.li(T0, 0x10100000);
    this.#repeat(p, () => p.store(4, T1, T0, 20));
  }

  #print(p: BareMetal): void {
    p.li(T0, 0x10000000);
    p.li(T1, this.random.between(0x20, 0x7e));
    p.li(T2, this.random.pick([1, 10, 1000]));
    this.#repeat(p, () => p.store(1, T1, T0));
  }

  #atomics(p: BareMetal): void {
    const { random } = this;
    p.li(T0, random.oneIn(3) ? this.#place().address : BUFFERS + random.below(64));
    const [amoswap, amoadd, lr, sc] = [1, 0, 2, 3];
    p.word(rType(0x2f, random.pick([2, 3]), random.pick([amoswap, amoadd, lr, sc]) << 2, T1, T0, T1));
  }

  #toHost(p: BareMetal): void {
    const { random } = this;
    const call = BUFFERS + 0x8000;
    for (const [i, word] of [random.pick([64, 93, 1]), 1, randomAddress(random), random.pick([1, 64, 4096, MiB, 2 * MiB, -1])].entries())
      p.poke(8, call + 8 * i, word);
    p.poke(8, TOHOST, random.pick([call, call + 1024, 0, 4, this.#value & ~1]));
  }
}
