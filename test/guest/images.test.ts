import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seedDisc } from '../../engine/images/seed/box-seed';
import { freshHome, hartbox, killHartboxes } from '../support/hartbox-process';

/** To make a Debian takes minutes, and a mirror: HARTBOX_LONG=1. */
const isLong = process.env['HARTBOX_LONG'] !== undefined;

let folder: string;
let home: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-images-'));
  home = freshHome();
});
afterAll(() => {
  killHartboxes();
  rmSync(folder, { recursive: true, force: true });
  rmSync(home, { recursive: true, force: true });
});

describe('the seed of a box', () => {
  it('is a disc that Linux mounts, with its label and the names of its files as they are', async () => {
    const file = join(folder, 'seed.iso');
    writeFileSync(file, seedDisc({ user: 'alice', hostname: 'wonderland', sshKeys: ['ssh-ed25519 AAAA alice'] }));
    const script =
      'dd if=/dev/vda bs=1 skip=32808 count=6 2>/dev/null && echo && mount -t iso9660 -o ro /dev/vda /mnt && ls /mnt && cat /mnt/hartbox && grep -c ssh-ed25519 /mnt/user-data';
    const { code, stdout } = await hartbox(['exec', '--drive', `file=${file},format=raw,readonly`, '--', 'sh', '-c', script], {
      env: { HARTBOX_HOME: home },
    });
    expect(stdout).toBe(
      'CIDATA\nhartbox\nmeta-data\nuser-data\nhostname=wonderland\nuser=alice\npassword=\nsudo=free\nkey=ssh-ed25519 AAAA alice\n1\n',
    );
    expect(code).toBe(0);
  });
});

describe.runIf(isLong)('Debian trixie, made of its packages', () => {
  const env = (): Record<string, string> => ({ HARTBOX_HOME: home });

  it('boots by itself, knows its user, and comes in seconds the second time', { timeout: 3_600_000 }, async () => {
    const key = join(folder, 'key');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    writeFileSync(join(folder, 'password'), 'geheim\n');
    const create = (name: string, ...more: string[]) =>
      hartbox(['create', name, '--image', 'debian-trixie', '--user', 'alice', '--ssh-key', `${key}.pub`, ...more], { env: env() });
    const options = ['--password-file', join(folder, 'password'), '--timezone', 'Asia/Tokyo', '--disk', '30G'];
    expect(await create('wonder', ...options)).toMatchObject({ code: 0 });
    const start = performance.now();
    expect(await create('second')).toMatchObject({ code: 0 });
    console.log(`the second box: ${((performance.now() - start) / 1000).toFixed(1)} s`);

    expect(await hartbox(['start', 'wonder'], { env: env() })).toMatchObject({ code: 0 });
    const identity = ['-o', `IdentityFile=${key}`, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'];
    const inside = (command: string) => hartbox(['ssh', ...identity, 'alice@wonder', command], { env: env() });
    // Until its server listens.
    while ((await inside('true')).code !== 0) await delay(2000);
    const facts = await inside(
      'id -un; hostname; date +%Z; systemctl is-system-running --wait; df --output=size / | tail -1; dpkg --audit; echo whole',
    );
    const [user, host, zone, state, size, ...rest] = facts.stdout.trim().split('\n');
    expect([user, host, zone, state]).toEqual(['alice', 'wonder', 'JST', 'running']);
    expect(Number(size)).toBeGreaterThan(25 * 2 ** 20);
    expect(rest).toEqual(['whole']);
    // A password was given, so sudo asks for it; and it is the right one.
    expect((await inside('sudo -n true')).code).not.toBe(0);
    expect(await inside("echo geheim | sudo -S -p '' apt-get -s install hello | grep -c 'Inst hello' || echo none")).toMatchObject({
      code: 0,
    });
    expect(readFileSync(join(home, 'machines', 'wonder', 'seed.iso'), 'latin1')).not.toContain('geheim');
    expect(await hartbox(['stop', 'wonder'], { env: env() })).toMatchObject({ code: 0 });
  });
});
