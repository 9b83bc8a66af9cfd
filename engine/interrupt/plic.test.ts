import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HART_WAKE, HARTS_BASE } from '../memory/layout';
import { createMemory, planMemory } from '../memory/memory-plan';
import { hartLine, MEIP, SEIP } from './hart-lines';
import { Plic } from './plic';

const PENDING = 0x1000;
const M0 = { enable: 0x2000, threshold: 0x200000, claim: 0x200004 };
const S0 = { enable: 0x2080, threshold: 0x201000, claim: 0x201004 };

function setUp() {
  const memory = createMemory(planMemory(2, [{ base: 0x80000000, size: 4096 }]));
  const words = new Int32Array(memory.buffer);
  const make = () => new Plic({ memory, base: 0xc000000, sources: 95, contexts: 4 });
  return { memory, words, make, plic: make() };
}

describe('Plic', () => {
  it('raises S-mode external interrupts of the enabled context only, and wakes the hart', () => {
    const { plic, words } = setUp();
    const before = words[(HARTS_BASE + HART_WAKE) >>> 2];
    plic.write(4 * 10, 4, 1);
    plic.write(S0.enable, 4, 1 << 10);
    plic.line(10).setLevel(true);
    expect(plic.read(PENDING, 4)).toBe(1 << 10);
    expect(hartLine(words, 0, SEIP)).toBe(true);
    expect(hartLine(words, 0, MEIP)).toBe(false);
    expect(hartLine(words, 1, SEIP)).toBe(false);
    expect(words[(HARTS_BASE + HART_WAKE) >>> 2]).toBe(before + 1);
  });

  it('claims once, and asks again after completion while the line is high', () => {
    const { plic, words } = setUp();
    plic.write(4, 4, 3);
    plic.write(S0.enable, 4, 2);
    const line = plic.line(1);
    line.setLevel(true);
    expect(plic.read(S0.claim, 4)).toBe(1);
    expect(plic.read(S0.claim, 4)).toBe(0);
    expect(hartLine(words, 0, SEIP)).toBe(false);
    line.setLevel(false);
    line.setLevel(true);
    expect(plic.read(PENDING, 4)).toBe(0);
    plic.write(S0.claim, 4, 1);
    expect(hartLine(words, 0, SEIP)).toBe(true);
    expect(plic.read(S0.claim, 4)).toBe(1);
    line.setLevel(false);
    plic.write(S0.claim, 4, 1);
    expect(hartLine(words, 0, SEIP)).toBe(false);
  });

  it('keeps a request whose line has fallen before it was served', () => {
    const { plic } = setUp();
    plic.write(4, 4, 1);
    plic.write(M0.enable, 4, 2);
    plic.line(1).setLevel(true);
    plic.line(1).setLevel(false);
    expect(plic.read(M0.claim, 4)).toBe(1);
  });

  it('takes requests where QEMU does: while one is served too, and not from a level that merely stays', () => {
    const { plic, words } = setUp();
    plic.write(4, 4, 1);
    plic.write(S0.enable, 4, 2);
    const line = plic.requestLine(1);
    line.setLevel(true);
    expect(plic.read(S0.claim, 4)).toBe(1);
    plic.write(S0.claim, 4, 1);
    expect([hartLine(words, 0, SEIP), plic.read(PENDING, 4)]).toEqual([false, 0]);
    line.setLevel(true);
    expect(plic.read(S0.claim, 4)).toBe(1);
    line.setLevel(true);
    expect([hartLine(words, 0, SEIP), plic.read(S0.claim, 4), plic.read(PENDING, 4)]).toEqual([false, 0, 2]);
    plic.write(S0.claim, 4, 1);
    expect(hartLine(words, 0, SEIP)).toBe(true);
    line.setLevel(false);
    expect([hartLine(words, 0, SEIP), plic.read(S0.claim, 4)]).toEqual([false, 0]);
  });

  it('serves the highest priority first, then the lowest number; never priority 0', () => {
    const { plic } = setUp();
    plic.write(M0.enable, 4, -1 >>> 0);
    plic.write(M0.enable + 8, 4, -1 >>> 0);
    for (const [source, priority] of [
      [5, 2],
      [7, 6],
      [94, 6],
      [9, 0],
    ] as const) {
      plic.write(4 * source, 4, priority);
      plic.line(source).setLevel(true);
    }
    expect([1, 2, 3, 4].map(() => plic.read(M0.claim, 4))).toEqual([7, 94, 5, 0]);
  });

  it('masks the line up to the threshold, but not the claim', () => {
    const { plic, words } = setUp();
    plic.write(4, 4, 3);
    plic.write(M0.enable, 4, 2);
    plic.write(M0.threshold, 4, 3);
    plic.line(1).setLevel(true);
    expect(hartLine(words, 0, MEIP)).toBe(false);
    plic.write(M0.threshold, 4, 2);
    expect(hartLine(words, 0, MEIP)).toBe(true);
    plic.write(M0.threshold, 4, 7);
    expect(plic.read(M0.claim, 4)).toBe(1);
  });

  it('ignores completions of sources that the context has not enabled, and hardwires what does not exist', () => {
    const { plic } = setUp();
    plic.write(4, 4, 0xffff_ffff);
    expect(plic.read(4, 4)).toBe(7);
    plic.write(M0.enable, 4, 0xffff_ffff);
    plic.write(M0.enable + 12, 4, 0xffff_ffff);
    expect(plic.read(M0.enable, 4)).toBe(0xffff_fffe);
    expect(plic.read(M0.enable + 12, 4)).toBe(0);
    plic.line(1).setLevel(true);
    expect(plic.read(M0.claim, 4)).toBe(1);
    plic.write(S0.claim, 4, 1);
    plic.write(M0.claim, 4, 200);
    expect(plic.read(PENDING, 4)).toBe(0);
    plic.write(M0.claim, 4, 1);
    expect(plic.read(PENDING, 4)).toBe(2);
    expect(() => plic.line(96)).toThrow(/sources 1 to 95/);
    expect(plic.read(0x5ffffc, 4)).toBe(0);
  });

  it('is one PLIC for every thread that makes an instance, and can be saved and restored', () => {
    const { plic, make, words } = setUp();
    const other = make();
    plic.write(8, 4, 1);
    other.write(S0.enable, 4, 4);
    plic.line(2).setLevel(true);
    const saved = JSON.parse(JSON.stringify(plic.state.snapshot()));
    expect(other.read(S0.claim, 4)).toBe(2);
    plic.reset();
    expect(other.read(8, 4)).toBe(0);
    other.state.restore(saved);
    expect(hartLine(words, 0, SEIP)).toBe(true);
    expect(plic.read(S0.claim, 4)).toBe(2);
    expect(() => plic.state.restore({ ...saved, version: 2 })).toThrow(/version 2, and this one reads version 1/);
  });

  it('takes the level of a word line from the word', () => {
    const { plic, words } = setUp();
    plic.write(4, 4, 1);
    plic.write(M0.enable, 4, 2);
    const line = plic.wordLine(1, 1024);
    line.setLevel(true);
    expect(plic.read(M0.claim, 4)).toBe(0);
    words[256] = 2;
    line.setLevel(false);
    expect(plic.read(M0.claim, 4)).toBe(1);
  });

  it('takes the lock of a thread that died holding it', () => {
    const { plic, words } = setUp();
    words[1024] = 1;
    plic.write(4, 4, 5);
    expect(plic.read(4, 4)).toBe(5);
  }, 20_000);

  it('never loses a source and never serves one twice, whatever happens in which order', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('level' as const), source: fc.integer({ min: 1, max: 8 }), high: fc.boolean() }),
      fc.record({ kind: fc.constant('claim' as const), context: fc.constantFrom(M0, S0) }),
      fc.record({ kind: fc.constant('complete' as const) }),
    );
    const { plic, words } = setUp();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        for (let source = 1; source <= 8; source++) plic.line(source).setLevel(false);
        plic.reset();
        for (let source = 1; source <= 8; source++) plic.write(4 * source, 4, (source % 7) + 1);
        plic.write(M0.enable, 4, 0x1fe);
        plic.write(S0.enable, 4, 0x1fe);
        const high = new Set<number>();
        const pending = new Set<number>();
        const claimed: { source: number; claim: number }[] = [];
        for (const s of steps) {
          if (s.kind === 'level') {
            if (s.high && !high.has(s.source) && !claimed.some((c) => c.source === s.source)) pending.add(s.source);
            if (s.high) high.add(s.source);
            else high.delete(s.source);
            plic.line(s.source).setLevel(s.high);
          } else if (s.kind === 'claim') {
            const best = [...pending].sort((a, b) => (b % 7) - (a % 7) || a - b)[0] ?? 0;
            expect(plic.read(s.context.claim, 4)).toBe(best);
            if (best) {
              pending.delete(best);
              claimed.push({ source: best, claim: s.context.claim });
            }
          } else {
            const done = claimed.shift();
            if (!done) continue;
            plic.write(done.claim, 4, done.source);
            if (high.has(done.source)) pending.add(done.source);
          }
          expect(hartLine(words, 0, MEIP)).toBe(pending.size > 0);
          expect(plic.read(PENDING, 4)).toBe([...pending].reduce((bits, source) => bits | (1 << source), 0));
        }
      }),
    );
  });
});
