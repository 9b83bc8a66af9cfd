import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildElf } from '../../../test/support/elf-builder';
import { VmError } from '../../errors/vm-error';
import { isBareMetal, planBoot } from './boot-plan';
import type { ImageFile } from '../../images/image-file';

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
const flat = image('kernel', new Uint8Array(1000));
const data = { what: 'file', path: '/some/data.bin', bytes: new Uint8Array(100).fill(7) };
const program = image('kernel', buildElf({ entry: 0x80400000, parts: [{ address: 0x80400000, bytes: new Uint8Array(256) }] }));

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

  it('puts a flat kernel behind the firmware, at the start of memory, or where it is told to', () => {
    const place = (files: Parameters<typeof planBoot>[0]) => {
      const { segments, entry, next } = planBoot({ kernel: flat, ...files }, ram);
      return { at: segments.find(({ what }) => what === 'kernel')?.address, entry, next };
    };
    expect(place({ firmware })).toEqual({ at: 0x80200000, entry: 0x80000000, next: 0x80200000 });
    expect(place({ firmware: image('firmware', new Uint8Array(3 * MiB)) })).toMatchObject({ at: 0x80400000, next: 0x80400000 });
    expect(place({})).toEqual({ at: 0x80000000, entry: 0x80000000, next: 0 });
    expect(place({ firmware, kernelPlace: { given: 0x84000000 } })).toMatchObject({ at: 0x84000000, next: 0x84000000 });
    expect(place({ firmware, kernelPlace: { address: 0x80400000, entry: 0x80400010 } })).toMatchObject({
      at: 0x80400000,
      next: 0x80400010,
    });
    // A wrapper's entry moves with the kernel.
    expect(place({ firmware, kernelPlace: { address: 0x40200000, entry: 0x40200010, given: 0x80600000 } })).toMatchObject({
      at: 0x80600000,
      next: 0x80600010,
    });
  });

  it('leaves a Linux Image where those go, whatever its wrapper says for another board, but not whatever the user says', () => {
    const kernel = linuxImage();
    expect(planBoot({ firmware, kernel, kernelPlace: { address: 0x40200000, entry: 0x40200000 } }, ram).next).toBe(0x80200000);
    expect(planBoot({ firmware, kernel, kernelPlace: { given: 0x82000000 } }, ram).next).toBe(0x82000000);
  });

  it('loads an Intel hex kernel where it says, and takes one in the place of firmware for bare metal', () => {
    const at = (high: string, sum: string) => image('kernel', Buffer.from(`:02000004${high}${sum}\n:0400000013000000E9\n:00000001FF\n`));
    const behind = planBoot({ firmware, kernel: at('8040', '3A') }, ram);
    expect(behind).toMatchObject({ entry: 0x80000000, next: 0x80400000 });
    expect(behind.segments[1]).toMatchObject({ what: 'kernel', address: 0x80400000, memoryBytes: 4 });
    expect(isBareMetal(at('8040', '3A'), ram)).toBe(false);
    expect(isBareMetal(at('8000', '7A'), ram)).toBe(true);
  });

  it('loads further files where they say or where they are told to, and starts what there is without a kernel', () => {
    const load = [{ file: data, address: 0x84000000 }, { file: { ...program, what: 'file', path: 'x/p.elf' } }];
    expect(planBoot({ firmware, kernel: linuxImage(), load }, ram).segments.slice(2)).toEqual([
      { what: 'file data.bin', address: 0x84000000, bytes: data.bytes, memoryBytes: 100 },
      { what: 'file p.elf', address: 0x80400000, bytes: new Uint8Array(256), memoryBytes: 256 },
    ]);
    expect(planBoot({ firmware, load }, ram)).toMatchObject({ entry: 0x80000000, next: 0x80200000 });
    expect(planBoot({ load, kernelPlace: { given: 0x84000000 } }, ram)).toMatchObject({ entry: 0x84000000, next: 0 });
    // As they are, also programs.
    expect(planBoot({ kernel: flat, load: [{ file: program, address: 0x88000000 - 4 * MiB, raw: true }] }, ram).segments[1].bytes).toBe(
      program.bytes,
    );
  });

  it('moves position-independent firmware that is linked at 0', () => {
    const bytes = buildElf({ entry: 8, parts: [{ address: 0, bytes: new Uint8Array(64), memoryBytes: 4096 }], type: 3 });
    const plan = planBoot({ firmware: image('firmware', bytes) }, ram);
    expect(plan.entry).toBe(0x80000008);
    expect(plan.segments[0]).toMatchObject({ address: 0x80000000, memoryBytes: 4096 });
  });

  it.each([
    ['a kernel that does not fit', { firmware, kernel: linuxImage({ memoryBytes: 200 * MiB }) }, /kernel does not fit in the box's memory/],
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
      { firmware, kernel: image('kernel', Buffer.from('#!/bin/sh\nexec qemu-system-riscv64\n')) },
      /kernel.bin is a text file, no program/,
    ],
    ['a Linux Image of a few bytes', { kernel: image('kernel', linuxImage().bytes.subarray(0, 60)) }, /at least 64 bytes and has 60/],
    [
      'a flat kernel out of memory',
      { kernel: flat, kernelPlace: { given: 0x90000000 } },
      /needs 0x90000000 to 0x900003e8, and the memory reaches/,
    ],
    [
      'a flat kernel in the firmware',
      { firmware, kernel: flat, kernelPlace: { given: 0x80000000 } },
      /kernel .* and the firmware .* want the same memory/,
    ],
    [
      'a kernel that begins outside of itself',
      { kernel: flat, kernelPlace: { address: 0x80200000, entry: 0x80300000 } },
      /where it has no code/,
    ],
    [
      'a program in the wrong place',
      { kernel: program, kernelPlace: { given: 0x80400000 } },
      /says itself where it goes, so it cannot be put at 0x80400000/,
    ],
    [
      'a file that is loaded nowhere',
      { kernel: flat, load: [{ file: data }] },
      /file \/some\/data.bin does not say where it goes. Write the address behind it/,
    ],
    [
      'a file in the way',
      { kernel: flat, load: [{ file: data, address: 0x80000100 }] },
      /file data.bin \(0x80000100 to 0x80000164\) and the kernel .* want the same memory/,
    ],
    [
      'a file in the way of the device tree',
      { kernel: flat, load: [{ file: data, address: 0x87e00000 }] },
      /device tree .* and the file data.bin .* want the same memory/,
    ],
    ['a program elsewhere than it says', { kernel: flat, load: [{ file: program, address: 0x80800000 }] }, /says itself where it goes/],
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
