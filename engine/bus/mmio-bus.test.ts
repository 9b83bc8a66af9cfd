import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccessSize, MmioDevice } from './device';
import { MmioBus } from './mmio-bus';
import { DeviceError, VmError } from '../errors/vm-error';

function device(name: string, base: number, size: number, more: Partial<MmioDevice> = {}): MmioDevice & { log: string[] } {
  const log: string[] = [];
  return {
    name,
    base,
    size,
    log,
    read: (offset, width) => {
      log.push(`r${width}@${offset}`);
      return offset;
    },
    write: (offset, width, value) => {
      log.push(`w${width}@${offset}=${value}`);
    },
    ...more,
  };
}

describe('MmioBus', () => {
  it('routes an access to the device at its address, as an offset', () => {
    const bus = new MmioBus();
    const low = device('low', 0x1000, 0x100);
    const high = device('high', 0x4_0000_0000, 0x1000);
    bus.add(high);
    bus.add(low);
    expect(bus.read(0x4_0000_0ffc, 4)).toBe(0xffc);
    bus.write(0x1002, 2, 7);
    expect(high.log).toEqual(['r4@4092']);
    expect(low.log).toEqual(['w2@2=7']);
    expect(bus.ranges()).toEqual([
      { base: 0x1000, size: 0x100, sizes: { min: 1, max: 4 }, holdsWriters: false },
      { base: 0x4_0000_0000, size: 0x1000, sizes: { min: 1, max: 4 }, holdsWriters: false },
    ]);
  });

  it.each<[number, AccessSize]>([
    [0xfff, 1],
    [0x1100, 4],
    [0x1001, 2],
    [0x1002, 4],
    [0x2000, 1],
    [0x2000, 2],
  ])('refuses an access that nothing answers: 0x%s, %i bytes', (address, size) => {
    const bus = new MmioBus();
    bus.add(device('a', 0x1000, 0x100));
    bus.add(device('words', 0x2000, 0x100, { accessSizes: { min: 4, max: 4 } }));
    expect(() => bus.read(address, size)).toThrow(DeviceError);
    expect(() => bus.write(address, size, 0)).toThrow(DeviceError);
  });

  it('refuses overlapping devices and forgets removed ones', () => {
    const bus = new MmioBus();
    const first = device('first', 0x1000, 0x1000);
    bus.add(first);
    expect(() => bus.add(device('second', 0x1fff, 1))).toThrow(/second overlaps first at 0x1fff/);
    expect(() => bus.add(device('outer', 0, 0x10000))).toThrow(VmError);
    expect(bus.read(0x1000, 1)).toBe(0);
    bus.remove(first);
    expect(() => bus.read(0x1000, 1)).toThrow(/No device answers at 0x1000/);
  });

  it('finds the same device as a linear search does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ base: fc.nat(500), size: fc.integer({ min: 1, max: 60 }) })),
        fc.array(fc.nat(600)),
        (ranges, addresses) => {
          const bus = new MmioBus();
          const added: MmioDevice[] = [];
          for (const { base, size } of ranges) {
            const clash = added.some((other) => base < other.base + other.size && other.base < base + size);
            const next = device(`d${base}`, base, size, { read: () => base });
            if (clash) expect(() => bus.add(next)).toThrow(VmError);
            else {
              bus.add(next);
              added.push(next);
            }
          }
          for (const address of addresses) {
            const hit = added.find((one) => address >= one.base && address < one.base + one.size);
            if (hit) expect(bus.read(address, 1)).toBe(hit.base);
            else expect(() => bus.read(address, 1)).toThrow(DeviceError);
          }
        },
      ),
    );
  });
});
