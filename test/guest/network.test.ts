import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { defaultGuest } from '../../engine/images/default-guest';
import { GuestShell, PROMPT } from '../support/guest-shell';
import { qemuArguments } from '../support/qemu-machine';
import { Transcript } from '../support/transcript';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-network-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const shells: GuestShell[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const shell of shells.splice(0)) await shell.machine.stop();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

const onPath = (command: string): boolean => (process.env['PATH'] ?? '').split(':').some((place) => existsSync(join(place, command)));

async function boot(...args: Parameters<typeof GuestShell.boot>): Promise<GuestShell> {
  const shell = await GuestShell.boot(...args);
  shells.push(shell);
  return shell;
}

async function run(shell: GuestShell, command: string): Promise<string> {
  const { status, output } = await shell.run(command);
  expect(status, `${command}: ${output}`).toBe(0);
  return output;
}

/** Gives the adapter an address, once the guest has its driver: it loads that beside its first shell. */
const address = (it: string): string =>
  `i=0; until ip addr add ${it} dev eth0 2> /dev/null || [ $i -gt 200 ]; do usleep 100000; i=$((i+1)); done; ip link set eth0 up`;

/** One sends so many MB to the other, which finds them whole. netcat ends when its own input does. */
async function transfer(from: GuestShell, to: GuestShell, address: string, megabytes: number): Promise<void> {
  await run(from, `head -c ${megabytes}000000 /dev/urandom > /tmp/sent`);
  const sum = (await run(from, 'md5sum < /tmp/sent')).trim();
  await run(to, '(sleep 100 | nc -l -p 5000 > /tmp/got) & sleep 1');
  // It ends once all is sent and the other side has closed.
  await run(
    from,
    `nc -w 20 ${address} 5000 < /tmp/sent & i=0; while [ $i -lt 100 ] && kill -0 $! 2> /dev/null; do sleep 1; i=$((i+1)); [ $i -gt 3 ] && break; done; true`,
  );
  await run(to, `i=0; while [ $i -lt 60 ] && [ "$(wc -c < /tmp/got)" -lt ${megabytes}000000 ]; do sleep 1; i=$((i+1)); done; true`);
  expect((await run(to, 'md5sum < /tmp/got')).trim()).toBe(sum);
}

describe('two guests on one switch', () => {
  it('reach each other, with several queues, over MMIO and PCI, and what passes is captured', { timeout: 300_000 }, async () => {
    const options = { dataDirectory: undefined };
    const network = [{ connection: 'switch' as const, name: `test-${process.pid}` }];
    const [a, b] = await Promise.all([
      boot({ network, harts: 2 }, options),
      boot({ network, bus: 'pci', virtio: ['packed'], aia: 'aplic-imsic' }, options),
    ]);
    await run(a, address('10.9.0.1/24'));
    await run(b, address('10.9.0.2/24'));
    const file = join(folder, 'switch.pcapng');
    await a.machine.networks.startCapture(file);
    await run(a, 'ping -c 2 -W 5 10.9.0.2');
    await transfer(a, b, '10.9.0.2', 1);
    await transfer(b, a, '10.9.0.1', 1);
    // IPv6, by which neighbours find each other without being told an address: it takes multicast.
    await run(a, 'ping -6 -c 1 -W 5 ff02::1%eth0');
    expect(await run(a, 'cat /sys/class/net/eth0/speed')).toContain('10000');
    expect((await run(a, 'ls /sys/class/net/eth0/queues')).match(/rx-/g)).toHaveLength(2);

    const { frames, dropped } = await a.machine.networks.endCapture();
    expect([frames > 100, dropped]).toEqual([true, 0]);
    if (onPath('tshark')) {
      const checks = ['ip', 'tcp', 'udp'].flatMap((protocol) => ['-o', `${protocol}.check_checksum:TRUE`]);
      const args = [
        '-r',
        file,
        ...checks,
        // It takes what goes to port 5000 for telephony.
        '--disable-protocol',
        'gsm_ipa',
        '-Y',
        '_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0',
      ];
      expect(execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })).toBe('');
    }

    const [{ id, statistics, mac, addresses }] = a.machine.networks.list();
    // It says by ARP who it is.
    expect(addresses).toEqual(['10.9.0.1']);
    expect(statistics.bytesFromGuest).toBeGreaterThan(1_000_000);
    expect(await run(a, 'cat /sys/class/net/eth0/address')).toContain(mac);
    a.machine.networks.setLink(id, false);
    await run(
      a,
      'i=0; until [ "$(cat /sys/class/net/eth0/carrier)" = 0 ] || [ $i -gt 50 ]; do usleep 100000; i=$((i+1)); done; [ $i -le 50 ]',
    );
    a.machine.networks.setLink(id, true);
    await run(a, 'ping -c 1 -W 10 10.9.0.2');
  });
});

describe('a guest of ours and one of QEMU', () => {
  it.skipIf(!onPath('qemu-system-riscv64'))('reach each other by a stream', { timeout: 300_000 }, async () => {
    const socket = join(folder, 'stream');
    const ours = await boot({ network: [{ connection: 'stream', listen: `unix:${socket}` }] });
    const { kernel, initrd, firmware, append } = await defaultGuest();
    const net = [
      ...['-netdev', `stream,id=n,server=off,addr.type=unix,addr.path=${socket}`],
      ...['-device', 'virtio-net-device,netdev=n,bus=virtio-mmio-bus.2'],
    ];
    const qemu = spawn('qemu-system-riscv64', [...qemuArguments({ kernel, initrd, firmware, append }, 256), ...net]);
    children.push(qemu);
    const guest = new Transcript("QEMU's guest");
    qemu.stdout.on('data', (data: Buffer) => guest.add(data));
    qemu.on('close', () => guest.end());
    await guest.says(PROMPT);
    qemu.stdin.write(`${address('10.9.0.2/24')}; (sleep 100 | nc -l -p 5000 > /tmp/got) & echo rea\\dy\n`);
    await guest.says(/^ready/m);
    await run(ours, address('10.9.0.1/24'));
    await run(ours, 'i=0; until ping -c 1 -W 2 10.9.0.2 || [ $i -gt 20 ]; do i=$((i+1)); done; [ $i -le 20 ]');
    await run(ours, 'head -c 2000000 /dev/urandom > /tmp/sent; (nc -w 20 10.9.0.2 5000 < /tmp/sent) & sleep 3');
    const sum = /[0-9a-f]{32}/.exec(await run(ours, 'md5sum < /tmp/sent'))![0];
    const from = guest.text.length;
    qemu.stdin.write('while [ "$(wc -c < /tmp/got)" -lt 2000000 ]; do sleep 1; done; md5sum < /tmp/got\n');
    await guest.says(/[0-9a-f]{32}/, from);
    expect(guest.text.slice(from)).toContain(sum);
  });
});
