import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { debianMirrors } from './mirror';

let apt = '';
beforeEach(async () => {
  vi.stubEnv('HARTBOX_DEBIAN_MIRROR', '');
  apt = await mkdtemp(join(tmpdir(), 'hartbox-mirror-'));
  await mkdir(join(apt, 'sources.list.d'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(apt, { recursive: true, force: true });
});

const own = async (): Promise<string[]> => (await debianMirrors({ aptDirectory: apt })).filter((url) => url.includes('.example'));

describe('finding a Debian mirror', () => {
  it('takes the one that the user has set, alone', async () => {
    expect(await debianMirrors({ mirror: 'https://a.example/debian/' })).toEqual(['https://a.example/debian']);
    vi.stubEnv('HARTBOX_DEBIAN_MIRROR', 'http://b.example/debian');
    expect(await debianMirrors({ aptDirectory: apt })).toEqual(['http://b.example/debian']);
  });

  it('refuses a setting that is no URL', async () => {
    await expect(debianMirrors({ mirror: 'ftp.debian.org' })).rejects.toThrow('expected a URL like https://ftp.debian.org/debian');
    await expect(debianMirrors({ mirror: 'file:///srv/debian' })).rejects.toMatchObject({ kind: 'Config' });
  });

  it('reads sources.list, leaving out what is no Debian archive', async () => {
    await writeFile(
      join(apt, 'sources.list'),
      [
        '# deb http://comment.example/debian trixie main',
        'deb [arch=amd64 signed-by=/x] http://a.example/debian/ bookworm main contrib # why',
        'deb-src http://source.example/debian bookworm main',
        'deb http://security.example/debian-security bookworm-security main',
        'deb http://ubuntu.example/ubuntu noble main',
        'deb http://nonfree.example/debian bookworm non-free',
        'deb cdrom:[Debian]/ bookworm main',
        'deb ftp://old.example/debian bookworm main',
        'deb https://node.example/node_20.x nodistro main',
      ].join('\n'),
    );
    expect(await own()).toEqual(['http://a.example/debian']);
  });

  it('reads .sources files, leaving out what is switched off', async () => {
    await writeFile(
      join(apt, 'sources.list.d', 'debian.sources'),
      [
        'Types: deb deb-src',
        '# a comment',
        'URIs: http://a.example/debian',
        ' https://b.example/debian/',
        'Suites: trixie trixie-updates',
        'Components: main',
        '',
        'Types: deb',
        'URIs: http://off.example/debian',
        'Suites: trixie',
        'Components: main',
        'Enabled: no',
        '',
        'Types: deb-src',
        'URIs: http://source.example/debian',
        'Suites: trixie',
        'Components: main',
      ].join('\n'),
    );
    await writeFile(join(apt, 'sources.list.d', 'more.list'), 'deb http://c.example/debian sid main\n');
    await writeFile(join(apt, 'sources.list.d', 'saved.list.save'), 'deb http://saved.example/debian sid main\n');
    expect(await own()).toEqual(['http://a.example/debian', 'https://b.example/debian', 'http://c.example/debian']);
  });

  it('has public mirrors for hosts without apt', async () => {
    const mirrors = await debianMirrors({ aptDirectory: join(apt, 'nowhere') });
    expect(mirrors[0]).toBe('https://ftp.debian.org/debian');
    expect(new Set(mirrors).size).toBe(mirrors.length);
  });
});
