import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { compileAssemblyScript, HELPERS } from './helpers-module';
import type { Random } from './random';

/** Operand kinds: binary32, binary64, and integers of 32 and 64 bits. */
type Kind = 'f32' | 'f64' | 'i32' | 'i64';

/** A function of softfloat.ts as the oracle knows it. */
export interface FloatFunction {
  readonly name: string;
  /** By which float-oracle.c knows it. */
  readonly number: number;
  readonly operands: readonly Kind[];
  /** Whether the rounding mode is its last argument. */
  readonly rounds: boolean;
  /** What comes back: raw bits of that kind ('i64': a value for an integer register). */
  readonly result: Kind;
}

function format(f: 'f32' | 'f64', first: number): FloatFunction[] {
  let number = first;
  const of = (name: string, operands: Kind[], result: Kind, rounds = true): FloatFunction => ({
    name,
    number: number++,
    operands,
    result,
    rounds,
  });
  return [
    ...['add', 'sub', 'mul', 'div'].map((name) => of(`${f}_${name}`, [f, f], f)),
    of(`${f}_sqrt`, [f], f),
    of(`${f}_fma`, [f, f, f], f),
    ...['i32', 'u32', 'i64', 'u64'].map((to) => of(`${f}_to_${to}`, [f], 'i64')),
    of(`i32_to_${f}`, ['i32'], f),
    of(`u32_to_${f}`, ['i32'], f),
    of(`i64_to_${f}`, ['i64'], f),
    of(`u64_to_${f}`, ['i64'], f),
    ...['eq', 'lt', 'le'].map((name) => of(`${f}_${name}`, [f, f], 'i64', false)),
    ...['min', 'max'].map((name) => of(`${f}_${name}`, [f, f], f, false)),
    of(`${f}_class`, [f], 'i64', false),
  ];
}

/** Without the conversions of 32-bit integers to doubles, which wasm has: nothing is rounded there. */
export const FLOAT_FUNCTIONS: readonly FloatFunction[] = [
  ...[...format('f32', 0), ...format('f64', 20)].filter(({ name }) => !/^[iu]32_to_f64$/.test(name)),
  { name: 'f32_to_f64', number: 40, operands: ['f32'], result: 'f64', rounds: false },
  { name: 'f64_to_f32', number: 41, operands: ['f64'], result: 'f32', rounds: true },
];

/** Compiles the oracle; needs riscv64-linux-gnu-gcc. Returns the program's path. */
export function buildOracle(directory: string): string {
  const program = join(directory, 'float-oracle');
  const source = join(import.meta.dirname, 'float-oracle.c');
  const { status, stderr } = spawnSync('riscv64-linux-gnu-gcc', ['-O2', '-static', source, '-o', program], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`float-oracle.c does not compile: ${stderr}`);
  return program;
}

/** Compiles softfloat.ts by itself and returns its exports; flags are OR-ed into the memory's first word. */
export async function buildSoftFloat(memory: WebAssembly.Memory): Promise<WebAssembly.Exports> {
  const options =
    '--importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536 --enable threads --runtime stub --use abort= --optimizeLevel 3';
  const code = await compileAssemblyScript(join(HELPERS, 'softfloat.ts'), ...options.split(' '));
  const { instance } = await WebAssembly.instantiate(code, { env: { memory } });
  return instance.exports;
}

const RECORD_BYTES = 32;
const REPLY_BYTES = 16;
const NX = 1;

/** A case in which the two differ. */
export interface FloatDifference {
  readonly call: string;
  readonly expected: string;
  readonly found: string;
}

/**
 * Runs `perMode` random cases of each function in each rounding mode in both, the local function twice: from clear
 * flags and from NX set, where native arithmetic may serve. Returns how many cases were compared and the first differences.
 */
export function compareFloat(
  program: string,
  exports: WebAssembly.Exports,
  memory: WebAssembly.Memory,
  random: Random,
  perMode: number,
): { cases: number; differences: FloatDifference[] } {
  const cases = FLOAT_FUNCTIONS.length * 5 * perMode;
  const requests = new DataView(new ArrayBuffer(cases * RECORD_BYTES));
  let at = 0;
  FLOAT_FUNCTIONS.forEach((fn) => {
    for (let rm = 0; rm < 5; rm++) {
      for (let i = 0; i < perMode; i++, at += RECORD_BYTES) {
        requests.setUint32(at, fn.number, true);
        requests.setUint32(at + 4, rm, true);
        writeOperands(requests, at + 8, fn, random);
      }
    }
  });
  const run = spawnSync('qemu-riscv64', [program], { input: new Uint8Array(requests.buffer), maxBuffer: cases * REPLY_BYTES + 1024 });
  if (run.status !== 0 || run.stdout.length !== cases * REPLY_BYTES) throw new Error(`the oracle failed: ${run.stderr.toString()}`);
  const replies = new DataView(run.stdout.buffer, run.stdout.byteOffset, run.stdout.length);

  const flags = new Uint32Array(memory.buffer);
  const differences: FloatDifference[] = [];
  for (let i = 0; i < cases; i++) {
    const request = i * RECORD_BYTES;
    const fn = FLOAT_FUNCTIONS.find(({ number }) => number === requests.getUint32(request, true));
    const call = fn && exports[fn.name];
    if (fn === undefined || typeof call !== 'function') throw new Error(`softfloat.ts does not export ${fn?.name}`);
    const rm = requests.getUint32(request + 4, true);
    const operands = fn.operands.map((kind, k) => {
      const bits = requests.getBigUint64(request + 8 + 8 * k, true);
      return kind === 'f64' || kind === 'i64' ? bits : Number(bits & 0xffffffffn);
    });
    // fmv.x.w and 32-bit integers are sign-extended, booleans and classes small.
    const expected = replies.getBigUint64(i * REPLY_BYTES, true);
    const expectedFlags = Number(replies.getBigUint64(i * REPLY_BYTES + 8, true));
    for (const before of [0, NX]) {
      flags[0] = before;
      const value: unknown = call(...operands, ...(fn.rounds ? [rm] : []));
      const found = typeof value === 'bigint' ? BigInt.asUintN(64, value) : BigInt.asUintN(64, BigInt(Number(value) | 0));
      if ((found !== expected || flags[0] !== (expectedFlags | before)) && differences.length < 20) {
        const shown = operands.map((operand) => `0x${operand.toString(16)}`).join(', ');
        differences.push({
          call: `${fn.name}(${shown}) rm ${rm} fflags ${before}`,
          expected: `0x${expected.toString(16)} fflags ${expectedFlags | before}`,
          found: `0x${found.toString(16)} fflags ${flags[0]}`,
        });
      }
    }
  }
  return { cases, differences };
}

// ---- Operands: mostly where rounding, cancellation, overflow and underflow happen ------------------------------------

/** Writes random operands for a function, 8 bytes each. */
export function writeOperands(view: DataView, at: number, fn: Pick<FloatFunction, 'operands'>, random: Random): void {
  fn.operands.forEach((kind, k) => {
    const here = at + 8 * k;
    if (kind === 'i32' || kind === 'i64') writeInteger(view, here, random);
    else if (k > 0 && random.oneIn(4)) writeRelated(view, here, at, kind, fn, k, random);
    else writeFloat(view, here, kind, random);
  });
}

function writeInteger(view: DataView, at: number, random: Random): void {
  // A run of ones somewhere, or random bits cut to a random length, either sign.
  let value = (BigInt(random.u32()) << 32n) | BigInt(random.u32());
  if (random.oneIn(3)) value = (1n << BigInt(random.below(65))) - (random.oneIn(2) ? 1n : 0n) + BigInt(random.between(-2, 2));
  value = BigInt.asUintN(64, value) >> BigInt(random.below(64));
  if (random.oneIn(2)) value = -value;
  view.setBigUint64(at, BigInt.asUintN(64, value), true);
}

function writeBits(view: DataView, at: number, kind: Kind, bits: bigint): void {
  view.setBigUint64(at, kind === 'f32' ? bits & 0xffffffffn : BigInt.asUintN(64, bits), true);
}

function writeFloat(view: DataView, at: number, kind: Kind, random: Random): void {
  const fractionBits = kind === 'f32' ? 23 : 52;
  const maximum = kind === 'f32' ? 255 : 2047;
  const middle = maximum >> 1;
  const exponent = random.pick([
    random.below(maximum + 1),
    random.between(middle - fractionBits - 2, middle + fractionBits + 2),
    random.between(middle - 3, middle + 3),
    random.between(middle, Math.min(maximum, middle + 66)),
    random.between(0, 3),
    random.between(maximum - 3, maximum),
    random.between(middle >> 1, (middle >> 1) + 2),
    random.between(middle + (middle >> 1) - 2, middle + (middle >> 1) + 2),
    // where a binary64 overflows or underflows as a binary32
    Math.max(0, middle - random.pick([126, 127, 128, random.between(126, 152)])),
    Math.min(maximum, middle + random.between(126, 128)),
    0,
    maximum,
  ]);
  writeBits(
    view,
    at,
    kind,
    (BigInt(random.below(2)) << BigInt(kind === 'f32' ? 31 : 63)) |
      (BigInt(exponent) << BigInt(fractionBits)) |
      fraction(random, fractionBits),
  );
}

function fraction(random: Random, bits: number): bigint {
  const ones = (1n << BigInt(bits)) - 1n;
  const all = ((BigInt(random.u32()) << 32n) | BigInt(random.u32())) & ones;
  const position = BigInt(random.below(bits));
  switch (random.below(7)) {
    case 0:
      return 0n;
    case 1:
      return ones;
    case 2:
      return 1n << position;
    case 3:
      return ones ^ (1n << position);
    case 4:
      return (ones << position) & ones;
    case 5:
      return ones >> position;
    default:
      return all;
  }
}

/** An operand near an earlier one, or near what cancels the product of the first two. */
function writeRelated(
  view: DataView,
  here: number,
  first: number,
  kind: Kind,
  fn: Pick<FloatFunction, 'operands'>,
  index: number,
  random: Random,
): void {
  const single = kind === 'f32';
  const value = (position: number): number => (single ? view.getFloat32(position, true) : view.getFloat64(position, true));
  if (index === 2 && fn.operands.length === 3) {
    const product = value(first) * value(first + 8);
    view.setBigUint64(here, 0n, true);
    if (single) view.setFloat32(here, -product, true);
    else view.setFloat64(here, -product, true);
  } else {
    view.setBigUint64(here, view.getBigUint64(first, true), true);
  }
  const sign = random.oneIn(2) ? 1n << (single ? 31n : 63n) : 0n;
  writeBits(view, here, kind, (view.getBigUint64(here, true) + BigInt(random.between(-2, 2))) ^ sign);
}
