import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeModule } from '../../test/support/archive-writers';
import { VmError } from '../errors/vm-error';
import { moduleName, readModuleInfo, withoutSignature } from './kernel-module';

describe('kernel modules', () => {
  it('say their name, what they depend on and what they are for', () => {
    const module = makeModule({ name: 'ext4', depends: ['jbd2', 'mbcache'], aliases: ['fs-ext4', 'fs-ext2'] });
    expect(readModuleInfo(module, 'ext4.ko')).toEqual({ name: 'ext4', depends: ['jbd2', 'mbcache'], aliases: ['fs-ext4', 'fs-ext2'] });
    expect(readModuleInfo(makeModule({ name: 'crc16' }), 'crc16.ko').depends).toEqual([]);
  });

  it('are named by their file, with _ for -', () => {
    expect(moduleName('kernel/drivers/char/hw_random/virtio-rng.ko.xz')).toBe('virtio_rng');
    expect(moduleName('crc16.ko')).toBe('crc16');
  });

  it('lose their signature and nothing else', () => {
    const unsigned = makeModule({ name: 'a' });
    expect(Buffer.from(withoutSignature(makeModule({ name: 'a', signed: true }))).equals(unsigned)).toBe(true);
    expect(withoutSignature(unsigned)).toBe(unsigned);
  });

  it('fail with an Image error, not otherwise, when they are damaged', () => {
    const module = makeModule({ name: 'a', depends: ['b'], signed: true });
    fc.assert(
      fc.property(fc.nat(module.length - 1), fc.nat(255), fc.nat(module.length), (at, value, end) => {
        const damaged = Buffer.from(module.subarray(0, end));
        if (at < end) damaged[at] = value;
        try {
          readModuleInfo(withoutSignature(damaged), 'a.ko');
        } catch (error) {
          expect(error).toBeInstanceOf(VmError);
        }
      }),
      { numRuns: 1000 },
    );
    expect(() => readModuleInfo(Buffer.from('#!/bin/sh'), 'a.ko')).toThrow('a.ko is no 64-bit kernel module: it has no ELF header');
  });
});
