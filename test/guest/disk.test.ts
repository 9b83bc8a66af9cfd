import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { hartbox, killHartboxes, startHartbox } from '../support/hartbox-process';

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

it("waits while the host's disk is full, and loses nothing", async (context) => {
  const small = join(folder, 'small');
  mkdirSync(small);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', small], { stdio: 'ignore' });
  } catch {
    context.skip('a small file system can be mounted only by root on Linux');
  }
  try {
    const ballast = join(small, 'ballast');
    writeFileSync(ballast, new Uint8Array(4 * MiB));
    const raw = emptyDisk(join(small, 'raw.img'), 4 * MiB);
    const qcow2 = join(small, 'disk.qcow2');
    expect((await hartbox(['disk', 'create', qcow2, '4M'])).code).toBe(0);
    // 1.5 MiB to each, where there are 2 for both.
    const script = `for disk in vda vdb; do dd if=/dev/urandom of=/$disk bs=512k count=3 2> /dev/null
      dd if=/$disk of=/dev/$disk bs=64k conv=fsync 2> /dev/null; echo "$disk $?"; echo 3 > /proc/sys/vm/drop_caches
      head -c 1536k /dev/$disk | cmp - /$disk && echo same; done`;
    const { child, ended, tells } = startHartbox(['exec', '--drive', `file=${raw}`, '--drive', `file=${qcow2}`, '--', 'sh', '-c', script]);
    child.stdin.end();
    await tells(/disk is full/);
    rmSync(ballast, { force: true });
    const { code, stdout, stderr } = await ended;
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: 'vda 0\nsame\nvdb 0\nsame\n' });
    expect(stderr).toMatch(/disk is full.*paused/);
    expect(stderr).toMatch(/space again/);
    expect((await hartbox(['disk', 'check', qcow2])).code).toBe(0);
  } finally {
    execFileSync('umount', [small]);
  }
});

it.each(['raw', 'qcow2'])('carries a file system on a %s disk, and gives back what the guest trims', async (format) => {
  const disk = join(folder, `trim.${format}`);
  expect((await hartbox(['disk', 'create', '-f', format, disk, '64M'])).code).toBe(0);
  const inGuest = async (script: string): Promise<string> => {
    const { code, stdout, stderr } = await hartbox(['exec', '--drive', `file=${disk}`, '--', 'sh', '-ec', script]);
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const sums = await inGuest(`mke2fs /dev/vda > /dev/null; mount -t ext4 /dev/vda /mnt
    dd if=/dev/urandom of=/mnt/gone bs=1M count=30 2> /dev/null; dd if=/dev/urandom of=/mnt/kept bs=1M count=5 2> /dev/null
    sha256sum /mnt/kept; umount /mnt`);
  const before = statSync(disk).blocks * 512;
  expect(before).toBeGreaterThan(35 * MiB);
  expect(await inGuest('mount -t ext4 /dev/vda /mnt; rm /mnt/gone; sync; fstrim /mnt; sha256sum /mnt/kept; umount /mnt')).toBe(sums);
  expect(before - statSync(disk).blocks * 512).toBeGreaterThan(25 * MiB);
  expect((await hartbox(['disk', 'check', disk])).code).toBe(0);
  const plain = join(folder, `${format}.ext4`);
  expect((await hartbox(['disk', 'convert', '-f', 'raw', disk, plain])).code).toBe(0);
  execFileSync('e2fsck', ['-f', '-n', plain], { env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }, stdio: 'ignore' });
});
