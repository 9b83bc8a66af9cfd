import { type ChildProcess, spawn } from 'node:child_process';
import { createServer as createHttpServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { defaultGuest } from '../../engine/images/default-guest';
import { endWithUs } from '../../resources/setup/child-processes.mjs';
import { PROMPT } from '../support/guest-shell';
import { Transcript } from '../support/transcript';
import { CLI } from '../support/hartbox-process';

const onPath = (command: string): boolean => (process.env['PATH'] ?? '').split(':').some((place) => existsSync(join(place, command)));

let server: Server;
let port: number;
beforeAll(async () => {
  server = createHttpServer((_request, response) => void response.end('by-the-host'));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => void server.close());

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A port of the host that nobody has. */
async function freePort(): Promise<number> {
  const other = createServer();
  await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve));
  const { port: free } = other.address() as AddressInfo;
  await new Promise((resolve) => other.close(resolve));
  return free;
}

describe('a command line of QEMU with a network', () => {
  it.each([
    ['QEMU', 'qemu-system-riscv64', []],
    ['hartbox qemu', process.execPath, [CLI, 'qemu']],
  ] as const)('gives the guest an address, the host, and forwarded ports: %s', { timeout: 300_000 }, async (_name, program, before) => {
    if (program !== process.execPath && !onPath(program)) return;
    const { kernel, initrd, firmware, append } = await defaultGuest();
    const forwarded = await freePort();
    const network = [
      ...['-netdev', `user,id=n,net=10.0.2.0/24,hostfwd=tcp:127.0.0.1:${forwarded}-:7000`],
      ...['-device', 'virtio-net-device,netdev=n', '-global', 'virtio-mmio.force-legacy=false'],
    ];
    const machine = ['-machine', 'virt', '-m', '256', '-nographic', '-bios', firmware, '-kernel', kernel, '-initrd', initrd];
    const words = [...before, ...machine, '-append', append, ...network];
    const child = endWithUs(spawn(program, words, { env: { ...process.env, HARTBOX_DEBUG: '' } }));
    children.push(child);
    const guest = new Transcript(program);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => guest.add(data));
    child.on('close', () => guest.end());
    await guest.says(PROMPT);
    // Commands are typed so that their echo is not what is waited for.
    child.stdin.write(
      'until ip addr show eth0 | grep -q 10.0.2.15; do usleep 100000; done; echo addre""ss; cat /sys/class/net/eth0/address\n',
    );
    await guest.says(/^address\r?\n52:54:00:12:34:56/m);
    child.stdin.write(
      `wget -q -O - http://10.0.2.2:${port}/; echo; (echo by-the-gue""st | nc -l -p 7000) & until grep -q :1B58 /proc/net/tcp /proc/net/tcp6; do usleep 100000; done; echo listens-$((1+1))\n`,
    );
    await guest.says(/^by-the-host/m);
    await guest.says(/listens-2/);
    const heard = await new Promise<string>((resolve, reject) => {
      const socket = connect(forwarded, '127.0.0.1');
      socket.once('data', (bytes) => {
        resolve(bytes.toString());
        socket.destroy();
      });
      socket.once('error', reject);
    });
    expect(heard).toContain('by-the-guest');
    child.stdin.write('poweroff -f\n');
    expect(await new Promise((resolve) => void child.on('close', resolve))).toBe(0);
  });
});
