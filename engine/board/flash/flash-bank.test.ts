import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { VmError } from '../../errors/vm-error';
import { GuestMemory } from '../../memory/guest-memory';
import { MEMORY_REGIONS, REGION_FLAGS, REGION_HIDDEN } from '../../memory/layout';
import { createMemory, planMemory } from '../../memory/memory-plan';
import { FLASH_BANK_BYTES, FlashBank, type FlashBankOptions } from './flash-bank';

const BASE = 0x20000000;
const BLOCK = 0x40000;
const READY = 0x00800080;

function bank(options: Partial<FlashBankOptions> = {}) {
  const plan = planMemory(1, [{ base: BASE, size: FLASH_BANK_BYTES, device: true }]);
  const memory = new GuestMemory(createMemory(plan), plan);
  const warnings: VmError[] = [];
  const flash = new FlashBank({ memory, base: BASE, warn: (error) => warnings.push(error), ...options });
  /** A command to both chips. */
  const command = (value: number, offset = 0): void => flash.write(offset, 4, (value | (value << 16)) >>> 0);
  const status = (): number => flash.read(0, 4);
  const isHidden = (): boolean => (memory.words[(MEMORY_REGIONS + REGION_FLAGS) >>> 2] & REGION_HIDDEN) !== 0;
  /** Both chips' status after programming a word. */
  const program = (offset: number, value: number): number => {
    command(0x40);
    flash.write(offset, 4, value);
    const result = status();
    command(0x50);
    command(0xff);
    return result;
  };
  return { flash, memory, warnings, command, status, isHidden, program };
}

describe('FlashBank', () => {
  it('is erased where nothing was put into it, and then read like memory', () => {
    const { flash, isHidden } = bank();
    expect(isHidden()).toBe(true);
    expect(flash.read(0x1234, 4)).toBe(0xffffffff);
    expect(isHidden()).toBe(false);
  });

  it('shows what it begins with at once', () => {
    const { flash, isHidden, memory } = bank({ contents: Uint8Array.of(1, 2, 3, 4) });
    expect(isHidden()).toBe(false);
    expect([flash.read(0, 4), flash.read(1, 1), flash.read(2, 2), memory.readU32(BASE)]).toEqual([0x04030201, 2, 0x0403, 0x04030201]);
  });

  it('says in a query that it is two Intel chips of 16 MiB in blocks of 128 KiB', () => {
    const { flash, command, isHidden } = bank();
    command(0x98, 0x55 * 4);
    expect(isHidden()).toBe(true);
    const words = [0x10, 0x11, 0x12, 0x13, 0x27, 0x2c, 0x2d, 0x2f, 0x30].map((at) => flash.read(4 * at, 4));
    expect(words).toEqual([0x51, 0x52, 0x59, 0x01, 0x18, 0x01, 0x7f, 0x00, 0x02].map((byte) => byte * 0x10001));
    expect([flash.read(0x40, 1), flash.read(0x41, 1), flash.read(0x42, 2)]).toEqual([0x51, 0, 0x51]);
    command(0x90);
    expect([flash.read(0, 4), flash.read(4, 4)]).toEqual([0x00890089, 0x00180018]);
  });

  it('programs ones to zeros, and erases whole blocks', () => {
    const { flash, command, status, program } = bank();
    expect(program(BLOCK + 8, 0xff00ff0f)).toBe(READY);
    expect(program(BLOCK + 8, 0x00ffffff)).toBe(READY);
    expect(flash.read(BLOCK + 8, 4)).toBe(0x0000ff0f);
    program(2 * BLOCK, 0);
    command(0x20, BLOCK + 100);
    command(0xd0, BLOCK + 100);
    expect(status()).toBe(READY);
    command(0xff);
    expect([flash.read(BLOCK + 8, 4), flash.read(2 * BLOCK, 4)]).toEqual([0xffffffff, 0]);
  });

  it('programs a buffer when that is confirmed', () => {
    const { flash, command, status } = bank();
    const fill = (): void => {
      command(0xe8, 0x1000);
      expect(status()).toBe(READY);
      command(2, 0x1000);
      for (let i = 0; i < 3; i++) flash.write(0x1004 + 4 * i, 4, 0x11111111 * i);
    };
    fill();
    command(0x70, 0x1000);
    expect(status()).toBe(READY | 0x00300030);
    command(0x50);
    command(0xff);
    expect(flash.read(0x1004, 4)).toBe(0xffffffff);
    fill();
    command(0xd0, 0x1000);
    expect(status()).toBe(READY);
    command(0xff);
    expect([0x1000, 0x1004, 0x1008, 0x100c, 0x1010].map((at) => flash.read(at, 4))).toEqual([
      0xffffffff, 0, 0x11111111, 0x22222222, 0xffffffff,
    ]);
  });

  it('keeps every change in its store, in order, and fails where the store does', () => {
    const writes: [number, number][] = [];
    let full = false;
    const write = (offset: number, bytes: Uint8Array): void => {
      if (full) throw new Error('disk full');
      writes.push([offset, bytes.length]);
    };
    const { flash, program, command, status, warnings } = bank({ contents: new Uint8Array(FLASH_BANK_BYTES).fill(0xff), store: { write } });
    program(4, 1);
    command(0x20, BLOCK);
    command(0xd0, BLOCK);
    expect(writes).toEqual([
      [4, 4],
      [BLOCK, BLOCK],
    ]);
    full = true;
    expect(program(8, 0)).toBe(READY | 0x00100010);
    expect(program(8, 0)).toBe(READY | 0x00100010);
    expect(flash.read(8, 4)).toBe(0xffffffff);
    expect(warnings.map(({ kind }) => kind)).toEqual(['Resource']);
    command(0x70);
    expect(status()).toBe(READY);
  });

  it('does not let its contents be changed where they are read-only', () => {
    const { flash, program } = bank({ contents: Uint8Array.of(0xff), readonly: true });
    expect(program(0, 0)).toBe(READY | 0x00120012);
    expect(flash.read(0, 1)).toBe(0xff);
  });

  it('answers whatever a driver writes, and changes nothing but by its own commands', () => {
    const step = fc.record({
      offset: fc.nat(FLASH_BANK_BYTES / 4 - 1).map((word) => 4 * word),
      value: fc.oneof(fc.constantFrom(0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98, 0xd0, 0xe8, 0xff), fc.nat(0xffff)),
      size: fc.constantFrom(1 as const, 2 as const, 4 as const),
    });
    const { flash, isHidden, command } = bank();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        for (const { offset, value, size } of steps) {
          flash.write(offset, size, size === 1 ? value & 0xff : value);
          expect(flash.read(offset, size)).toBeLessThan(2 ** (8 * size));
        }
        flash.reset();
        command(0xff);
        expect(flash.read(0, 4)).toBeGreaterThanOrEqual(0);
        expect(isHidden()).toBe(false);
      }),
      { numRuns: 50 },
    );
  });
});
