import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TEST_RAM_BASE, TEST_ROM_BASE, testGuestMemory } from '../../test/support/guest-memory';
import { DeviceError } from '../errors/vm-error';
import { ScatterGatherList } from './scatter-gather-list';

const memory = testGuestMemory(1 << 20);

/** Disjoint pieces in a shuffled order, and the list over them. */
const lists = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 200 })), { minLength: 1, maxLength: 12 })
  .map((pieces) => {
    const list = new ScatterGatherList(memory, true);
    let address = TEST_RAM_BASE;
    for (const [gap, length] of pieces) {
      address += gap;
      list.add(address, length);
      address += length;
    }
    return list;
  });

describe('ScatterGatherList', () => {
  it('reads back what was written, whatever the pieces', () => {
    fc.assert(
      fc.property(lists, fc.uint8Array({ maxLength: 3000 }), fc.nat(500), (list, bytes, at) => {
        const fits = Math.max(0, Math.min(bytes.length, list.length - at));
        expect(list.copyFrom(bytes, at)).toBe(fits);
        const back = new Uint8Array(fits);
        expect(list.copyTo(back, at)).toBe(fits);
        expect(back).toEqual(bytes.subarray(0, fits));
      }),
    );
  });

  it('has slices and views that show the same bytes', () => {
    fc.assert(
      fc.property(lists, fc.nat(1000), fc.nat(1000), (list, a, b) => {
        const [start, end] = [Math.min(a, b, list.length), Math.min(Math.max(a, b), list.length)];
        list.copyFrom(Uint8Array.from({ length: list.length }, (_, i) => (i * 7) & 0xff));
        const slice = list.slice(start, end);
        expect(slice.length).toBe(end - start);
        expect(slice.toBytes()).toEqual(list.toBytes().subarray(start, end));
        expect(new Uint8Array(Buffer.concat(slice.views()))).toEqual(slice.toBytes());
      }),
    );
  });

  it('reads numbers also where they are spread over pieces', () => {
    const list = new ScatterGatherList(memory, true)
      .add(TEST_RAM_BASE, 3)
      .add(TEST_RAM_BASE + 100, 3)
      .add(TEST_RAM_BASE + 200, 6);
    list.copyFrom(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0xff));
    expect(list.readU8(3)).toBe(4);
    expect(list.readU16(2)).toBe(0x0403);
    expect(list.readU32(1)).toBe(0x05040302);
    expect(list.readU32(8)).toBe(0xff0b0a09);
    expect(list.readU64(1)).toBe(Number(0x0908070605040302n));
    list.writeU8(3, 0x80);
    expect(list.readU32(0)).toBe(0x80030201);
  });

  it('joins neighbours', () => {
    const list = new ScatterGatherList(memory, true)
      .add(TEST_RAM_BASE, 4096)
      .add(TEST_RAM_BASE + 4096, 4096)
      .add(TEST_RAM_BASE, 0);
    expect(list.segments).toBe(1);
    expect(list.length).toBe(8192);
  });

  it('refuses what is not in memory, or not writable', () => {
    const list = new ScatterGatherList(memory, true);
    const attempts: [number, number][] = [
      [0, 1],
      [TEST_RAM_BASE - 1, 2],
      [TEST_RAM_BASE + (1 << 20) - 1, 2],
      [TEST_ROM_BASE, 4],
      [2 ** 64, 1],
    ];
    for (const [address, length] of attempts) expect(() => list.add(address, length)).toThrow(DeviceError);
    expect(new ScatterGatherList(memory, false).add(TEST_ROM_BASE, 4).length).toBe(4);
    expect(() => list.add(TEST_RAM_BASE, 4).readU32(1)).toThrow(DeviceError);
  });

  it('reports writes to pages that hold translated code', () => {
    const first = memory.plan.pageVersions / 4;
    const versions = (): number[] => [0, 1, 2].map((page) => Atomics.load(memory.words, first + page));
    const reset = (): void => {
      for (const page of [0, 1, 2]) Atomics.store(memory.words, first + page, -5);
    };
    const list = new ScatterGatherList(memory, true).add(TEST_RAM_BASE, 8192);
    reset();
    list.copyFrom(new Uint8Array(8192));
    expect(versions()).toEqual([0, 0, -5]);
    reset();
    list.wrote(1);
    expect(versions()).toEqual([0, -5, -5]);
  });
});
