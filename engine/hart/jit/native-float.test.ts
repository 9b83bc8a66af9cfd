import { beforeAll, describe, expect, it, vi } from 'vitest';
import { Assembler, Label } from '../../../test/support/assembler';
import { BareHart, FINISH, RAM } from '../../../test/support/bare-hart';
import { writeOperands } from '../../../test/support/float-oracle';
import { compileHelpers } from '../../../test/support/helpers-module';
import { Random } from '../../../test/support/random';
import { bType, iType, jType, rType, sType, uType } from '../../../test/support/riscv-encoding';
import { writesX } from '../handlers';
import { instructions } from '../isa';
import type { Instruction } from '../isa/instruction';
import { setV8Flags } from '../v8-flags';
import { fusesMultiplyAdd, relaxedMultiplyAdd } from './fused-multiply-add';

/** Operands per instruction and rounding mode; a long run sets more, and another seed. */
const CASES = Number(process.env.FLOAT_CASES ?? 200);
const SEED = Number(process.env.FLOAT_SEED ?? 1);

let fused = true;
vi.mock('./fused-multiply-add', async (original) => {
  const real = await original<typeof import('./fused-multiply-add')>();
  return { ...real, fusesMultiplyAdd: () => fused && real.fusesMultiplyAdd() };
});

const RNE = 0;
const DYNAMIC = 7;
const NX = 1;
const MODES = [0, 1, 2, 3, 4, DYNAMIC];

/** One loop of the program: an instruction as it is encoded there, and what surrounds it. */
interface Variant {
  readonly instruction: Instruction;
  readonly mode: number;
  /** rs2 is rs1: moves, negations. */
  readonly same: boolean;
  /** The registers are used in both formats, so that a region cannot keep them as numbers of one. */
  readonly mixed: boolean;
}

const arithmetic = instructions.filter(({ extension, format }) => 'fd'.includes(extension) && format !== 'i' && format !== 's');
const variants = arithmetic.flatMap((instruction): Variant[] => {
  const modes = ['rm', 'rm2', 'r4'].includes(instruction.format) ? MODES : [RNE];
  return modes.flatMap((mode) =>
    [false, true].flatMap((mixed) =>
      (instruction.format === 'r' ? [false, true] : [false]).map((same) => ({ instruction, mode, same, mixed })),
    ),
  );
});

// x28: tables; x20: the row; x22: where the result goes; x23: rows left. f1 to f3 and x5: operands. f10 or x10: result.
const ROW_BYTES = 32;
const RESULT_BYTES = 16;
const TABLES = 1 << 20;
const tableBytes = Math.ceil((CASES * ROW_BYTES) / 4096) * 4096;
const RESULTS = TABLES + 3 * tableBytes;
const resultBytes = Math.ceil((CASES * RESULT_BYTES) / 4096) * 4096;

/** The table for an instruction's operands: singles, doubles, integers. */
function tableOf({ name }: Instruction): number {
  if (/\.[sd]\.(w|wu|l|lu|x)$|\.[wd]\.x$/.test(name)) return 2;
  return name === 'fcvt.d.s' || (!name.startsWith('fcvt.s.d') && /\.s$|\.x\.w$/.test(name)) ? 0 : 1;
}

function wordOf({ instruction, mode, same }: Variant): number {
  const { match, mask, name, format } = instruction;
  const source = tableOf(instruction) === 2 ? 5 : 1;
  const free = (10 << 7) | (source << 15) | ((same ? 1 : 2) << 20) | (3 << 27) | ((format === 'r' || format === 'r2' ? 0 : mode) << 12);
  if (name === '') throw new Error('unnamed');
  return (match | (free & ~mask)) >>> 0;
}

function program(): Uint8Array {
  const code = new Assembler();
  const addi = (rd: number, rs1: number, immediate: number): void => code.word(iType(0x13, 0, rd, rs1, immediate));
  const lui = (rd: number, upper: number): void => code.word(uType(0x37, rd, upper));
  code.word(uType(0x17, 28, 0)); // auipc: the start of RAM
  lui(6, 2);
  code.word(iType(0x73, 2, 0, 6, 0x300)); // csrs mstatus, FS
  lui(29, FINISH >>> 12);
  lui(22, RESULTS >>> 12);
  code.word(rType(0x33, 0, 0, 22, 22, 28));
  for (const variant of variants) {
    const { instruction, mixed } = variant;
    lui(20, (TABLES + tableOf(instruction) * tableBytes) >>> 12);
    code.word(rType(0x33, 0, 0, 20, 20, 28));
    lui(23, (CASES + 0x800) >>> 12);
    addi(23, 23, ((CASES & 0xfff) << 20) >> 20);
    const body = new Label();
    const enter = new Label();
    code.reference(4, enter, (distance) => jType(0, distance));
    // Within one page, so that it is one region.
    while (code.offset % 4096 > 4096 - 256) addi(0, 0, 0);
    code.place(body);
    for (const register of [1, 2, 3]) code.word(iType(0x07, 3, register, 20, 8 * (register - 1)));
    code.word(iType(0x03, 3, 5, 20, 0));
    code.word(wordOf(variant));
    if (mixed) {
      for (const register of [1, 2, 3, 10]) {
        code.word(sType(0x27, 2, 22, register, RESULT_BYTES)); // fsw
        code.word(sType(0x27, 3, 22, register, RESULT_BYTES)); // fsd
      }
    }
    if (writesX(instruction)) code.word(sType(0x23, 3, 22, 10, 0));
    else code.word(sType(0x27, 3, 22, 10, 0));
    code.word(iType(0x73, 2, 7, 0, 1)); // csrr fflags: the region ends
    code.word(sType(0x23, 3, 22, 7, 8));
    addi(20, 20, ROW_BYTES);
    addi(22, 22, RESULT_BYTES);
    addi(23, 23, -1);
    const out = new Label();
    code.reference(4, out, (distance) => bType(0, 23, 0, distance));
    code.place(enter);
    code.word(iType(0x03, 3, 6, 20, 24));
    code.word(iType(0x73, 1, 0, 6, 3)); // csrw fcsr
    code.reference(4, body, (distance) => jType(0, distance));
    code.place(out);
    // The next results on a page of their own.
    lui(6, 1);
    addi(22, 22, 2047);
    addi(22, 22, 2047);
    addi(22, 22, 1);
    code.word(iType(0x13, 5, 22, 22, 12));
    code.word(iType(0x13, 1, 22, 22, 12));
  }
  code.word(sType(0x23, 2, 29, 0, 0));
  const end = new Label();
  code.place(end);
  code.reference(4, end, (distance) => jType(0, distance));
  return code.bytes();
}

/** Operands of all kinds, and fcsr: mostly with NX set and rounding to nearest, where native arithmetic serves. */
function tables(random: Random): Uint8Array {
  const bytes = new Uint8Array(3 * tableBytes);
  const view = new DataView(bytes.buffer);
  (['f32', 'f64', 'i64'] as const).forEach((kind, table) => {
    for (let row = 0; row < CASES; row++) {
      const at = table * tableBytes + row * ROW_BYTES;
      writeOperands(view, at, { operands: [kind, kind, kind] }, random);
      if (kind === 'f32') for (let i = 0; i < 3; i++) view.setInt32(at + 8 * i + 4, random.oneIn(20) ? random.u32() : -1, true);
      const frm = random.oneIn(3) ? random.below(5) : RNE;
      view.setUint32(at + 24, (frm << 5) | (random.oneIn(4) ? 0 : NX) | (random.oneIn(8) ? random.below(32) : 0), true);
    }
  });
  return bytes;
}

describe('native arithmetic', () => {
  let helpers: WebAssembly.Module;
  beforeAll(async () => {
    // Node 20 has relaxed SIMD behind a flag.
    if (!WebAssembly.validate(relaxedMultiplyAdd())) setV8Flags(1, ['--experimental-wasm-relaxed-simd']);
    helpers = await compileHelpers();
  });

  it.each([true, false])(
    'gives the results and flags of the helpers in every rounding mode (fused multiply-add: %s)',
    (withFused) => {
      fused = withFused;
      const code = program();
      const rows = tables(new Random(SEED));
      const results = [false, true].map((jit) => {
        const ramBytes = RESULTS + variants.length * resultBytes + 4096;
        const hart = new BareHart(helpers, { jit, ramBytes: Math.ceil(ramBytes / 65536) * 65536, tuning: { slice: 64, hot: 2 } });
        hart.memory.copyIn(RAM + TABLES, rows);
        hart.run(code);
        if (jit) expect(hart.translated).toBeGreaterThanOrEqual(variants.length);
        return Buffer.from(hart.memory.view(RAM + RESULTS, variants.length * resultBytes));
      });
      const different: string[] = [];
      variants.forEach(({ instruction: { name, ...instruction }, mode, same, mixed }, number) => {
        for (let row = 0; row < CASES && different.length < 20; row++) {
          const at = number * resultBytes + row * RESULT_BYTES;
          const [expected, found] = results.map((memory) => memory.subarray(at, at + RESULT_BYTES));
          if (expected.equals(found)) continue;
          const operands = tableOf({ name, ...instruction }) * tableBytes + row * ROW_BYTES;
          const show = (bytes: Uint8Array): string =>
            Array.from({ length: bytes.length / 8 }, (_, i) =>
              new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(8 * i, true).toString(16),
            ).join(' ');
          different.push(
            `${name} rm ${mode}${same ? ' same' : ''}${mixed ? ' mixed' : ''} of ${show(rows.subarray(operands, operands + ROW_BYTES))}: expected ${show(expected)}, found ${show(found)}`,
          );
        }
      });
      expect(different).toEqual([]);
      // Not all zeros: something was computed.
      expect(new Set(results[0]).size).toBe(256);
    },
    600_000,
  );

  it('is used for fused multiply-add on the computers that tests run on', () => {
    fused = true;
    expect(fusesMultiplyAdd()).toBe(true);
  });
});
