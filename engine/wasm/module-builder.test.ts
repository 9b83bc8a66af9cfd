import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Emitter, I32_TYPE, I64_TYPE, type I32, type I64, type Label } from './emitter';
import { ModuleBuilder } from './module-builder';

type Exports = Record<string, (...parameters: never[]) => unknown>;

function instantiate(module: ModuleBuilder, imports: WebAssembly.Imports = {}): Exports {
  const bytes = module.build();
  expect(WebAssembly.validate(bytes)).toBe(true);
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports as unknown as Exports;
}

describe('ModuleBuilder', () => {
  it('makes a module that imports, computes and exports', () => {
    const module = new ModuleBuilder();
    const seen: number[] = [];
    const note = module.importFunction('env', 'note', { parameters: [I32_TYPE], results: [] });
    const e = new Emitter([I32_TYPE]);
    const n = e.parameter<I32>(0);
    const sum = e.local<I64>(I64_TYPE);
    e.loop((again) => {
      e.get(n);
      e.call(note);
      e.set(sum, e.i64.add(e.get(sum), e.i64.extend_s(e.get(n))));
      e.brIf(again, e.tee(n, e.i32.sub(e.get(n), e.i32.const(1))));
    });
    e.return(e.get(sum));
    e.unreachable();
    module.addFunction({ parameters: [I32_TYPE], results: [I64_TYPE] }, e, 'sum');
    const { sum: run } = instantiate(module, { env: { note: (value: number) => seen.push(value) } }) as { sum: (n: number) => bigint };
    expect(run(4)).toBe(10n);
    expect(seen).toEqual([4, 3, 2, 1]);
  });

  it('places branch hints where engines accept them, on either side', () => {
    const module = new ModuleBuilder();
    for (const hint of ['likely', 'unlikely', undefined] as const) {
      const e = new Emitter([I32_TYPE]);
      e.local<I64>(I64_TYPE);
      const result = e.local<I32>(I32_TYPE);
      e.if(
        e.get(e.parameter<I32>(0)),
        () => e.set(result, e.i32.const(-1)),
        () => e.set(result, e.i32.const(1)),
        hint,
      );
      e.get(result);
      module.addFunction({ parameters: [I32_TYPE], results: [I32_TYPE] }, e, `test_${hint ?? 'plain'}`);
    }
    const bytes = module.build();
    const compiled = new WebAssembly.Module(bytes);
    expect(WebAssembly.Module.customSections(compiled, 'metadata.code.branch_hint')).toHaveLength(1);
    const exports = new WebAssembly.Instance(compiled).exports as Record<string, (n: number) => number>;
    for (const run of Object.values(exports)) expect([run(0), run(1)]).toEqual([1, -1]);
    // Each hint points at an `if` (0x04) in its function's body.
    const section = new Uint8Array(WebAssembly.Module.customSections(compiled, 'metadata.code.branch_hint')[0]);
    const bodies = codeBodies(bytes);
    expect(section[0]).toBe(2);
    for (let i = 0; i < 2; i++) {
      const [index, count, at, length, value] = section.subarray(1 + i * 5, 6 + i * 5);
      expect([count, length, value]).toEqual([1, 1, 1 - i]);
      expect(bodies[index][at]).toBe(0x04);
    }
  });

  it('chooses by br_table', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: -5, max: 400 }), (count, index) => {
        const module = new ModuleBuilder();
        const e = new Emitter([I32_TYPE]);
        const labels: Label[] = [];
        for (let i = 0; i <= count; i++) labels.unshift(e.openBlock());
        e.brTable(labels.slice(0, -1), labels[count], e.get(e.parameter<I32>(0)));
        for (let i = 0; i <= count; i++) {
          e.end();
          e.return(e.i32.const(i));
        }
        e.unreachable();
        module.addFunction({ parameters: [I32_TYPE], results: [I32_TYPE] }, e, 'choose');
        const { choose } = instantiate(module) as unknown as { choose: (n: number) => number };
        expect(choose(index)).toBe(index >= 0 && index < count ? index : count);
      }),
      { numRuns: 30 },
    );
  });

  it('reads and writes shared memory, atomically where asked', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
    const module = new ModuleBuilder();
    module.importMemory('env', 'memory', 65536);
    const e = new Emitter();
    const old = e.keep(e.atomic.rmw32('add', e.i32.const(8), e.i32.const(5)));
    e.i64.store(e.i32.const(0), e.atomic.cmpxchg64(e.i32.const(16), e.i64.const(7), e.i64.constHalves(1, 2)), 24);
    e.atomic.fence();
    e.i64.store32(e.i32.const(0), e.atomic.rmw64('xchg', e.i32.const(32), e.i64.const(-1)), 40);
    e.get(old);
    module.addFunction({ parameters: [], results: [I32_TYPE] }, e, 'run');
    const words = new Uint32Array(memory.buffer);
    words.set([37, 0, 7, 0, 0, 0, 0xabcd, 0], 2);
    const { run } = instantiate(module, { env: { memory } }) as unknown as { run: () => number };
    expect(run()).toBe(37);
    expect([...words.subarray(2, 11)]).toEqual([42, 0, 1, 2, 7, 0, 0xffffffff, 0xffffffff, 0xabcd]);
  });

  it('takes i64 constants of every size', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), fc.maxSafeInteger(), (any, safe) => {
        const module = new ModuleBuilder();
        const halves = new Emitter();
        halves.i64.constHalves(Number(BigInt.asIntN(32, any)), Number(any >> 32n));
        module.addFunction({ parameters: [], results: [I64_TYPE] }, halves, 'halves');
        const number = new Emitter();
        number.i64.const(safe);
        module.addFunction({ parameters: [], results: [I64_TYPE] }, number, 'number');
        const exports = instantiate(module) as unknown as { halves(): bigint; number(): bigint };
        expect(exports.halves()).toBe(any);
        expect(exports.number()).toBe(BigInt(safe));
      }),
      { numRuns: 100 },
    );
  });
});

/** The code section's bodies, each from its local declarations on. */
function codeBodies(module: Uint8Array): Uint8Array[] {
  let at = 8;
  const u32 = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++];
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  for (;;) {
    const id = module[at++];
    const size = u32();
    if (id === 10) break;
    at += size;
  }
  return Array.from({ length: u32() }, () => {
    const size = u32();
    at += size;
    return module.subarray(at - size, at);
  });
}
