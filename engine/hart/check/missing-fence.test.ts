import { beforeAll, describe, expect, it } from 'vitest';
import { Assembler, Label } from '../../../test/support/assembler';
import { BareHart, FINISH, RAM } from '../../../test/support/bare-hart';
import { compileHelpers } from '../../../test/support/helpers-module';
import { iType, jType, sType, uType } from '../../../test/support/riscv-encoding';
import { FunctionNames } from '../function-names';
import type { MissingFence } from '../hart';
import { describeMissingFence } from './missing-fence';

let helpers: WebAssembly.Module;
beforeAll(async () => {
  helpers = await compileHelpers();
});

const [RA, T0, T1, T2, A0] = [1, 5, 6, 7, 10];
const addi = (rd: number, rs1: number, immediate: number): number => iType(0x13, 0, rd, rs1, immediate);
const store = (rs1: number, rs2: number, offset = 0): number => sType(0x23, 2, rs1, rs2, offset);
const amoswap = (rd: number, rs1: number, rs2: number): number => (0x0820_202f | (rd << 7) | (rs1 << 15) | (rs2 << 20)) >>> 0;
const FENCE_I = 0x0000100f;
const FUNCTION = RAM + 0x1000;

/** Stores `addi a0, x0, 2` over a function's first instruction, between two calls; `write` does it, from t2 to t1. */
function program(write: (code: Assembler) => void, options: { fence?: boolean; offset?: number } = {}): Uint8Array {
  const code = new Assembler();
  const [called, word] = [new Label(), new Label()];
  const address = (rd: number, label: Label): void => {
    code.reference(4, label, (distance) => uType(0x17, rd, ((distance + 0x800) >> 12) & 0xfffff));
    code.reference(4, label, (distance) => addi(rd, rd, ((distance + 4) << 20) >> 20));
  };
  const call = (): void => code.reference(4, called, (distance) => jType(RA, distance));
  call();
  address(T1, word);
  code.word(iType(0x03, 2, T2, T1, 0));
  address(T1, called);
  code.word(addi(T1, T1, options.offset ?? 0));
  write(code);
  if (options.fence) code.word(FENCE_I);
  call();
  call();
  code.word(uType(0x37, T0, FINISH >>> 12));
  code.word(store(T0, 0));
  code.word(jType(0, 0));
  code.place(word);
  code.word(addi(A0, 0, 2));
  while (code.offset < FUNCTION - RAM) code.half(1);
  code.place(called);
  code.word(addi(A0, 0, 1));
  code.word(iType(0x67, 0, 0, RA, 0));
  while (code.offset < FUNCTION - RAM + 64) code.half(1);
  return code.bytes();
}

function run(bytes: Uint8Array) {
  const found: MissingFence[] = [];
  const bare = new BareHart(helpers, { fences: true, environment: { missingFence: (missing) => found.push(missing) } });
  bare.run(bytes);
  return { found, a0: bare.x(A0) };
}

const WRITERS: [string, (code: Assembler) => void][] = [
  ['a store', (code) => code.word(store(T1, T2))],
  ['an atomic operation', (code) => code.word(amoswap(0, T1, T2))],
];
/** Where all those programs write. */
const AT = BigInt(RAM + 4 * 7);

describe('the check for missing fence.i', () => {
  it.each(WRITERS)('tells where what %s wrote is executed without one, once, and executes that', (_, write) => {
    const { found, a0 } = run(program(write));
    expect(found).toEqual([{ hart: 0, pc: BigInt(FUNCTION), storeHart: 0, storePc: AT }]);
    expect(a0).toBe(2n);
  });

  it.each(WRITERS)('says nothing where there is one after %s', (_, write) => {
    const { found, a0 } = run(program(write, { fence: true }));
    expect(found).toEqual([]);
    expect(a0).toBe(2n);
  });

  it('says nothing of data between the code', () => {
    const { found, a0 } = run(program((code) => code.word(store(T1, T2)), { offset: 32 }));
    expect(found).toEqual([]);
    expect(a0).toBe(1n);
  });

  it('says so of code that was never executed before', () => {
    const { found } = run(
      program(
        (code) => {
          for (const [offset, word] of [addi(A0, 0, 3), iType(0x67, 0, 0, RA, 0)].entries()) {
            code.word(uType(0x37, T2, ((word + 0x800) >>> 12) & 0xfffff));
            code.word(iType(0x1b, 0, T2, T2, (word << 20) >> 20));
            code.word(store(T1, T2, 1028 + 4 * offset));
          }
          code.word(iType(0x67, 0, RA, T1, 1028));
        },
        { offset: 0 },
      ),
    );
    expect(found.map(({ pc }) => pc)).toEqual([BigInt(FUNCTION + 1028), BigInt(FUNCTION + 1032)]);
  });

  it('puts it into words', () => {
    const names = new FunctionNames([{ name: 'copy', address: 0x80000010n, size: 64n }]);
    expect(describeMissingFence({ hart: 1, pc: 0x4000n, storeHart: 0, storePc: 0x80000018n }, names)).toBe(
      'A fence.i is missing: hart 1 executes the instruction at 0x4000, which the store at 0x80000018 <copy+0x8> of hart 0 has written since hart 1 last executed one. Hardware may execute what was there before.',
    );
  });
});
