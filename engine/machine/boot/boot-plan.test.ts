import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildElf } from '../../../test/support/elf-builder';
import { VmError } from '../../bus/vm-error';
import { isBareMetal, planBoot } from './boot-plan';
import type { ImageFile } from './image-file';

const MiB = 2 ** 20;
const ram = { base: 0x80000000, size: 128 * MiB };

function image(what: string, bytes: Uint8Array): ImageFile {
  return { what, path: `${what}.bin`, bytes };
}

function linuxImage(
  options: { textOffset?: number; memoryBytes?: number; flags?: number; fileBytes?: number; sectionEnd?: number } = {},
): ImageFile {
  const bytes = new Uint8Array(options.fileBytes ?? 4096);
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from('MZ'));
  view.setBigUint64(8, BigInt(options.textOffset ?? 2 * MiB), true);
  view.setBigUint64(16, BigInt(options.memoryBytes ?? 0), true);
  view.setUint32(24, options.flags ?? 0, true);
  bytes.set(Buffer.from('RISCV\0\0\0RSC\x05', 'latin1'), 48);
  if (options.sectionEnd !== undefined) {
    view.setUint32(60, 64, true);
    bytes.set(Buffer.from('PE\0\0'), 64);
    view.setUint16(70, 1, true);
    view.setUint32(88 + 16, options.sectionEnd - 1024, true);
    view.setUint32(88 + 20, 1024, true);
  }
  return image('kernel', bytes);
}

const firmware = image('firmware', new Uint8Array(300_000));

describe('planBoot', () => {
  it('puts firmware, kernel, initrd and device tree where QEMU-like boards have them', () => {
    const initrd = image('initrd', new Uint8Array(5000));
    const plan = planBoot({ firmware, kernel: linuxImage({ memoryBytes: 33 * MiB }), initrd }, ram);
    expect(plan).toMatchObject({ entry: 0x80000000, next: 0x80200000, deviceTree: 0x87e00000 });
    expect(plan.initrd).toEqual({ start: 0x87dfe000, end: 0x87dfe000 + 5000 });
    expect(plan.segments.map(({ what, address, memoryBytes }) => [what, address, memoryBytes])).toEqual([
      ['firmware', 0x80000000, 300_000],
      ['kernel', 0x80200000, 33 * MiB],
      ['initrd', 0x87dfe000, 5000],
    ]);
  });

  it('keeps the device tree below 3 GiB, and a kernel behind large firmware', () => {
    const plan = planBoot(
      { firmware: image('firmware', new Uint8Array(3 * MiB)), kernel: linuxImage() },
      { base: 0x80000000, size: 3072 * MiB },
    );
    expect(plan.deviceTree).toBe(0xbfe00000);
    expect(plan.next).toBe(0x80400000);
  });

  it('enters a kernel directly where there is no firmware', () => {
    expect(planBoot({ kernel: linuxImage({ textOffset: 0 }) }, ram)).toMatchObject({ entry: 0x80000000, next: 0 });
  });

  it('loads an ELF program at its own addresses and finds its HTIF words', () => {
    const bytes = buildElf({
      entry: 0x80000010,
      parts: [{ address: 0x80000000, bytes: new Uint8Array(256) }],
      symbols: { tohost: 0x80000040, fromhost: 0x80000048 },
    });
    const kernel = image('kernel', bytes);
    expect(planBoot({ kernel }, ram)).toMatchObject({ entry: 0x80000010, tohost: 0x80000040, fromhost: 0x80000048 });
    expect(isBareMetal(kernel, ram)).toBe(true);
    expect(() => planBoot({ firmware, kernel }, ram)).toThrow(
      /kernel \(0x80000000 to 0x80000100\) and the firmware .* want the same memory/,
    );
    expect(isBareMetal(linuxImage(), ram)).toBe(false);
  });

  it('leaves out the ELF header that lies before RAM', () => {
    const bytes = buildElf({ entry: 0x80000000, parts: [{ address: 0x7ffff000, bytes: new Uint8Array(0), memoryBytes: 0x1008 }] });
    new DataView(bytes.buffer).setBigUint64(64 + 8, 0n, true);
    expect(planBoot({ kernel: image('kernel', bytes) }, ram).segments).toMatchObject([{ address: 0x80000000, memoryBytes: 8 }]);
  });

  it('takes no HTIF words outside the program, and no entry either', () => {
    const parts = [{ address: 0x80200000, bytes: new Uint8Array(64) }];
    const elf = (entry: number, tohost: number) => image('kernel', buildElf({ entry, parts, symbols: { tohost } }));
    expect(planBoot({ kernel: elf(0x80200000, 0x80201000) }, ram).tohost).toBeUndefined();
    expect(planBoot({ kernel: elf(0x80200000, 0x80200004) }, ram).tohost).toBeUndefined();
    expect(isBareMetal(elf(0x80200000, 0), ram)).toBe(false);
    expect(() => planBoot({ kernel: elf(0x80300000, 0) }, ram)).toThrow(/starts at 0x80300000, where it has no code/);
  });

  it('moves position-independent firmware that is linked at 0', () => {
    const bytes = buildElf({ entry: 8, parts: [{ address: 0, bytes: new Uint8Array(64), memoryBytes: 4096 }], type: 3 });
    const plan = planBoot({ firmware: image('firmware', bytes) }, ram);
    expect(plan.entry).toBe(0x80000008);
    expect(plan.segments[0]).toMatchObject({ address: 0x80000000, memoryBytes: 4096 });
  });

  it.each([
    [
      'a kernel that does not fit',
      { firmware, kernel: linuxImage({ memoryBytes: 200 * MiB }) },
      /kernel does not fit in the machine's memory/,
    ],
    [
      'an initrd that does not fit',
      { firmware, kernel: linuxImage({ memoryBytes: 100 * MiB }), initrd: image('initrd', new Uint8Array(30 * MiB)) },
      /initrd .* want the same memory/,
    ],
    [
      'a program for elsewhere',
      { kernel: image('kernel', buildElf({ entry: 0, parts: [{ address: 0, bytes: new Uint8Array(8) }] })) },
      /does not fit.*0x80000000/,
    ],
    [
      'a file that is no kernel',
      { firmware, kernel: image('kernel', Buffer.from('hello')) },
      /neither a Linux Image for RISC-V .* nor an ELF/,
    ],
    ['a big-endian kernel', { firmware, kernel: linuxImage({ flags: 1 }) }, /big-endian/],
    ['a truncated kernel', { firmware, kernel: linuxImage({ sectionEnd: 5000 }) }, /is truncated: it should have 5000 bytes and has 4096/],
  ])('refuses %s', (_, files, message) => {
    expect(() => planBoot(files, ram)).toThrow(message);
  });

  it('takes a kernel whose sections are all there', () => {
    expect(planBoot({ firmware, kernel: linuxImage({ sectionEnd: 4096 }) }, ram).next).toBe(0x80200000);
  });

  it('loads a kernel with a damaged header inside RAM, or refuses it with an Image error', () => {
    const good = linuxImage({ sectionEnd: 4096 }).bytes;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 8 }), (damage) => {
        const bytes = good.slice();
        for (const [at, value] of damage) bytes[at] = value;
        try {
          for (const { address, memoryBytes } of planBoot({ firmware, kernel: image('kernel', bytes) }, ram).segments) {
            expect(address).toBeGreaterThanOrEqual(ram.base);
            expect(address + memoryBytes).toBeLessThanOrEqual(ram.base + ram.size);
          }
        } catch (error) {
          if (!(error instanceof VmError)) throw error;
          expect(error.kind).toBe('Image');
        }
      }),
      { numRuns: 1000 },
    );
  });
});
