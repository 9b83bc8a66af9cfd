import { beforeAll, describe, expect, it } from 'vitest';
import { buildSoftFloat, FLOAT_FUNCTIONS } from '../../test/support/float-oracle';

// That results are right is for test/conformance/float.test.ts to say.
describe('helpers/softfloat', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  let exports: WebAssembly.Exports = {};

  const call = (name: string, ...operands: (number | bigint)[]): unknown => {
    const fn = exports[name];
    if (typeof fn !== 'function') throw new Error(`softfloat.ts does not export ${name}`);
    return fn(...operands);
  };

  beforeAll(async () => {
    exports = await buildSoftFloat(memory);
  }, 60_000);

  it('exports every function that the oracle knows', () => {
    expect(FLOAT_FUNCTIONS.filter(({ name }) => typeof exports[name] !== 'function')).toEqual([]);
  });

  it('ORs flags into the word it was given, leaving other bits', () => {
    const words = new Uint32Array(memory.buffer);
    words[4] = 0xabcd0000;
    call('setFlagsAddress', 16);
    expect(call('f32_div', 0x3f800000, 0, 0)).toBe(0x7f800000);
    expect(words[4]).toBe((0xabcd0000 | 8) >>> 0);
    call('setFlagsAddress', 0);
  });

  // Tininess after rounding (unprivileged spec §20.2): just below 2^-126 rounds up to it with unbounded exponent, so no UF.
  it('detects tininess after rounding', () => {
    const words = new Uint32Array(memory.buffer);
    words[0] = 0;
    expect(call('f64_to_f32', 0x380fffffffffffffn, 0)).toBe(0x00800000);
    expect(words[0]).toBe(1);
    words[0] = 0;
    expect(call('f64_to_f32', 0x380fffffe0000000n, 0)).toBe(0x00800000);
    expect(words[0]).toBe(3);
    words[0] = 0;
    expect(call('f64_to_f32', 0x380ffffff0000000n, 0)).toBe(0x00800000);
    expect(words[0]).toBe(1);
  });
});
