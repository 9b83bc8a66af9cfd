import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { numberedFrame, offloadedFrame } from '../../../test/support/net-frames';
import { VmError } from '../../errors/vm-error';
import { Capture } from './capture';
import { type Frame, plainFrame } from './packet-port';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-capture-'));
});
afterEach(() => rm(folder, { recursive: true }));

const hasTshark = ((): boolean => {
  try {
    execFileSync('tshark', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

function partial(version: 4 | 6, protocol: 'tcp' | 'udp', payload: number): Frame {
  const { bytes, transport, checksumOffset } = offloadedFrame({ version, protocol, payload: new Uint8Array(payload).fill(7) });
  return { ...plainFrame([bytes.subarray(0, 20), bytes.subarray(20)]), checksumStart: transport, checksumOffset };
}

describe('a capture', () => {
  // Wireshark's own reader. (Debian's package tshark; npm test installs it.)
  it.skipIf(!hasTshark)('is read by tshark: adapters, directions, times, and checksums that are right', async () => {
    const file = join(folder, 'a.pcapng');
    const before = Date.now() / 1000;
    const capture = await Capture.open(file, ['net0', 'a second one']);
    capture.add(0, 'out', partial(4, 'tcp', 100));
    capture.add(1, 'in', partial(6, 'udp', 31));
    capture.add(0, 'out', { ...partial(4, 'tcp', 5000), segmentation: 'tcp4', segmentSize: 1460 });
    capture.add(0, 'in', { ...partial(6, 'tcp', 9), checksumStart: -1, checksumValid: true });
    capture.add(0, 'in', { ...partial(4, 'udp', 10), checksumStart: -1, checksumValid: true });
    capture.add(0, 'in', plainFrame([numberedFrame(1, { length: 61 })]));
    await capture.close();
    expect(capture).toMatchObject({ frames: 6, dropped: 0 });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const fields = ['frame.interface_name', 'frame.packet_flags_direction', 'frame.len', 'frame.time_epoch', '_ws.expert.message'];
    const output = execFileSync(
      'tshark',
      [
        ...['-r', file, '-T', 'fields', '-E', 'separator=|', ...fields.flatMap((field) => ['-e', field])],
        ...['ip', 'tcp', 'udp'].flatMap((protocol) => ['-o', `${protocol}.check_checksum:TRUE`]),
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const rows = output
      .trim()
      .split('\n')
      .map((line) => line.split('|'));
    expect(rows.map(([name, direction, length]) => [name, Number(direction), Number(length)])).toEqual([
      ['net0', 2, 154],
      ['a second one', 1, 93],
      ['net0', 2, 5054],
      ['net0', 1, 83],
      ['net0', 1, 52],
      ['net0', 1, 61],
    ]);
    for (const [, , , time, expert] of rows) {
      expect(Number(time)).toBeGreaterThan(before - 1);
      expect(Number(time)).toBeLessThan(Date.now() / 1000 + 1);
      expect(expert, rows.map((row) => row.join(' ')).join('\n')).not.toMatch(/checksum|malformed/i);
    }
  });

  it('replaces what was there, and says what is in the way', async () => {
    const file = join(folder, 'a.pcapng');
    await writeFile(file, 'x'.repeat(10_000));
    await (await Capture.open(file, ['net0'])).close();
    const bytes = await readFile(file);
    expect(bytes.readUInt32LE(0)).toBe(0x0a0d0d0a);
    expect(bytes.length).toBeLessThan(200);
    await expect(Capture.open(folder, [])).rejects.toBeInstanceOf(VmError);
    await expect(Capture.open(join(folder, 'no', 'a.pcapng'), [])).rejects.toMatchObject({ code: 'folder-missing' });
  });
});
