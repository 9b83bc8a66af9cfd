import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeCpio } from '../../engine/images/cpio';
import { Library } from '../../engine/runner/library';
import { Runner } from '../../engine/runner/runner';
import { debianFiles } from '../support/debian-files';
import { GuestShell, PROMPT } from '../support/guest-shell';
import { freshHome, hartbox, killHartboxes } from '../support/hartbox-process';

const BOX = 'hartbox-linux';
let folder: string;
let home: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox ssh %h '));
  home = freshHome();
});
afterAll(() => {
  killHartboxes();
  rmSync(folder, { recursive: true, force: true });
  rmSync(home, { recursive: true, force: true });
});

it('hartbox ssh and cp reach the SSH server of a box, and say so where there is none', { timeout: 240_000 }, async () => {
  const key = join(folder, 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const authorized = { type: 'file', path: 'root/.ssh/authorized_keys', mode: 0o600, data: readFileSync(`${key}.pub`) } as const;
  const extraInitrd = writeCpio([
    ...(await debianFiles([
      'dropbear-bin',
      'openssh-sftp-server',
      'libc6',
      'libcrypt1',
      'libtomcrypt1',
      'libtommath1',
      'libgmp10',
      'zlib1g',
    ])),
    { type: 'directory', path: 'root/.ssh', mode: 0o700 },
    authorized,
    { type: 'directory', path: 'etc/dropbear' },
  ]);
  const library = new Library(home);
  await library.list();
  const runner = new Runner({ box: { library, id: BOX }, program: 'test', dataDirectory: home, extraInitrd });
  const machine = await runner.prepare();
  const env = { HARTBOX_HOME: home };
  const identity = ['-o', `IdentityFile="${key.replaceAll('%', '%%')}"`, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'];
  try {
    const shell = new GuestShell(machine);
    await runner.start();
    await shell.says(PROMPT);
    const without = await hartbox(['ssh', BOX, 'true'], { env });
    expect(without).toMatchObject({ code: 125, stdout: '' });
    expect(without.stderr).toMatch(/^hartbox: (Nobody listens|No SSH server answers) at port 22 of the box hartbox-linux\. An SSH server/);

    expect(await shell.run('dropbear -R')).toMatchObject({ status: 0 });
    const first = await hartbox(['ssh', ...identity, BOX, 'echo "$USER"; cat; exit 7'], { env, input: 'from the host\n' });
    expect(first).toMatchObject({ code: 7, stdout: 'root\nfrom the host\n' });
    // The key of the host stays with the box, and the port with the machine.
    expect(readFileSync(join(library.folder(BOX), 'known_hosts'), 'latin1')).toMatch(/^hartbox (ssh|ecdsa)-/);
    expect(machine.networks.forwards()).toHaveLength(1);
    expect(machine.networks.forwards()).toMatchObject([{ hostAddress: '127.0.0.1', guestPort: 22 }]);

    const file = join(folder, 'a:file');
    writeFileSync(file, 'there and back\n');
    expect(await hartbox(['cp', ...identity, file, `root@${BOX}:/tmp/there`], { env })).toMatchObject({ code: 0 });
    const back = join(folder, 'back');
    expect(await hartbox(['cp', ...identity, `${BOX}:/tmp/there`, back], { env })).toMatchObject({ code: 0 });
    expect(readFileSync(back, 'latin1')).toBe('there and back\n');
    expect(machine.networks.forwards()).toHaveLength(1);
  } finally {
    await machine.stop();
    await runner.wait();
  }
});
