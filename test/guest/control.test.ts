import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ControlClient } from '../../engine/runner/control-client';
import { findRunning } from '../../engine/runner/control-socket';
import { Library } from '../../engine/runner/library';
import { readDeviceTree } from '../support/device-tree-reader';
import { freshHome, hartbox, killHartboxes, startHartbox } from '../support/hartbox-process';

const BOX = 'hartbox-linux';
const MiB = 1 << 20;
let folder: string;
let home: string;
let env: { HARTBOX_HOME: string };
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-control-'));
  home = freshHome();
  env = { HARTBOX_HOME: home };
});
afterEach(async () => {
  killHartboxes();
  await hartbox(['stop', BOX, '--force'], { env });
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(home, { recursive: true, force: true });
});

interface Listed {
  state: string;
  pid?: number;
  program?: string;
}

async function listed(): Promise<Listed> {
  const boxes = JSON.parse((await hartbox(['list', '--json'], { env })).stdout) as (Listed & { id: string })[];
  return boxes.find((box) => box.id === BOX) as Listed;
}

async function running(): Promise<ControlClient> {
  const client = await findRunning(home, BOX);
  if (!client) throw new Error('it does not run');
  return client;
}

describe('a box that another process runs', () => {
  it('says what lies where, and shows and writes the device tree, whether it runs or not', async () => {
    const file = join(folder, 'box.dtb');
    const look = async (...options: string[]): Promise<string> => {
      const { code, stdout, stderr } = await hartbox(['info', BOX, ...options], { env });
      expect(code, stderr).toBe(0);
      return stdout;
    };
    const map = await look();
    expect(map).toMatch(/^0080000000-00\w+ +ram +RAM$/m);
    expect(map).toMatch(/^0010000000-0010000007 +device +serial@10000000$/m);
    expect(await look('--dts')).toMatch(/^\tmemory@80000000 \{\n\t\tdevice_type = "memory";/m);
    await hartbox(['start', BOX], { env });
    expect(await look()).toBe(map);
    await look('--dump-dtb', file);
    expect(readDeviceTree(readFileSync(file)).children.map(({ name }) => name)).toContain('memory@80000000');
  });

  it('is listed, paused, resumed, reset, looked at by two, and shut down', async () => {
    const host = startHartbox(['run', BOX], env);
    await host.says(/root@hartbox/);
    expect(await listed()).toMatchObject({ state: 'running', pid: host.child.pid, program: 'hartbox run' });
    expect(await hartbox(['pause', BOX], { env })).toMatchObject({ code: 0 });
    expect((await listed()).state).toBe('paused');
    expect(await hartbox(['pause', BOX], { env })).toMatchObject({ code: 125 });
    expect(await hartbox(['resume', BOX], { env })).toMatchObject({ code: 0 });

    const [one, two] = [startHartbox(['attach', BOX], env), startHartbox(['attach', BOX], env)];
    // What was printed before they came.
    await Promise.all([one.says(/root@hartbox/), two.says(/root@hartbox/)]);
    one.child.stdin.write('echo first-$((40 + 2))\n');
    await Promise.all([one.says(/first-42/), two.says(/first-42/), host.says(/first-42/)]);
    two.child.stdin.write('echo second-$((40 + 3))\n');
    await Promise.all([one.says(/second-43/), two.says(/second-43/)]);
    two.child.kill('SIGTERM');
    expect((await two.ended).code).toBe(143);

    const stats = JSON.parse((await hartbox(['stats', BOX, '--json'], { env })).stdout) as { harts: { instructions: number }[] };
    expect(stats.harts[0].instructions).toBeGreaterThan(1_000_000);
    // Reading random numbers is the kernel's own work; its functions have names though nobody gave a file with them.
    one.child.stdin.write('dd if=/dev/urandom of=/dev/null bs=1M &\n');
    const flame = join(folder, 'box.cpuprofile');
    const { stdout, stderr } = await hartbox(['profile', BOX, '--seconds', '2', '--json', '--out', flame], { env });
    expect(stderr).toBe('');
    const { spots, idle } = JSON.parse(stdout) as { idle: number; spots: { name: string; privilege: string; share: number }[] };
    expect(idle).toBeLessThan(0.5);
    expect(spots[0]).toMatchObject({ name: expect.stringMatching(/chacha|random/) as string, privilege: 'supervisor' });
    expect(spots.reduce((sum, { share }) => sum + share, idle)).toBeLessThanOrEqual(1.001);
    expect(readFileSync(flame, 'utf8')).toContain(`"functionName":"${spots[0].name}"`);
    one.child.stdin.write('kill %1\n');
    expect(await hartbox(['reset', BOX], { env })).toMatchObject({ code: 0 });
    await one.says(/second-43[\s\S]*root@hartbox/);
    expect(await hartbox(['pause', BOX], { env })).toMatchObject({ code: 0 });
    // It goes on for that.
    expect(await hartbox(['stop', BOX], { env })).toMatchObject({ code: 0, stderr: '' });
    expect((await host.ended).code).toBe(0);
    expect((await one.ended).code).toBe(0);
    expect(await listed()).toEqual(expect.objectContaining({ state: 'stopped' }));
  });

  it('starts in the background, and tells what goes wrong over that', async () => {
    expect(await hartbox(['start', BOX], { env })).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const { pid } = await listed();
    const again = await hartbox(['start', BOX], { env });
    expect(again).toMatchObject({ code: 125, stderr: expect.stringContaining('already being run by hartbox start') as string });
    expect((await hartbox(['start', '--kernel', join(folder, 'nowhere'), BOX], { env })).code).toBe(125);
    expect((await listed()).pid).toBe(pid);
    const client = await running();
    expect(client.status?.program).toBe('hartbox start');
    client.close();
    expect(await hartbox(['stop', BOX, '--force'], { env })).toMatchObject({ code: 0 });
    expect((await listed()).state).toBe('stopped');
  });

  it('may be started again after its process was killed, and is listed as it is', async () => {
    const host = startHartbox(['run', BOX], env);
    await host.says(/OpenSBI/);
    const client = await running();
    const closed = vi.fn();
    client.on('closed', closed);
    host.child.kill('SIGKILL');
    await host.ended;
    expect((await listed()).state).toBe('stopped');
    expect(closed).toHaveBeenCalled();
    expect(await hartbox(['start', BOX], { env })).toMatchObject({ code: 0 });
    expect((await listed()).state).toBe('running');
  });

  it.skipIf(process.platform === 'win32')('can be ended though its process is stopped', async () => {
    const host = startHartbox(['run', BOX], env);
    await host.says(/OpenSBI/);
    host.child.kill('SIGSTOP');
    expect(await listed()).toMatchObject({ state: 'unknown', pid: host.child.pid });
    expect((await hartbox(['stop', BOX], { env })).code).toBe(125);
    expect(await hartbox(['stop', BOX, '--force'], { env })).toMatchObject({ code: 0 });
    expect((await host.ended).signal).toBe('SIGKILL');
  });

  it('explains why it waits where its standard input is closed', async () => {
    const host = startHartbox(['run', BOX], env);
    // Some seconds later: a guest that ends at once needs no such hint.
    host.child.stdin.end();
    await host.says(/root@hartbox/);
    // Not the first thing told: the box that was killed before comes first.
    await host.tells(/standard input is closed.*hartbox stop hartbox-linux/);
    expect(await hartbox(['stop', BOX], { env })).toMatchObject({ code: 0 });
    expect((await host.ended).code).toBe(0);
  });

  it('has its drives changed while it runs, and its priority', async () => {
    const [disk, disc, other] = ['disk.img', 'one.iso', 'two.iso'].map((name) => join(folder, name));
    for (const file of [disk, disc, other]) writeFileSync(file, 'Hartbox');
    truncateSync(disk, MiB);
    for (const file of [disc, other]) truncateSync(file, 2048 * 64);
    const library = new Library(home);
    await library.change(BOX, (set) => ({ ...set, scsi: true, drives: [{ file: disc, media: 'cdrom' }] }));
    const host = startHartbox(['run', BOX], env);
    await host.says(/root@hartbox/);

    const attach = await hartbox(['drive', 'attach', BOX, `file=${disk},id=data`], { env });
    expect(attach).toMatchObject({ code: 0, stderr: '' });
    host.child.stdin.write(
      'until [ -e /dev/sda ]; do sleep 0.1; done; dd if=/dev/sda bs=7 count=1 2>/dev/null; echo; echo read-$((1 + 1))\n',
    );
    await host.says(/Hartbox\nread-2/);
    expect(await hartbox(['drive', 'resize', BOX, 'data', '2M'], { env })).toMatchObject({ code: 0, stderr: 'data has 2 MiB now.\n' });
    expect((await hartbox(['drive', 'list', BOX], { env })).stdout).toMatch(/data +SCSI disk +2 MiB /);
    expect(statSync(disk).size).toBe(2 * MiB);
    expect(await hartbox(['drive', 'insert', BOX, 'drive0', other], { env })).toMatchObject({ code: 0, stderr: '' });
    expect(await hartbox(['drive', 'eject', BOX, 'drive0'], { env })).toMatchObject({ code: 0, stderr: '' });
    expect(await hartbox(['drive', 'detach', BOX, 'data'], { env })).toMatchObject({ code: 0, stderr: '' });
    const table = (await hartbox(['drive', 'list', BOX], { env })).stdout;
    expect(table).toMatch(/drive0 +CD-ROM .*two\.iso\n$/);
    host.child.stdin.write('until [ ! -e /dev/sda ]; do sleep 0.1; done; echo gone-$((1 + 1))\n');
    await host.says(/gone-2/);

    const virtio = await hartbox(['drive', 'attach', BOX, `file=${disk},if=virtio`], { env });
    expect(virtio).toMatchObject({ code: 0, stderr: expect.stringContaining('next start') as string });
    await library.change(BOX, (set) => ({ ...set, priority: 'low', harts: 2, name: 'Another' }));
    const client = await running();
    expect(await client.call('reload-settings', {})).toEqual({ live: ['priority', 'name'], restart: ['harts', 'drives'] });
    expect(client.status?.pending).toEqual(['harts', 'drives']);
    expect(await client.call('reload-settings', {})).toEqual({ live: [], restart: ['harts', 'drives'] });
    if (process.platform === 'linux') expect(readFileSync(`/proc/${host.child.pid}/stat`, 'utf8').split(') ')[1].split(' ')[16]).toBe('10');
    client.close();
  });
});
