import { createHash } from 'node:crypto';
import { type Server, createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { GuestShell, PROMPT } from '../support/guest-shell';
import { HAS_ADDRESS, payloadOf, run } from '../support/online-guest';

const SIZE = 20_000_000;
const payload = payloadOf(SIZE);
const md5 = createHash('md5').update(payload).digest('hex');

let server: Server;
let port: number;
const uploads: string[] = [];
beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.method === 'POST') {
      const hash = createHash('md5');
      request.on('data', (bytes: Buffer) => hash.update(bytes));
      request.on('end', () => {
        uploads.push(hash.digest('hex'));
        response.end('taken');
      });
    } else response.end(payload);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  port = (server.address() as AddressInfo).port;
});
afterAll(() => void server.close());

/** Bytes of the largest transfer that goes on. */
function downloaded({ machine }: GuestShell): number {
  return Math.max(0, ...machine.networks.flows().map(({ toGuest, state }) => (state === 'established' ? toGuest : 0)));
}

describe('the default guest behind NAT', () => {
  it('gets an address, names, the host, refusals as they are, and forwarded ports', async () => {
    const shell = await GuestShell.boot({
      network: [{ connection: 'nat', hostAccess: true, subnet: '10.0.2.0/24', forward: ['0:7000'] }],
    });
    try {
      // By DHCP, without a word.
      await run(shell, HAS_ADDRESS);
      expect(await run(shell, 'cat /etc/resolv.conf')).toContain('nameserver 10.0.2.3');
      expect(await run(shell, 'nslookup host.hartbox 10.0.2.3')).toContain('10.0.2.2');
      await run(shell, 'ping -c 2 -W 5 10.0.2.2');
      expect(shell.machine.networks.list()[0].addresses).toContain('10.0.2.15');
      // On a long line a ping takes longer, on a bad one it is lost.
      const least = async (): Promise<number> => {
        const said = await run(shell, 'ping -c 3 -W 10 10.0.2.2');
        return Number(/min\/avg\/max = ([\d.]+)/.exec(said)![1]);
      };
      shell.machine.networks.setLine('net0', { delay: 300 });
      expect(await least()).toBeGreaterThanOrEqual(600);
      shell.machine.networks.setLine('net0', { loss: 100 });
      expect((await shell.run('ping -c 1 -W 2 10.0.2.2')).status).not.toBe(0);
      expect(shell.machine.networks.list()[0].statistics.backend.droppedFromGuest).toBeGreaterThan(0);
      shell.machine.networks.setLine('net0', {});
      expect(await least()).toBeLessThan(600);
      await run(shell, `wget -q -O /tmp/got http://10.0.2.2:${port}/`);
      expect(await run(shell, 'md5sum /tmp/got')).toContain(md5);
      // Up again.
      await run(
        shell,
        `{ printf 'POST / HTTP/1.0\\r\\nContent-Length: ${SIZE}\\r\\n\\r\\n'; cat /tmp/got; } | nc 10.0.2.2 ${port} | grep -q taken`,
      );
      expect(uploads).toEqual([md5]);
      const refused = await shell.run('wget -T 5 -q -O /dev/null http://10.0.2.2:9/');
      expect(refused.output).toContain('refused');
      // What is under way stands a pause.
      shell.machine.networks.setLine('net0', { rate: 160_000 });
      const slow = run(shell, `wget -q -O - http://10.0.2.2:${port}/ | md5sum`);
      await vi.waitFor(() => expect(downloaded(shell)).toBeGreaterThan(500_000), { timeout: 20_000, interval: 20 });
      await shell.machine.pause();
      await setTimeout(1000);
      const before = downloaded(shell);
      await setTimeout(500);
      expect(downloaded(shell)).toBe(before);
      await shell.machine.resume();
      expect(await slow).toContain(md5);
      shell.machine.networks.setLine('net0', {});
      // A forwarded port.
      const [forward] = shell.machine.networks.forwards();
      expect(forward).toMatchObject({ protocol: 'tcp', hostAddress: '127.0.0.1', guestPort: 7000 });
      await run(shell, '(echo from the guest | nc -l -p 7000 > /tmp/forwarded) & sleep 1');
      const socket = connect(forward.hostPort, '127.0.0.1');
      const heard = await new Promise<string>((resolve, reject) => {
        socket.once('data', (bytes) => resolve(bytes.toString()));
        socket.once('error', reject);
      });
      expect(heard).toContain('from the guest');
      socket.destroy();
      expect(shell.machine.networks.flows().some(({ protocol, remote }) => protocol === 'tcp' && remote.startsWith('10.0.2.2'))).toBe(true);
    } finally {
      await shell.machine.stop();
    }
  });

  it.skipIf(!process.env['HARTBOX_LONG'])('loses no byte on a bad line, and begins anew', { timeout: 900_000 }, async () => {
    const shell = await GuestShell.boot({ network: [{ connection: 'nat', hostAccess: true, subnet: '10.0.2.0/24' }] });
    shell.patience = 800_000;
    try {
      await run(shell, HAS_ADDRESS);
      // A bad line costs time, and no byte.
      shell.machine.networks.setLine('net0', { loss: 2, delay: 2 });
      const got = await run(shell, `for i in 1 2 3 4 5; do wget -q -O - http://10.0.2.2:${port}/; done | md5sum`);
      const five = createHash('md5');
      for (let time = 0; time < 5; time++) five.update(payload);
      expect(got).toContain(five.digest('hex'));
      uploads.length = 0;
      await run(
        shell,
        `for i in 1 2 3 4 5; do { printf 'POST / HTTP/1.0\\r\\nContent-Length: ${SIZE}\\r\\n\\r\\n'; wget -q -O - http://10.0.2.2:${port}/; } | nc 10.0.2.2 ${port} | grep -q taken; done`,
      );
      expect(uploads).toEqual(Array(5).fill(md5));
      // A guest that begins anew in the midst of a transfer knows nothing of it, and so soon does nobody.
      shell.machine.networks.setLine('net0', { rate: 20_000 });
      shell.type(`wget -q -O /dev/null http://10.0.2.2:${port}/\n`);
      await vi.waitFor(() => expect(downloaded(shell)).toBeGreaterThan(100_000), { timeout: 20_000, interval: 20 });
      const from = shell.transcript.length;
      await shell.machine.reset();
      await shell.says(PROMPT, from);
      shell.machine.networks.setLine('net0', {});
      await run(shell, HAS_ADDRESS);
      await vi.waitFor(() => expect(downloaded(shell)).toBe(0), { timeout: 30_000, interval: 500 });
      expect(await run(shell, `wget -q -O - http://10.0.2.2:${port}/ | md5sum`)).toContain(md5);
    } finally {
      await shell.machine.stop();
    }
  });
});
