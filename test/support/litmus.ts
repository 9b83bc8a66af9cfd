import type { HostMemory } from '../../engine/host/host-memory';
import { Label } from './assembler';
import { iType, rType } from './riscv-encoding';
import { Code, DEVICE, RAM, threadedMachine } from './threaded-machine';

/**
 * Litmus tests on real harts in real threads: short programs on words that they share, run very often, all outcomes counted. What RVWMO
 * forbids (unprivileged ISA, ch. "RVWMO") must never be seen.
 */
export interface Litmus {
  name: string;
  /** A program for each hart. */
  harts: ((c: LitmusCode) => void)[];
  /** What an outcome is made of: a hart's result register, 0 or 1, or what a word holds in the end. Values 0 to 3. */
  observe: ([hart: number, result: 0 | 1] | 'x' | 'y')[];
  /** The outcome that must not be; without it anything may. */
  forbidden?: string;
}

type Word = 'x' | 'y' | 'z';
/** Predecessors and successors of a fence; what orders an atomic operation. */
export const [R, W, RW] = [2, 1, 3];
export const [RL, AQ, AQRL] = [1, 2, 3];

const [T0, T1, T2, A0, A1, A2, S0, S1] = [5, 6, 7, 10, 11, 12, 8, 9];
/** Results 0 and 1, as observed. */
const RESULTS = [13, 14];
const [S2, S3, S4, S5, S6, S7, S8, S9, S10, T3, T4, T5, T6] = [18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 29, 30, 31];
const OFFSETS = { x: 0, z: 192 };

/** Words lie in sets of 256 bytes, of which a batch uses this many. */
const BATCH = 256;
const RAM_BYTES = 1 << 22;
const BARRIER = RAM + 0x10_0000;
const PROGRESS = RAM + 0x10_0800;
const WORDS = RAM + 0x11_0000;
const OUTCOMES = RAM + 0x13_0000;
const COUNTS = RAM + 0x14_0000;
const COUNTS_BYTES = 1024;

export class LitmusCode extends Code {
  /** s0 holds the address of x and s1 that of y, in the same line as x or not. */
  private at(word: Word): [base: number, offset: number] {
    return word === 'y' ? [S1, 0] : [S0, OFFSETS[word]];
  }
  private constant(value: number): number {
    return [0, A1, A2][value];
  }
  private address(word: Word): number {
    const [base, offset] = this.at(word);
    this.addi(T1, base, offset);
    return T1;
  }
  write(word: Word, value: 1 | 2): void {
    this.store(this.constant(value), ...this.at(word));
  }
  /** Into a result register. */
  read(result: 0 | 1, word: Word): void {
    this.load(RESULTS[result], ...this.at(word));
  }
  fence(before: number, after: number): void {
    this.word(iType(0x0f, 0, 0, 0, (before << 4) | after));
  }
  fenceTso(): void {
    this.word(0x8330000f);
  }
  /** amoswap.w */
  swap(word: Word, value: 1 | 2, order = 0): void {
    this.word(rType(0x2f, 2, (1 << 2) | order, 0, this.address(word), this.constant(value)));
  }
  /** amoor.w with nothing: an atomic read. */
  readAtomic(result: 0 | 1, word: Word, order = 0): void {
    this.word(rType(0x2f, 2, (8 << 2) | order, RESULTS[result], this.address(word), 0));
  }
  reserve(result: 0 | 1, word: Word, order = 0): void {
    this.word(rType(0x2f, 2, (2 << 2) | order, RESULTS[result], this.address(word), 0));
  }
  /** By lr.w and sc.w, until it succeeds. */
  conditional(word: Word, value: 1 | 2, reserving = 0, storing = 0): void {
    const again = new Label();
    const address = this.address(word);
    this.place(again);
    this.word(rType(0x2f, 2, (2 << 2) | reserving, T0, address, 0));
    this.word(rType(0x2f, 2, (3 << 2) | storing, T0, address, this.constant(value)));
    this.branch(1, T0, 0, again);
  }
  /** A zero that depends on a result, in t2. */
  private zeroFrom(result: 0 | 1): number {
    this.word(rType(0x33, 4, 0, T2, RESULTS[result], RESULTS[result]));
    return T2;
  }
  /** Read where the address depends on another result. */
  readAfter(on: 0 | 1, result: 0 | 1, word: Word): void {
    const [base, offset] = this.at(word);
    this.word(rType(0x33, 0, 0, T1, base, this.zeroFrom(on)));
    this.load(RESULTS[result], T1, offset);
  }
  /** Write a value that depends on a result. */
  writeAfter(on: 0 | 1, word: Word, value: 1 | 2): void {
    this.word(rType(0x33, 0, 0, T1, this.constant(value), this.zeroFrom(on)));
    this.store(T1, ...this.at(word));
  }
  /** Write where whether depends on a result, if only by form. */
  writeIf(on: 0 | 1, word: Word, value: 1 | 2): void {
    const next = new Label();
    this.branch(1, RESULTS[on], 0, next);
    this.place(next);
    this.write(word, value);
  }

  /** Wait for all harts. s7 holds the counter's address, s8 what it is to be; t0 is lost. */
  barrier(harts: number): void {
    const again = new Label();
    this.addi(S8, S8, harts);
    this.fence(RW, RW);
    this.word(rType(0x2f, 2, AQRL, 0, S7, A1));
    this.place(again);
    this.load(T0, S7);
    this.branch(6, T0, S8, again);
    this.fence(RW, RW);
  }
  /** s0 and s1 for the set of number s2. */
  chooseWords(): void {
    this.word(iType(0x13, 1, T0, S2, 8));
    this.li(S0, WORDS);
    this.word(rType(0x33, 0, 0, S0, S0, T0));
    // y in the line of x every other time, else two lines on.
    this.word(iType(0x13, 7, T0, S2, 1));
    this.word(iType(0x13, 1, T0, T0, 7));
    this.addi(S1, S0, 8);
    this.word(rType(0x33, 0, 0, S1, S1, T0));
  }
  /** Count s2 up to BATCH, and go again. */
  loop(again: Label): void {
    this.addi(S2, S2, 1);
    this.addi(T0, 0, BATCH);
    this.branch(6, S2, T0, again);
  }
}

/**
 * All tests, which take so many harts, one after the other, each `batches` times BATCH times; hart 0 counts outcomes. Two harts meet before
 * each time; more would spend their time waiting on a host with fewer processors, and only meet before each batch.
 */
function program(tests: readonly Litmus[], harts: number, batches: number): LitmusCode {
  const c = new LitmusCode();
  const starts = Array.from({ length: harts }, () => new Label());
  c.word(iType(0x73, 2, A0, 0, 0xf14));
  c.addi(A1, 0, 1);
  c.addi(A2, 0, 2);
  c.li(S7, BARRIER);
  c.addi(S8, 0, 0);
  // Each hart its own progress, delays and results: s4, s5 (those of the hart before it), s9, s6.
  c.addi(S9, A0, 77);
  starts.slice(1).forEach((start, i) => {
    c.addi(T0, 0, i + 1);
    const other = new Label();
    c.branch(1, T0, A0, other);
    c.jump(start);
    c.place(other);
  });
  starts.forEach((start, hart) => {
    if (hart > 0) c.place(start);
    c.li(S4, PROGRESS);
    c.addi(S5, S4, 128 * ((hart + 1) % harts));
    c.addi(S4, S4, 128 * hart);
    c.addi(S10, 0, 0);
    tests.forEach((test, number) => {
      const batch = new Label();
      c.addi(S3, 0, 0);
      c.place(batch);
      c.barrier(harts);
      const body = test.harts[hart] as Litmus['harts'][number] | undefined;
      if (body) {
        const round = new Label();
        c.addi(S2, 0, 0);
        c.li(S6, OUTCOMES + 2048 * hart);
        c.place(round);
        c.chooseWords();
        for (const result of RESULTS) c.addi(result, 0, 0);
        // A step of a random sequence (x := 5 x + 13).
        c.word(iType(0x13, 1, T0, S9, 2));
        c.word(rType(0x33, 0, 0, S9, S9, T0));
        c.addi(S9, S9, 13);
        c.addi(S10, S10, 1);
        if (harts === 2) {
          // Begin together.
          const wait = new Label();
          c.store(S10, S4);
          c.place(wait);
          c.load(T0, S5);
          c.branch(4, T0, S10, wait);
        }
        const [delay, go] = [new Label(), new Label()];
        c.word(iType(0x13, 5, T0, S9, 7));
        c.word(iType(0x13, 7, T0, T0, 7));
        c.place(delay);
        c.branch(0, T0, 0, go);
        c.addi(T0, T0, -1);
        c.jump(delay);
        c.place(go);
        body(c);
        for (const [i, result] of RESULTS.entries()) c.store(result, S6, 4 * i);
        c.addi(S6, S6, 8);
        c.loop(round);
      }
      c.barrier(harts);
      if (hart === 0) {
        const round = new Label();
        c.addi(S2, 0, 0);
        c.place(round);
        c.chooseWords();
        c.word(iType(0x13, 1, T3, S2, 3));
        c.addi(T4, 0, 0);
        test.observe.forEach((what, i) => {
          if (what === 'x') c.load(T5, S0);
          else if (what === 'y') c.load(T5, S1);
          else {
            c.li(T5, OUTCOMES + 2048 * what[0]);
            c.word(rType(0x33, 0, 0, T5, T5, T3));
            c.load(T5, T5, 4 * what[1]);
          }
          c.word(iType(0x13, 1, T5, T5, 2 * i));
          c.word(rType(0x33, 6, 0, T4, T4, T5));
        });
        c.word(iType(0x13, 1, T4, T4, 2));
        c.li(T6, COUNTS + number * COUNTS_BYTES);
        c.word(rType(0x33, 0, 0, T6, T6, T4));
        c.load(T5, T6);
        c.addi(T5, T5, 1);
        c.store(T5, T6);
        for (const [base, offset] of [
          [S0, 0],
          [S1, 0],
          [S0, OFFSETS.z],
        ])
          c.store(0, base, offset);
        c.loop(round);
      }
      c.addi(S3, S3, 1);
      c.li(T0, batches);
      const done = new Label();
      c.branch(5, S3, T0, done);
      c.jump(batch);
      c.place(done);
    });
    if (hart === 0) {
      c.li(T0, DEVICE);
      c.store(A1, T0);
    }
    c.sleep();
  });
  return c;
}

/** Outcomes as the observed values in a row ("10": 1, then 0), and how often each was seen; by the name of the test. */
export type Outcomes = Map<string, Record<string, number>>;

export interface LitmusRun {
  /** A tenth of it for tests of more than two harts, which take more processors than there may be. */
  times: number;
  jit: boolean;
  host?: HostMemory;
}

/** Run tests, in a machine for each number of harts; with the instructions that were executed in translated code. */
export async function runLitmus(tests: readonly Litmus[], run: LitmusRun): Promise<{ outcomes: Outcomes; translated: number }> {
  const outcomes: Outcomes = new Map();
  let translated = 0;
  for (const harts of new Set(tests.map((test) => test.harts.length))) {
    const group = tests.filter((test) => test.harts.length === harts);
    const times = harts === 2 ? run.times : Math.ceil(run.times / 10);
    translated += await runTogether(group, harts, { ...run, times }, outcomes);
  }
  return { outcomes, translated };
}

async function runTogether(tests: readonly Litmus[], harts: number, { times, jit, host }: LitmusRun, outcomes: Outcomes): Promise<number> {
  const code = program(tests, harts, Math.ceil(times / BATCH));
  if (code.offset > BARRIER - RAM) throw new Error(`${tests.length} tests do not fit in below the data`);
  const machine = threadedMachine(code, { harts, ramBytes: RAM_BYTES, jit, ...(host ? { host } : {}) });
  try {
    await machine.harts.launch();
    await machine.harts.start();
    await machine.next(3_600_000);
    if (machine.errors.length > 0) throw machine.errors[0];
    const { memory } = machine;
    tests.forEach(({ name, observe }, number) => {
      const seen: Record<string, number> = {};
      for (let outcome = 0; outcome < COUNTS_BYTES / 4; outcome++) {
        const count = memory.readU32(COUNTS + number * COUNTS_BYTES + 4 * outcome);
        if (count > 0) seen[observe.map((_, i) => (outcome >> (2 * i)) & 3).join('')] = count;
      }
      outcomes.set(name, seen);
    });
    return machine.harts.statistics.harts.reduce((sum, hart) => sum + hart.regionInstructions, 0);
  } finally {
    await machine.harts.stop();
  }
}
