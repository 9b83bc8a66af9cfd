import { rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ControlClient } from '../../engine/runner/control-client';
import { findRunning } from '../../engine/runner/control-socket';
import { freshHome, hartbox, killHartboxes } from '../support/hartbox-process';

const BOX = 'hartbox-linux';
let home: string;
let client: ControlClient | undefined;
beforeAll(() => {
  home = freshHome();
});
afterEach(async () => {
  client?.close();
  killHartboxes();
  await hartbox(['stop', BOX, '--force'], { env: { HARTBOX_HOME: home } });
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const run = (...args: string[]) => hartbox(['network', ...args], { env: { HARTBOX_HOME: home } });
async function said(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect(code, stderr).toBe(0);
  return stdout;
}

describe('the network of a box that another process runs', () => {
  it('is told with its status, and changed from the command line', async () => {
    await hartbox(['start', BOX], { env: { HARTBOX_HOME: home } });
    client = await findRunning(home, BOX);
    // The status comes by itself when the guest gets its address, and when a port is forwarded.
    await vi.waitFor(() => expect(client?.status?.network.addresses[0]).toMatch(/^\d+\.\d+\.\d+\.15$/), 60_000);
    const [address] = client?.status?.network.addresses ?? [];
    expect(await said('list', BOX)).toMatch(new RegExp(`^net0 +nat +\\S+ +${address} +up `, 'm'));

    const [port] = (await said('forward', BOX, '0:80')).split(':');
    await vi.waitFor(() => expect(client?.status?.network.forwards).toMatchObject([{ hostPort: Number(port), guestPort: 80 }]), 20_000);
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const busy = await run('forward', BOX, `${(other.address() as AddressInfo).port}:80`);
    expect([busy.code === 0, busy.stderr]).toEqual([false, expect.stringContaining('in use')]);
    if (process.platform === 'linux') expect(busy.stderr).toContain(`process ${process.pid}`);
    other.close();
    await said('unforward', BOX, `${port}:80`);
    await vi.waitFor(() => expect(client?.status?.network.forwards).toEqual([]), 20_000);

    expect(await said('line', BOX)).toBe('as fast as it can be\n');
    await said('line', BOX, '--rate', '2000', '--delay', '50');
    await said('line', BOX, 'net0', '--delay', '0', '--loss', '3');
    expect(await said('line', BOX)).toBe('2000 kbit/s, 3 % lost\n');
    expect((await run('line', BOX, '--loss', '101')).stderr).toContain('--loss expects a whole number from 0 to 100');
    expect((await run('line', BOX, 'net9', '--loss', '1')).stderr).toContain('it has net0');

    await said('down', BOX);
    expect(await said('list', BOX)).toMatch(/^net0 .* down /m);
    await said('up', BOX);
    expect(await said('list', BOX)).toMatch(/^net0 .* up /m);

    // Its settings, while it runs: connected to something else, and back with a port.
    const set = (network: string) => hartbox(['set', BOX, '--network', network], { env: { HARTBOX_HOME: home } });
    expect(await set('switch=test')).toMatchObject({ code: 0 });
    expect(await said('list', BOX)).toMatch(/^net0 +switch test /m);
    expect(await set('nat,forward=0:80')).toMatchObject({ code: 0 });
    expect(await said('list', BOX)).toMatch(/^net0 +nat .* up /m);
    await vi.waitFor(() => expect(client?.status?.network.forwards).toMatchObject([{ guestPort: 80 }]), 20_000);
    expect(client?.status?.pending).toEqual([]);
    expect(await set('nat,mtu=9000')).toMatchObject({ code: 0 });
    expect(client?.status?.pending).toEqual(['network']);
  });
});
