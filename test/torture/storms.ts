import { Label } from '../support/assembler';
import { A0, A1, type BareMetal, FINISHER, HTIF_WORDS, RAM, S0, S1, T0, T1, T2 } from '../support/bare-metal';
import { iType, rType } from '../support/riscv-encoding';

const CLINT = 0x2000000;
const UART = 0x10000000;
const VIRTIO = 0x10001000;
const FLASH = 0x20000000;
const FW_CFG = 0x10100000;
const ECAM = 0x30000000;
const PCI_MEMORY = 0x40000000;
const FUNCTION = 0x8000;
const MTVEC = 0x305;
const MHARTID = 0xf14;
/** A jump that goes nowhere, and the one that comes back. */
const FENCE_I = 0x100f;
const RET = 0x8067;

/** How storms are run (storms.test.ts): one to sixteen harts, both buses, all ways to end it, all that looks on, readers of all sorts. */
export const VARIATION_NAMES = [
  'one hart, MMIO, a time-out',
  'two harts, PCI, SIGINT, nobody reads its output',
  'four harts, MMIO, a pause, all statistics',
  'sixteen harts, PCI, a pause, SIGTERM',
  'a trace of traps that is read slowly',
  'a trace of all that nobody reads',
  'a trace of device accesses that is read slowly',
  'a trace of instructions that is read slowly',
] as const;
export type VariationName = (typeof VARIATION_NAMES)[number];

/** A guest that does one thing for ever, on each of its harts, as fast as it can. */
export interface Storm {
  name: string;
  write: (program: BareMetal) => void;
  /** What it does most harm with, by its place among the variations. */
  worst?: VariationName;
}

/** Records of fw_cfg DMA in RAM. */
const RECORDS = RAM + 0x20000;
const RECORD_COUNT = 64;

function bigEndian(value: number): number {
  return Buffer.from(Uint32Array.of(value).buffer).readInt32BE();
}

/** Only hart 0 goes on. */
function park(program: BareMetal): void {
  const first = new Label();
  program.csrr(T0, MHARTID);
  program.branch('beq', T0, 0, first);
  program.wait();
  program.place(first);
}

/** fw_cfg answers READ requests of so many bytes each into RAM, from an item that is shorter. */
function fwCfg(bytes: number): (program: BareMetal) => void {
  return (program) => {
    park(program);
    for (let i = 0; i < RECORD_COUNT; i++) {
      program.poke(4, RECORDS + 16 * i + 4, bigEndian(bytes));
      program.poke(4, RECORDS + 16 * i + 8, 0);
      program.poke(4, RECORDS + 16 * i + 12, bigEndian(RAM + 0x100000));
    }
    program.li(A0, FW_CFG);
    const { again } = program.loop();
    for (let i = 0; i < RECORD_COUNT; i++) {
      program.poke(4, RECORDS + 16 * i, bigEndian(2));
      program.li(T1, bigEndian(RECORDS + 16 * i));
      program.store(4, T1, A0, 20);
    }
    again();
  };
}

/** One store after the other of these values, in turn. */
function stores(size: 1 | 2 | 4, address: number, values: readonly number[], prepare?: (program: BareMetal) => void) {
  return (program: BareMetal): void => {
    prepare?.(program);
    program.li(S0, address);
    for (const [i, value] of values.entries()) program.li(10 + i, value);
    const { again } = program.loop();
    for (const i of values.keys()) program.store(size, 10 + i, S0);
    again();
  };
}

function loads(size: 1 | 2 | 4, address: number) {
  return (program: BareMetal): void => {
    program.li(S0, address);
    const { again } = program.loop();
    program.load(size, T0, S0);
    again();
  };
}

/** `write` calls through HTIF of so many bytes each. */
function htif(bytes: number): (program: BareMetal) => void {
  return (program) => {
    park(program);
    const CALL = HTIF_WORDS + 0x80;
    program.li(S0, HTIF_WORDS);
    program.li(S1, CALL);
    const { again } = program.loop();
    for (const [i, word] of [64, 1, RAM, bytes].entries()) program.poke(8, CALL + 8 * i, word);
    program.store(8, S1, S0);
    const { again: wait } = program.loop();
    const answered = new Label();
    program.load(8, T2, S0);
    program.branch('beq', T2, 0, answered);
    wait();
    program.place(answered);
    again();
  };
}

/** A queue of the virtio-mmio device in this slot is made ready, and the device made to fail, again and again. */
function brokenRings(slot: number, queue: number): (program: BareMetal) => void {
  const base = VIRTIO + 0x1000 * slot;
  const RINGS = RAM + 0x40000;
  return (program) => {
    park(program);
    // A chain whose only buffer lies nowhere; at the first place of the ring.
    program.poke(4, RINGS, 16);
    program.poke(4, RINGS + 4, 0);
    program.poke(4, RINGS + 8, 64);
    const { again } = program.loop();
    for (const [offset, value] of [
      [0x70, 0],
      [0x70, 3],
      [0x24, 1],
      [0x20, 1],
      [0x70, 11],
      [0x30, queue],
      [0x38, 8],
      [0x80, RINGS],
      [0x84, 0],
      [0x90, RINGS + 0x1000],
      [0x94, 0],
      [0xa0, RINGS + 0x2000],
      [0xa4, 0],
      [0x44, 1],
      [0x70, 15],
    ])
      program.poke(4, base + offset, value);
    program.poke(4, RINGS + 0x1000, 0x10000);
    program.poke(4, base + 0x50, queue);
    again();
  };
}

/** A BAR moves, over RAM too, while it is written through; other harts write where it was. */
function movingBars(program: BareMetal): void {
  const other = new Label();
  program.csrr(T0, MHARTID);
  program.branch('bne', T0, 0, other);
  const places = [PCI_MEMORY, PCI_MEMORY + 0x4000, RAM, 0xffffc000];
  const { again } = program.loop();
  for (const place of places) {
    for (const device of [1, 2, 3]) {
      program.poke(4, ECAM + FUNCTION * device + 4, 0x6);
      program.poke(4, ECAM + FUNCTION * device + 0x20, place | 0);
      program.poke(4, ECAM + FUNCTION * device + 0x24, 0);
      program.poke(4, ECAM + FUNCTION * device + 0x14, place | 0);
    }
    program.poke(4, PCI_MEMORY + 0x14, 3);
    program.poke(4, PCI_MEMORY + 0x3000, 0);
  }
  again();
  program.place(other);
  const { again: more } = program.loop();
  for (const offset of [0x14, 0x1000, 0x3000, 0x4000]) program.poke(4, PCI_MEMORY + offset, 15);
  program.li(T0, PCI_MEMORY);
  program.load(4, T1, T0, 0x14);
  more();
}

/** Every hart writes functions of its own and calls each often enough to have it translated. */
function newCode(program: BareMetal): void {
  const PAGES = RAM + 0x400000;
  program.csrr(T0, MHARTID);
  program.li(S0, PAGES);
  program.word(iType(0x13, 1, T0, T0, 20));
  program.word(rType(0x33, 0, 0, S0, S0, T0));
  program.li(S1, 0);
  const { again } = program.loop();
  // addi a0, a0, n; addi a0, a0, n; ret, at a place that moves on.
  program.li(T0, 0x00050513);
  program.word(iType(0x13, 1, T1, S1, 20));
  program.word(rType(0x33, 6, 0, T0, T0, T1));
  program.word(iType(0x13, 7, T1, S1, 0x3ff));
  program.word(iType(0x13, 1, T1, T1, 6));
  program.word(rType(0x33, 0, 0, A1, S0, T1));
  program.store(4, T0, A1);
  program.store(4, T0, A1, 4);
  program.li(T1, RET);
  program.store(4, T1, A1, 8);
  program.word(FENCE_I);
  program.li(T2, 200);
  const { again: call } = program.loop();
  const done = new Label();
  program.branch('beq', T2, 0, done);
  program.word(iType(0x67, 0, 1, A1, 0));
  program.addi(T2, T2, -1);
  call();
  program.place(done);
  program.addi(S1, S1, 1);
  again();
}

/** What the trap handler begins with is no instruction. */
function trapLoop(program: BareMetal): void {
  const handler = new Label();
  program.la(T0, handler);
  program.csrw(MTVEC, T0);
  program.align(4);
  program.place(handler);
  program.word(0);
}

/** Translations are dropped while every page in turn is touched through another. */
function flushes(program: BareMetal): void {
  program.li(S0, RAM + 0x100000);
  program.li(T1, 4096);
  const { again } = program.loop();
  program.store(8, T0, S0);
  program.word(0x12000073);
  program.word(FENCE_I);
  again();
}

/** Software interrupts of all harts at all harts. */
function interProcessor(program: BareMetal): void {
  const handler = new Label();
  program.la(T0, handler);
  program.csrw(MTVEC, T0);
  program.li(T0, CLINT);
  program.li(T1, 8);
  program.csrw(0x304, T1);
  program.csrw(0x300, T1);
  program.li(T1, 1);
  const { again } = program.loop();
  for (let hart = 0; hart < 16; hart++) program.store(4, T1, T0, 4 * hart);
  again();
  program.align(4);
  program.place(handler);
  program.csrr(A0, MHARTID);
  program.word(iType(0x13, 1, A0, A0, 2));
  program.word(rType(0x33, 0, 0, A0, A0, T0));
  program.store(4, 0, A0);
  program.word(0x30200073);
}

/** The first four are those that broke the engine; the others drive everything else that takes from a hart and hands on. */
export const STORMS: readonly Storm[] = [
  { name: 'fw_cfg DMA of 100 MB each', write: fwCfg(100 << 20), worst: 'one hart, MMIO, a time-out' },
  { name: 'HTIF prints of 64 bytes', write: htif(64), worst: 'two harts, PCI, SIGINT, nobody reads its output' },
  { name: 'resets by the finisher', write: stores(4, FINISHER, [0x7777]), worst: 'four harts, MMIO, a pause, all statistics' },
  { name: 'a trap handler that traps', write: trapLoop, worst: 'a trace of traps that is read slowly' },
  { name: 'fw_cfg DMA of 16 bytes each', write: fwCfg(16) },
  { name: 'HTIF prints of 1 MiB', write: htif(1 << 20) },
  { name: 'UART output', write: stores(1, UART, [0x41]), worst: 'two harts, PCI, SIGINT, nobody reads its output' },
  { name: 'UART reads', write: loads(1, UART) },
  { name: 'virtio resets', write: stores(4, VIRTIO + 0x70, [0, 1, 3]) },
  { name: 'virtio notifications', write: stores(4, VIRTIO + 0x50, [0, 1, 7, 65535]) },
  { name: 'broken rings of the console', write: brokenRings(0, 1), worst: 'one hart, MMIO, a time-out' },
  { name: 'configuration space', write: stores(4, ECAM + FUNCTION + 4, [0, 6]) },
  { name: 'BARs that move', write: movingBars },
  { name: 'flash commands', write: stores(4, FLASH, [0x20, 0xd0, 0xff, 0x40]) },
  { name: 'accesses that fault', write: loads(4, 0x18000000), worst: 'a trace of all that nobody reads' },
  { name: 'new code', write: newCode, worst: 'four harts, MMIO, a pause, all statistics' },
  { name: 'flushes', write: flushes, worst: 'a trace of instructions that is read slowly' },
  { name: 'interrupts between harts', write: interProcessor },
];
