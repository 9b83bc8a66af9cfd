import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { hartbox, killHartboxes } from '../support/hartbox-process';

const MB = 1_000_000;
const MiB = 2 ** 20;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-disk-'));
});
afterEach(killHartboxes);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function emptyDisk(path: string, bytes: number): string {
  writeFileSync(path, '');
  truncateSync(path, bytes);
  return path;
}

it('keeps 200 MB that the guest writes, byte for byte', async () => {
  const disk = emptyDisk(join(folder, 'data.img'), 200 * MiB);
  const block = randomBytes(2 * MB - 16);
  const script = `cat > /block
    i=100; while [ $i -lt 200 ]; do printf '%015d\\n' $i; cat /block; i=$((i + 1)); done | dd of=/dev/vda bs=1M iflag=fullblock conv=fsync`;
  const { code, stderr } = await hartbox(['exec', '--drive', `file=${disk}`, '--', 'sh', '-c', script], { input: block });
  expect(code, stderr).toBe(0);

  const written = createHash('sha256');
  await pipeline(createReadStream(disk, { end: 200 * MB - 1 }), written);
  const expected = createHash('sha256');
  for (let i = 100; i < 200; i++) expected.update(`${`${i}`.padStart(15, '0')}\n`).update(block);
  expect(written.digest('hex')).toBe(expected.digest('hex'));
});

it('refuses writes to a disk that is read-only', async () => {
  const disk = emptyDisk(join(folder, 'readonly.img'), MiB);
  const { code } = await hartbox([
    'exec',
    '--drive',
    `file=${disk},readonly`,
    '--',
    'dd',
    'if=/dev/zero',
    'of=/dev/vda',
    'count=1',
    'conv=fsync',
  ]);
  expect(code).not.toBe(0);
});

it("gives the guest an I/O error and goes on when the host's disk is full", async (context) => {
  const small = join(folder, 'small');
  mkdirSync(small);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small], { stdio: 'ignore' });
  } catch {
    context.skip('a small file system can be mounted only by root on Linux');
  }
  try {
    const disk = emptyDisk(join(small, 'full.img'), 8 * MiB);
    const script =
      'dd if=/dev/zero of=/dev/vda bs=1M count=8 conv=fsync; echo "dd: $?"; dd if=/dev/vda of=/dev/null bs=1M count=1 2> /dev/null && echo readable';
    const { code, stdout, stderr } = await hartbox(['exec', '--drive', `file=${disk}`, '--', 'sh', '-c', script]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'dd: 1\nreadable\n' });
    expect(stderr).toMatch(/No space left|I\/O error/i);
  } finally {
    execFileSync('umount', [small]);
  }
});
