import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fittingUser, seedDisc, seedSchema } from './box-seed';
import { isoImage } from '../iso-image';
import { hashPassword } from './password-hash';

const has = (tool: string, ...args: string[]): boolean => spawnSync(tool, args).error === undefined;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-seed-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The files of a disc as xorriso finds them. */
function extracted(disc: Uint8Array, names: readonly string[]): Record<string, string> {
  const file = join(folder, 'disc.iso');
  writeFileSync(file, disc);
  const found: Record<string, string> = {};
  for (const name of names) {
    const to = join(folder, 'out');
    rmSync(to, { force: true });
    const { status, stderr } = spawnSync(
      'xorriso',
      ['-report_about', 'WARNING', '-osirrox', 'on', '-indev', file, '-extract', `/${name}`, to],
      {
        encoding: 'utf8',
      },
    );
    expect(stderr).not.toMatch(/FAILURE|SORRY|FATAL|WARNING/);
    expect(status).toBe(0);
    found[name] = readFileSync(to, 'utf8');
  }
  return found;
}

describe.runIf(has('xorriso', '-version'))('a disc', () => {
  it('is one to xorriso, whatever the sizes and names of its files', { timeout: 60_000 }, () => {
    const name = fc.stringMatching(/^(?:[xyz]{1,2}\/){0,3}[a-wA-W][a-zA-Z0-9 _.-]{0,30}[a-zA-Z0-9]$/);
    const files = fc.uniqueArray(fc.record({ name, text: fc.stringMatching(/^[a-z\n]{0,5000}$/) }), {
      selector: (one) => one.name.toLowerCase(),
      maxLength: 6,
    });
    fc.assert(
      fc.property(files, (given) => {
        const disc = isoImage(
          'CIDATA',
          given.map(({ name: called, text }) => ({ name: called, contents: Buffer.from(text) })),
        );
        expect(
          extracted(
            disc,
            given.map((one) => one.name),
          ),
        ).toEqual(Object.fromEntries(given.map((one) => [one.name, one.text])));
      }),
      { numRuns: 8 },
    );
  });
});

describe('a disc that cannot be', () => {
  it('is refused', () => {
    expect(() => isoImage('lower', [])).toThrow(/label/);
    expect(() => isoImage('A', [{ name: 'a//b', contents: new Uint8Array() }])).toThrow(/name of a file/);
    expect(() =>
      isoImage(
        'A',
        Array.from({ length: 80 }, (_, at) => ({ name: `file-${at}`, contents: new Uint8Array() })),
      ),
    ).toThrow(/too many/);
  });
});

describe('passwords', () => {
  it('are hashed as the specification’s examples are', () => {
    expect(hashPassword('Hello world!', 'saltstring')).toBe(
      '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
    );
  });

  it.runIf(has('openssl', 'version'))('are hashed as OpenSSL does', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Zäöü0-9 !]{1,100}$/), fc.stringMatching(/^[a-zA-Z0-9./]{1,16}$/), (password, salt) => {
        const { stdout } = spawnSync('openssl', ['passwd', '-6', '-salt', salt, '-stdin'], { input: `${password}\n`, encoding: 'utf8' });
        expect(hashPassword(password, salt)).toBe(stdout.trim());
      }),
      { numRuns: 25 },
    );
  });

  it('have a salt of their own each time', () => {
    const [one, other] = [hashPassword('x'), hashPassword('x')];
    expect(one).toMatch(/^\$6\$[./0-9A-Za-z]{16}\$[./0-9A-Za-z]{86}$/);
    expect(one).not.toBe(other);
  });
});

describe('the seed of a box', () => {
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH alice@home';

  it.runIf(has('xorriso', '-version'))('tells cloud-init and our own systems the same', () => {
    const seed = {
      user: 'alice',
      password: 'geheim',
      sshKeys: [key],
      hostname: 'wonder',
      timezone: 'Europe/Berlin',
      locale: 'de_DE.UTF-8',
    };
    const files = extracted(seedDisc(seed, 'i-1'), ['user-data', 'meta-data', 'hartbox']);
    expect(JSON.parse(files['meta-data'])).toEqual({ 'instance-id': 'i-1', 'local-hostname': 'wonder' });
    expect(files['user-data']).toMatch(/^#cloud-config\n/);
    const config = JSON.parse(files['user-data'].replace(/^.*\n/, ''));
    expect(config).toMatchObject({ hostname: 'wonder', timezone: 'Europe/Berlin', locale: 'de_DE.UTF-8', ssh_pwauth: true });
    expect(config.users[0]).toMatchObject({ name: 'alice', lock_passwd: false, ssh_authorized_keys: [key] });
    const lines = files['hartbox'].trimEnd().split('\n');
    expect(lines).toEqual([
      'hostname=wonder',
      'timezone=Europe/Berlin',
      'locale=de_DE.UTF-8',
      'user=alice',
      expect.stringMatching(/^password=\$6\$/),
      `key=${key}`,
    ]);
    expect(lines[4].slice('password='.length)).toBe(config.users[0].hashed_passwd);
    expect(Object.values(files).join('')).not.toContain('geheim');
  });

  it('refuses what would break out of its line', () => {
    for (const wrong of [
      { user: 'root' },
      { user: 'a b' },
      { user: 'alice\nsudo=free' },
      { hostname: '-x' },
      { timezone: '../../etc/passwd' },
      { locale: 'de_DE.UTF-8;reboot' },
      { password: 'a\nb' },
      { sshKeys: ['ssh-ed25519 AAAA\nuser=x'] },
      { sshKeys: ['-----BEGIN OPENSSH PRIVATE KEY-----'] },
    ])
      expect(seedSchema.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false);
  });

  it('makes of any name one that a user may have', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect(seedSchema.safeParse({ user: fittingUser(name) }).success).toBe(true);
      }),
    );
    expect(fittingUser('Jörg Müller')).toBe('jorgmuller');
    expect(fittingUser('root')).toBe('user');
  });
});
