import { describe, expect, it, vi } from 'vitest';
import { makeModule } from '../../test/support/archive-writers';
import { readCpio } from './cpio';
import { buildInitramfs } from './initramfs';

const modules = [
  { path: 'kernel/fs/ext4/ext4.ko', data: makeModule({ name: 'ext4', depends: ['jbd2', 'crc16'], aliases: ['fs-ext4'], signed: true }) },
  { path: 'kernel/fs/jbd2/jbd2.ko', data: makeModule({ name: 'jbd2', depends: ['crc16'] }) },
  { path: 'kernel/lib/crc16.ko', data: makeModule({ name: 'crc16' }) },
  { path: 'kernel/drivers/char/virtio-rng.ko', data: makeModule({ name: 'virtio_rng', aliases: ['virtio:d00000004v*'] }) },
];
const entries = readCpio(buildInitramfs({ kernelVersion: '6.12.0-riscv64', busybox: Buffer.from('busybox'), modules }));
const find = (path: string) => entries.find((entry) => entry.path === path);
const text = (path: string): string => {
  const entry = find(path);
  return entry?.type === 'file' ? Buffer.from(entry.data).toString() : '';
};

describe('the default guest’s initramfs', () => {
  it('makes every folder before what is in it', () => {
    const seen = new Set(['']);
    for (const { path, type } of entries) {
      expect(seen).toContain(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
      if (type === 'directory') seen.add(path);
    }
  });

  it('has what the kernel needs to start init', () => {
    expect(find('init')).toEqual({ type: 'symlink', path: 'init', target: 'bin/busybox' });
    expect(find('bin/busybox')).toMatchObject({ mode: 0o755 });
    expect(find('dev/console')).toMatchObject({ type: 'device', major: 5, minor: 1 });
  });

  it('has every script that its inittab names, executable', () => {
    const named = [...text('etc/inittab').matchAll(/:(\/etc\/\S+)/g)].map((match) => match[1]?.slice(1) ?? '');
    expect(named).toEqual(['etc/rc', 'etc/session']);
    for (const path of named) expect(find(path)).toMatchObject({ type: 'file', mode: 0o755 });
  });

  it('lists each module’s dependencies, nearest first, for modprobe', () => {
    expect(text('lib/modules/6.12.0-riscv64/modules.dep').trim().split('\n')).toEqual([
      'kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/lib/crc16.ko',
      'kernel/fs/jbd2/jbd2.ko: kernel/lib/crc16.ko',
      'kernel/lib/crc16.ko:',
      'kernel/drivers/char/virtio-rng.ko:',
    ]);
    expect(text('lib/modules/6.12.0-riscv64/modules.alias').split('\n')).toContain('alias virtio:d00000004v* virtio_rng');
  });

  it('holds modules without their signatures, which are slow to check', () => {
    expect(text('lib/modules/6.12.0-riscv64/kernel/fs/ext4/ext4.ko')).not.toContain('Module signature');
  });

  it('is the same for the same parts', () => {
    const again = buildInitramfs({ kernelVersion: '6.12.0-riscv64', busybox: Buffer.from('busybox'), modules });
    expect(Buffer.from(again).equals(buildInitramfs({ kernelVersion: '6.12.0-riscv64', busybox: Buffer.from('busybox'), modules }))).toBe(
      true,
    );
  });

  it('loads with the SCSI adapter what drives its disks and discs', () => {
    const scsi = ['virtio_scsi', 'sd_mod', 'sr_mod'].map((name) => ({ path: `${name}.ko`, data: makeModule({ name, depends: [] }) }));
    const files = readCpio(buildInitramfs({ kernelVersion: '1', busybox: new Uint8Array(), modules: scsi }));
    const list = files.find(({ path }) => path.endsWith('modules.dep'));
    expect(list?.type === 'file' && Buffer.from(list.data).toString()).toContain('virtio_scsi.ko: sd_mod.ko sr_mod.ko\n');
  });

  it('does not hang on modules that need each other', () => {
    const circle = [
      { path: 'a.ko', data: makeModule({ name: 'a', depends: ['b'] }) },
      { path: 'b.ko', data: makeModule({ name: 'b', depends: ['a'] }) },
    ];
    expect(() => buildInitramfs({ kernelVersion: '1', busybox: new Uint8Array(), modules: circle })).not.toThrow();
  });

  it('refuses a script with Windows line ends, on which the guest would loop', async () => {
    vi.resetModules();
    vi.doMock('../../resources/guest/rc.sh?raw', () => ({ default: '#!/bin/sh\r\nmount -a\r\n' }));
    const { buildInitramfs: build } = await import('./initramfs');
    expect(() => build({ kernelVersion: '1', busybox: new Uint8Array(), modules: [] })).toThrow(
      /etc\/rc was built from a file of resources\/guest with Windows line ends .*\.gitattributes/,
    );
    vi.doUnmock('../../resources/guest/rc.sh?raw');
  });
});
