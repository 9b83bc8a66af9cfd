import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { GuestShell } from '../support/guest-shell';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-aia-'));
const disk = join(folder, 'disk.img');
const content = randomBytes(1 << 20);
writeFileSync(disk, content);
const checksum = createHash('sha256').update(content).digest('hex');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let shell: GuestShell | undefined;
afterEach(async () => {
  await shell?.machine.stop();
  shell = undefined;
});

interface Interrupt {
  /** How often at each hart. */
  counts: number[];
  /** The controller's name, the source's number, the device. */
  rest: string;
}

/** /proc/interrupts by what stands at the start of the lines. */
async function interrupts(guest: GuestShell, harts: number): Promise<Map<string, Interrupt>> {
  const { output } = await guest.run('cat /proc/interrupts');
  const rows = output.split('\n').map((line) => line.trim().split(/[\s:]+/));
  return new Map(
    rows.slice(1).map(([name, ...fields]) => [name, { counts: fields.slice(0, harts).map(Number), rest: fields.slice(harts).join(' ') }]),
  );
}

function serving(all: Map<string, Interrupt>, what: RegExp): [string, Interrupt] {
  const found = [...all].find(([, { rest }]) => what.test(rest));
  if (!found) throw new Error(`no interrupt of ${what}: ${[...all.values()].map(({ rest }) => rest).join('; ')}`);
  return found;
}

const sum = ({ counts }: Interrupt): number => counts.reduce((a, b) => a + b, 0);
const readDisk = 'echo 3 > /proc/sys/vm/drop_caches; sha256sum < /dev/vda';

describe('Linux', () => {
  it('gets the interrupts of UART and disk from an APLIC that drives the harts’ lines', async () => {
    shell = await GuestShell.boot({ aia: 'aplic', drives: [{ file: disk, readonly: true }] });
    expect((await shell.run(`${readDisk}; echo from the guest > /dev/ttyS0`)).output).toContain(checksum);
    const all = await interrupts(shell, 1);
    for (const device of ['10 Level ttyS0', '\\d+ Level virtio0']) {
      const [, found] = serving(all, new RegExp(`^APLIC-DIRECT ${device}`));
      expect([device, sum(found) > 0]).toEqual([device, true]);
    }
  });

  it('gets them as messages from an APLIC, at the hart that it asks for, and interrupts its harts through the IMSICs', async () => {
    shell = await GuestShell.boot({ aia: 'aplic-imsic', harts: 2, drives: [{ file: disk, readonly: true }] });
    expect((await shell.run('dmesg | grep imsic')).output).toMatch(/providing IPIs using interrupt 1/);
    const before = await interrupts(shell, 2);
    const [number] = serving(before, /^APLIC-MSI-d000000\.aplic \d+ Level -fasteoi virtio0/);
    for (const hart of [1, 0]) {
      await shell.run(`echo ${1 << hart} > /proc/irq/${number}/smp_affinity`);
      const earlier = (await interrupts(shell, 2)).get(number);
      expect((await shell.run(`${readDisk}; echo from the guest > /dev/ttyS0`)).output).toContain(checksum);
      const later = (await interrupts(shell, 2)).get(number);
      const came = later?.counts.map((count, i) => count - (earlier?.counts[i] ?? 0));
      expect(came?.map((count) => count > 0)).toEqual([0, 1].map((i) => i === hart));
    }
    const after = await interrupts(shell, 2);
    expect(sum(serving(after, /^APLIC-MSI-d000000\.aplic 10 Level -fasteoi ttyS0/)[1])).toBeGreaterThan(0);
    expect(after.get('IPI1')?.counts.every((count) => count > 0)).toBe(true);
    for (const { claims } of shell.machine.statistics.harts) expect(claims).toBeGreaterThan(0);
  });
});
