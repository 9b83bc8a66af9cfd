import { describe, expect, it } from 'vitest';
import { HART_MTIMECMP, HART_STRIDE, HART_WAKE, HARTS_BASE } from '../memory/layout';
import { createMemory, planMemory } from '../memory/memory-plan';
import { Clint } from './clint';
import { hartLine, MSIP } from './hart-lines';

function setUp() {
  const memory = createMemory(planMemory(2, [{ base: 0x80000000, size: 4096 }]));
  const words = new Int32Array(memory.buffer);
  const time = {
    ticks: 0,
    now: () => time.ticks,
    set: (ticks: number) => {
      time.ticks = ticks;
    },
  };
  return { words, time, clint: new Clint({ memory, base: 0x2000000, harts: 2, time }) };
}

describe('Clint', () => {
  it('makes msip the software interrupt line of the hart', () => {
    const { clint, words } = setUp();
    clint.write(4, 4, 0xffff_ffff);
    expect(clint.read(4, 4)).toBe(1);
    expect(clint.read(0, 4)).toBe(0);
    expect(hartLine(words, 1, MSIP)).toBe(true);
    clint.write(4, 4, 0);
    expect(hartLine(words, 1, MSIP)).toBe(false);
  });

  it('stores mtimecmp where its hart looks for it, and wakes the hart', () => {
    const { clint, words } = setUp();
    const hart1 = HARTS_BASE + HART_STRIDE;
    clint.write(0x4008, 4, 0xdeadbeef);
    clint.write(0x400c, 4, 0x12);
    expect(words[(hart1 + HART_MTIMECMP) >>> 2] >>> 0).toBe(0xdeadbeef);
    expect(words[(hart1 + HART_MTIMECMP + 4) >>> 2]).toBe(0x12);
    expect(words[(hart1 + HART_WAKE) >>> 2]).toBe(2);
    expect([clint.read(0x4008, 4), clint.read(0x400c, 4)]).toEqual([0xdeadbeef, 0x12]);
  });

  it('reads both halves of mtime from one sample, low half first', () => {
    const { clint, time } = setUp();
    time.ticks = 0x1_ffff_ffff;
    expect(clint.read(0xbff8, 4)).toBe(0xffff_ffff);
    time.ticks++;
    expect(clint.read(0xbffc, 4)).toBe(1);
    expect(clint.read(0xbffc, 4)).toBe(2);
  });

  it('sets mtime by halves', () => {
    const { clint, time } = setUp();
    clint.write(0xbff8, 4, 5);
    clint.write(0xbffc, 4, 3);
    expect(time.ticks).toBe(0x3_0000_0005);
  });

  it('has nothing at other addresses', () => {
    const { clint } = setUp();
    clint.write(0x8, 4, 1);
    clint.write(0x4010, 4, 1);
    expect(clint.read(0x8, 4)).toBe(0);
    expect(clint.read(0x4010, 4)).toBe(0);
  });

  it('saves, resets and restores its state', () => {
    const { clint } = setUp();
    clint.write(0, 4, 1);
    clint.write(0x4000, 4, 77);
    clint.write(0x4004, 4, 0);
    const saved = clint.state.snapshot();
    clint.reset();
    expect(clint.read(0, 4)).toBe(0);
    expect(clint.read(0x4004, 4)).toBe(0xffff_ffff);
    clint.state.restore(saved);
    expect(clint.state.snapshot()).toEqual(saved);
    expect(clint.read(0x4000, 4)).toBe(77);
  });

  it('saves and restores the time', () => {
    const { clint } = setUp();
    clint.write(0xbff8, 4, 6);
    clint.write(0xbffc, 4, 5);
    const other = setUp();
    other.clint.state.restore(clint.state.snapshot());
    expect(other.time.ticks).toBe(5 * 2 ** 32 + 6);
  });
});
