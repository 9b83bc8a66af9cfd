import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as listenTo, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Nat } from '../../engine/backend/net/nat/nat';
import type { Networks } from '../../engine/machine/networks';
import type { VirtioTransport } from '../../engine/virtio/transport/transport';
import { GuestShell, PROMPT } from '../support/guest-shell';
import { killHartboxes, startHartbox } from '../support/hartbox-process';
import { HAS_ADDRESS, payloadOf, run } from '../support/online-guest';

/** What becomes of TCP connections that are in use when the machine is paused, switched off, reset, or goes on elsewhere. */

const SIZE = 6_000_000;
const payload = payloadOf(SIZE);
const md5 = createHash('md5').update(payload).digest('hex');

let server: Server;
let port: number;
/** The connections that the server has. */
const open = new Set<Socket>();
const uploads: { bytes: number; sum?: string }[] = [];

/** `/`: the payload; POST: what comes is summed; `/endless`; `/never`: no answer. */
function serve(request: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'POST') {
    const upload: (typeof uploads)[number] = { bytes: 0 };
    uploads.push(upload);
    const hash = createHash('md5');
    request.on('data', (bytes: Buffer) => {
      upload.bytes += bytes.length;
      hash.update(bytes);
    });
    request.on('error', () => undefined);
    request.on('end', () => {
      upload.sum = hash.digest('hex');
      response.end('taken');
    });
  } else if (request.url === '/endless') {
    const more = (): void => {
      while (!response.destroyed && response.write(payload.subarray(0, 65536))) {}
    };
    response.on('drain', more);
    more();
  } else if (request.url !== '/never') response.end(payload);
}

beforeAll(async () => {
  server = createServer({ requestTimeout: 0 }, serve);
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  port = (server.address() as AddressInfo).port;
});
afterAll(() => void server.close());
afterEach(killHartboxes);

const url = (path = ''): string => `http://10.0.2.2:${port}/${path}`;
/** A POST of so many bytes, of which as many come as its standard input has. */
const post = (bytes: number, input: string): string =>
  `{ printf 'POST / HTTP/1.0\\r\\nContent-Length: ${bytes}\\r\\n\\r\\n'; ${input}; } | nc 10.0.2.2 ${port}`;

async function boot(): Promise<GuestShell> {
  const shell = await GuestShell.boot({
    network: [{ connection: 'nat', hostAccess: true, subnet: '10.0.2.0/24', forward: ['0:7000'] }],
  });
  await run(shell, HAS_ADDRESS);
  return shell;
}

/** Bytes of all flows, from the guest and to it. */
function moved({ machine }: GuestShell): [number, number] {
  const sum = (key: 'fromGuest' | 'toGuest'): number => machine.networks.flows().reduce((all, flow) => all + flow[key], 0);
  return [sum('fromGuest'), sum('toGuest')];
}

/** Endless traffic both ways, and a connection on which the guest waits for an answer that does not come. */
async function traffic(shell: GuestShell): Promise<void> {
  await run(
    shell,
    `(wget -q -O /dev/null ${url('endless')}; echo down-o"ver"-$?) & (${post(2 ** 40, 'cat /dev/zero')} > /dev/null; echo up-o"ver") & (wget -q -O /dev/null ${url('never')}; echo idle-o"ver"-$?) & true`,
  );
  await vi.waitFor(
    () => {
      const [from, to] = moved(shell);
      expect([from > 1_000_000, to > 1_000_000, open.size]).toEqual([true, true, 3]);
    },
    { timeout: 120_000, interval: 20 },
  );
}

/** A client of the forwarded port hears what the guest says to it. */
async function throughForward(shell: GuestShell): Promise<void> {
  const [{ hostPort }] = shell.machine.networks.forwards();
  await run(shell, '(echo from the guest | nc -l -p 7000 > /dev/null) & sleep 1');
  const socket = connect(hostPort, '127.0.0.1');
  try {
    const heard = await new Promise<string>((resolve, reject) => {
      socket.once('data', (bytes) => resolve(bytes.toString()));
      socket.once('error', reject);
    });
    expect(heard).toContain('from the guest');
  } finally {
    socket.destroy();
  }
}

interface BoardInside {
  networks: Networks;
  virtio: { transports: VirtioTransport[] };
}

describe('TCP connections in use', () => {
  it('stand a pause of some seconds both ways, and lose no byte', { timeout: 300_000 }, async () => {
    const shell = await boot();
    try {
      uploads.length = 0;
      await run(shell, `wget -q -O /tmp/got ${url()}`);
      // So slow that both are under way together, however slow the host is.
      shell.machine.networks.setLine('net0', { rate: 8000 });
      const both = run(
        shell,
        `(wget -q -O - ${url()} | md5sum > /tmp/sum) & down=$!; ${post(SIZE, 'cat /tmp/got')} | grep -q taken && wait $down && cat /tmp/sum`,
      );
      for (let pause = 0; pause < 2; pause++) {
        const start = moved(shell);
        await vi.waitFor(
          () => {
            const [from, to] = moved(shell);
            expect([from > start[0] + 200_000, to > start[1] + 200_000]).toEqual([true, true]);
          },
          { timeout: 120_000, interval: 10 },
        );
        await shell.machine.pause();
        // What was taken from the guest still goes to the server.
        await setTimeout(500);
        const before = [...moved(shell), uploads[0].bytes];
        await setTimeout(2500);
        expect([...moved(shell), uploads[0].bytes]).toEqual(before);
        await shell.machine.resume();
      }
      shell.machine.networks.setLine('net0', {});
      expect(await both).toContain(md5);
      expect(uploads).toEqual([{ bytes: SIZE, sum: md5 }]);
    } finally {
      await shell.machine.stop();
    }
  });

  it('are reset with the machine at once, and forwarded ports serve the new boot', { timeout: 300_000 }, async () => {
    const shell = await boot();
    try {
      await traffic(shell);
      const from = shell.transcript.length;
      const [{ hostPort }] = shell.machine.networks.forwards();
      await shell.machine.reset();
      expect(shell.machine.networks.flows()).toEqual([]);
      await vi.waitFor(() => expect(open.size).toBe(0), { timeout: 2000, interval: 20 });
      expect(shell.machine.networks.forwards()).toMatchObject([{ hostPort, guestPort: 7000 }]);
      await shell.says(PROMPT, from);
      await run(shell, HAS_ADDRESS);
      await throughForward(shell);
      expect(await run(shell, `wget -q -O - ${url()} | md5sum`)).toContain(md5);
    } finally {
      await shell.machine.stop();
    }
  });

  it('end with the machine that is switched off: nothing of it is left on the host', { timeout: 300_000 }, async () => {
    const kinds = (): string[] => process.getActiveResourcesInfo().filter((kind) => /^(TCP|UDP|GetAddrInfo)/.test(kind));
    // What an earlier test has left is on its way out.
    await vi.waitFor(() => expect(open.size).toBe(0), { timeout: 2000, interval: 20 });
    const before = kinds().length;
    const shell = await boot();
    await traffic(shell);
    expect(kinds().length).toBeGreaterThan(before);
    const [{ hostPort }] = shell.machine.networks.forwards();
    await shell.machine.stop();
    await vi.waitFor(
      () => {
        expect(open.size).toBe(0);
        expect(kinds().length).toBeLessThanOrEqual(before);
      },
      { timeout: 2000, interval: 20 },
    );
    // The port is free.
    const again = listenTo().listen(hostPort, '127.0.0.1');
    await new Promise((resolve, reject) => again.once('listening', resolve).once('error', reject));
    again.close();
  });

  it('keep no process that has ended its guest', { timeout: 300_000 }, async () => {
    const script = `wget -q -O /dev/null ${url('endless')} & i=0; until echo x | nc -w 1 10.0.2.2 ${port} > /dev/null || [ $i -gt 30 ]; do i=$((i+1)); sleep 1; done; sleep 2; echo en"din"g; exit 7`;
    const { ended, says } = startHartbox(['exec', '--network', 'nat,host-access,subnet=10.0.2.0/24', '--', 'sh', '-c', script]);
    await says(/ending/);
    const from = performance.now();
    expect((await ended).code).toBe(7);
    expect(performance.now() - from).toBeLessThan(10_000);
    await vi.waitFor(() => expect(open.size).toBe(0), { timeout: 2000, interval: 20 });
  });

  it('are reset where the guest goes on elsewhere, and the guest is online there at once', { timeout: 300_000 }, async () => {
    const shell = await boot();
    try {
      await traffic(shell);
      // A new device with a new NAT gets the saved state: the guest's memory stands for the one that is restored.
      const { networks, virtio } = (shell.machine as unknown as { board: BoardInside }).board;
      const [adapter] = networks.adapters;
      const transport = virtio.transports.find(({ device }) => device === adapter.device)!;
      const from = shell.transcript.length;
      await shell.machine.pause();
      await transport.sleep();
      const saved: unknown = JSON.parse(JSON.stringify(transport.state.snapshot()));
      transport.reset();
      adapter.line.disconnect();
      await adapter.backend.close();
      await vi.waitFor(() => expect(open.size).toBe(0), { timeout: 2000, interval: 20 });
      adapter.backend = new Nat({
        hostAccess: true,
        forwards: [{ protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 0, guestPort: 7000 }],
      });
      adapter.line.connect(adapter.backend);
      transport.state.restore(saved);
      transport.wake();
      await shell.machine.resume();
      // The one that only waits hears it as well.
      for (const over of [/down-over-1/, /up-over/, /idle-over-1/])
        await vi.waitFor(() => expect(shell.transcript.slice(from)).toMatch(over), { timeout: 20_000, interval: 50 });
      expect(open.size).toBe(0);
      expect(await run(shell, `wget -q -O - ${url()} | md5sum`)).toContain(md5);
      await throughForward(shell);
      expect(shell.machine.networks.list()[0].addresses).toContain('10.0.2.15');
    } finally {
      await shell.machine.stop();
    }
  });
});
