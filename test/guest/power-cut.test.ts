import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { BLOCK, FlushedBlocks } from '../support/flushed-blocks';
import { compileForGuest } from '../support/guest-compiler';
import { killHartboxes, startHartbox } from '../support/hartbox-process';
import { Random } from '../support/random';
import { missingTools } from '../support/riscv-tools';

const isLong = process.env['HARTBOX_LONG'] !== undefined;
const KILLS = isLong ? 300 : 3;
/** New images come so often: where all clusters are allocated a power cut finds nothing to break. */
const KILLS_PER_IMAGE = 5;
const BLOCKS = 32_768;
/** Numbers that the writers may use in one run. */
const NUMBERS = 1_000_000;

/** All of them in one machine, each with writers of its own. */
const disks = [
  { name: 'vda', format: 'raw', options: [] },
  { name: 'vdb', format: 'qcow2', options: [] },
  { name: 'vdc', format: 'qcow2', options: ['-o', 'cluster_size=4096,lazy_refcounts=on'] },
];

const folder = mkdtempSync(join(tmpdir(), 'hartbox-power-'));
const missing = missingTools('qemu-img', 'riscv64-linux-gnu-gcc');
let program: Uint8Array;

beforeAll(async () => {
  if (missing === undefined)
    program = await compileForGuest(new URL('../support/flushing-writer.c', import.meta.url), join(folder, 'writer'), ['-s']);
});
afterEach(killHartboxes);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fileOf = (disk: (typeof disks)[number]): string => join(folder, `${disk.name}.${disk.format}`);

/** Let the guest write until the machine's process is killed; returns the lines that reached us: `DEVICE WRITER NUMBER`. */
async function writeUntilKilled(after: number, random: Random): Promise<number[][]> {
  const script = `cat > /writer; chmod +x /writer; exec /writer ${after} ${BLOCKS} ${disks.map(({ name }) => `/dev/${name}`).join(' ')}`;
  const drives = disks.flatMap((disk) => ['--drive', `file=${fileOf(disk)},format=${disk.format}`]);
  const { child, ended } = startHartbox(['exec', ...drives, '--', 'sh', '-c', script]);
  child.stdin.end(program);
  // Now and then while it starts and opens the images.
  if (random.oneIn(8)) await delay(random.below(3000));
  else {
    await Promise.race([once(child.stdout, 'data'), ended]);
    await delay(random.below(1000));
  }
  child.kill('SIGKILL');
  const { signal, stdout, stderr } = await ended;
  expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
  const lines = stdout.toString().split('\n').slice(0, -1);
  return lines.map((line) => line.split(' ').map(Number));
}

function contentOf(disk: (typeof disks)[number]): Buffer {
  if (disk.format === 'raw') return readFileSync(fileOf(disk));
  const plain = join(folder, 'plain.raw');
  execFileSync('qemu-img', ['convert', '-f', disk.format, '-O', 'raw', fileOf(disk), plain]);
  return readFileSync(plain);
}

it.skipIf(missing !== undefined)(
  `a killed machine loses nothing that its guest was told is flushed, and corrupts no image, in ${KILLS} kills${missing === undefined ? '' : ` (skipped, ${missing})`}`,
  async () => {
    const random = new Random(1);
    let expected: FlushedBlocks[] = [];
    let [flushes, leaks] = [0, 0];
    for (let kill = 1; kill <= KILLS; kill++) {
      if (kill % KILLS_PER_IMAGE === 1) {
        for (const disk of disks)
          execFileSync('qemu-img', ['create', '-q', '-f', disk.format, ...disk.options, fileOf(disk), `${BLOCKS * BLOCK}`]);
        expected = disks.map(() => new FlushedBlocks(BLOCKS));
      }
      const after = kill * NUMBERS;
      for (const blocks of expected) blocks.start(after);
      const acknowledged = await writeUntilKilled(after, random);
      for (const [device, writer, number] of acknowledged) expected[device].flushed(writer, number);
      flushes += acknowledged.length;
      for (const [index, disk] of disks.entries()) {
        const what = `kill ${kill}, ${disk.name}`;
        if (disk.format === 'qcow2') {
          const { status, stdout } = spawnSync('qemu-img', ['check', '-f', 'qcow2', fileOf(disk)], { encoding: 'utf8' });
          // 3: there are leaked clusters, and nothing worse.
          expect([0, 3], `${what}: ${stdout}`).toContain(status);
          if (status === 3) leaks++;
        }
        expect(expected[index].check(contentOf(disk)), what).toEqual([]);
      }
      if (kill % 25 === 0) console.log(`${kill} kills: ${flushes} flushes acknowledged; leaked clusters found ${leaks} times`);
    }
    expect(flushes).toBeGreaterThan(10 * KILLS);
  },
  KILLS * 30_000 + 60_000,
);
