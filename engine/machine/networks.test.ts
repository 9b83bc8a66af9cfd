import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { checkNetworks } from '../settings/problem';
import { machineConfigSchema } from '../settings/settings';
import { Networks } from './networks';

let networks: Networks | undefined;
afterEach(async () => {
  await networks?.close();
  networks = undefined;
});

async function open(...network: object[]): Promise<Networks> {
  networks = await Networks.open(machineConfigSchema.parse({ network }));
  return networks;
}
const wanted = (...network: object[]) => checkNetworks(network);
const NAT = { connection: 'nat', subnet: '10.9.8.0/24' };

describe('the networks of a machine that runs', () => {
  it('are connected to something else, and back', async () => {
    const socket = join(await mkdtemp(join(tmpdir(), 'networks-')), 'socket');
    onTestFinished(() => rm(dirname(socket), { recursive: true }));
    const { id, device, line } = (await open(NAT)).adapters[0];
    expect(await networks?.change(wanted({ connection: 'stream', listen: `unix:${socket}` }))).toBe(true);
    expect(networks?.list()).toMatchObject([{ id, connection: `stream at ${socket}`, up: false }]);
    expect(device.backend).toBe(line);
    expect(networks?.forwards()).toEqual([]);
    expect(await networks?.change(wanted({ ...NAT, forward: ['0:80'], rate: 1000, link: false }))).toBe(true);
    expect(networks?.list()).toMatchObject([{ id, connection: 'nat', cable: false, line: { rate: 1000 } }]);
    await expect.poll(() => networks?.forwards()).toMatchObject([{ adapter: id, guestPort: 80 }]);
  });

  it('get and lose forwarded ports, and keep those that nobody changed and that were made by hand', async () => {
    await open({ ...NAT, forward: ['0:80', '0:81'] });
    await expect.poll(() => networks?.forwards().length).toBe(2);
    await networks?.addForward({ protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 0, guestPort: 90 });
    const before = new Map(networks?.forwards().map(({ guestPort, hostPort }) => [guestPort, hostPort]));
    expect(await networks?.change(wanted({ ...NAT, forward: ['0:80', '0:82'] }))).toBe(true);
    const after = new Map(networks?.forwards().map(({ guestPort, hostPort }) => [guestPort, hostPort]));
    expect([...after.keys()].sort((one, other) => one - other)).toContain(82);
    expect([after.get(80), after.get(90)]).toEqual([before.get(80), before.get(90)]);
  });

  it('stay what they were where the new ones cannot be had', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    await open(NAT);
    const change = networks?.change(wanted({ connection: 'stream', listen: `127.0.0.1:${port}` }));
    await expect(change).rejects.toMatchObject({ code: 'address-in-use' });
    expect(networks?.list()).toMatchObject([{ connection: 'nat', up: true }]);
  });

  it('take a restart for other adapters, and for what the guest sees of one', async () => {
    await open(NAT);
    expect(await networks?.change(wanted(NAT, NAT))).toBe(false);
    expect(await networks?.change(wanted({ ...NAT, mtu: 9000 }))).toBe(false);
    expect(await networks?.change(wanted())).toBe(false);
    expect(networks?.list()).toMatchObject([{ connection: 'nat' }]);
  });
});
