import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeAr, makeTar, makeXz, type TarMember } from '../../../test/support/archive-writers';
import { ByteSource } from '../byte-source';
import type { DebianPackage } from '../packages';
import { readTar } from '../tar';
import { rootArchive } from './root-archive';

let cache = '';
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'hartbox-root-'));
});
afterEach(() => rm(cache, { recursive: true, force: true }));

async function publish(name: string, control: Record<string, string>, data: TarMember[]): Promise<DebianPackage> {
  const members = Object.entries(control).map(([path, text]): TarMember => ({ path: `./${path}`, data: Buffer.from(text), mode: 0o755 }));
  const deb = makeAr([
    { name: 'debian-binary', data: Buffer.from('2.0\n') },
    { name: 'control.tar.xz', data: makeXz(makeTar(members)) },
    { name: 'data.tar.xz', data: makeXz(makeTar(data)) },
  ]);
  const sha256 = createHash('sha256').update(deb).digest('hex');
  await writeFile(join(cache, `${name}-${sha256.slice(0, 16)}.deb`), deb);
  const rest = { depends: '', preDepends: '', provides: '', conflicts: '', breaks: '', priority: 'optional', installedSize: 0 };
  return { name, version: '1', ...rest, required: false, file: 'x.deb', size: deb.length, sha256 };
}

async function unpacked(
  packages: DebianPackage[],
): Promise<Map<string, { type: string; mode: number; owner: number; text: string; target: string }>> {
  const found = new Map<string, { type: string; mode: number; owner: number; text: string; target: string }>();
  const files = [{ path: '/etc/added', contents: 'mine' }];
  for await (const { path, type, mode, owner, target, contents } of readTar(
    new ByteSource(rootArchive(packages, { cache, files }), 'it'),
  )) {
    const pieces: Uint8Array[] = [];
    for await (const piece of contents) pieces.push(piece);
    found.set(path, { type, mode, owner, target, text: Buffer.concat(pieces).toString() });
  }
  return found;
}

const LONG = `usr/share/${'very-long-name/'.repeat(12)}file`;

describe('the files of a Debian in one archive', () => {
  it('has what packages install, with their owners, links and long names, base-files first', async () => {
    const base = await publish('base-files', { control: 'Package: base-files\n' }, [
      { path: './usr/', flag: '5', mode: 0o755 },
      { path: './bin', flag: '2', target: 'usr/bin' },
    ]);
    const tool = await publish('tool', { control: 'Package: tool\n' }, [
      { path: './usr/bin/tool', data: Buffer.from('program'), mode: 0o4755, owner: 3 },
      { path: './usr/bin/again', flag: '1', target: './usr/bin/tool' },
      { path: `./${LONG}`, data: Buffer.from('x'.repeat(1000)) },
    ]);
    const files = await unpacked([tool, base]);
    expect([...files.keys()][0]).toBe('usr');
    expect(files.get('bin')).toMatchObject({ type: 'symlink', target: 'usr/bin' });
    expect(files.get('usr/bin/tool')).toEqual({ type: 'file', mode: 0o4755, owner: 3, text: 'program', target: '' });
    expect(files.get('usr/bin/again')).toMatchObject({ type: 'link' });
    expect(files.get(LONG)?.text).toHaveLength(1000);
    expect(files.get('etc/added')?.text).toBe('mine');
  });

  it('has what dpkg would know if it had unpacked them', async () => {
    const one = await publish(
      'one',
      {
        control: 'Package: one\nVersion: 1\nArchitecture: riscv64\nMulti-Arch: same\n',
        conffiles: '/etc/one.conf\n/etc/not-there\n',
        preinst: '#!/bin/sh\n',
        triggers: '# comment\ninterest-noawait /usr/share/icons\ninterest fresh-icons\nactivate other\n',
      },
      [
        { path: './', flag: '5', mode: 0o755 },
        { path: './etc/one.conf', data: Buffer.from('setting\n') },
      ],
    );
    const files = await unpacked([one]);
    const md5 = createHash('md5').update('setting\n').digest('hex');
    expect(files.get('var/lib/dpkg/status')?.text).toBe(
      `Package: one\nVersion: 1\nArchitecture: riscv64\nMulti-Arch: same\nStatus: install ok unpacked\nConffiles:\n /etc/one.conf ${md5}\n\n`,
    );
    expect(files.get('var/lib/dpkg/info/one:riscv64.list')?.text).toBe('/.\n/etc/one.conf\n');
    expect(files.get('var/lib/dpkg/info/one:riscv64.preinst')).toMatchObject({ mode: 0o755, text: '#!/bin/sh\n' });
    expect(files.get('var/lib/dpkg/triggers/File')?.text).toBe('/usr/share/icons one:riscv64/noawait\n');
    expect(files.get('var/lib/dpkg/triggers/fresh-icons')?.text).toBe('one:riscv64\n');
    expect(files.has('var/lib/dpkg/info/one:riscv64.control')).toBe(false);
  });

  it('refuses a package that is another than its name says, and files that are none', async () => {
    const wrong = await publish('wrong', { control: 'Package: other\n' }, []);
    await expect(unpacked([wrong])).rejects.toMatchObject({ code: 'package-damaged' });
    const device = await publish('device', { control: 'Package: device\n' }, [{ path: './dev/null', flag: '3' }]);
    await expect(unpacked([device])).rejects.toThrow(/neither file nor directory nor link/);
  });
});
