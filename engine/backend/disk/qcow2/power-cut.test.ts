import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../../../test/support/random';
import { SectorExpectation, SECTOR, stamp, tagOf } from '../../../../test/support/sector-expectation';
import { SimulatedFile } from '../../../../test/support/simulated-file';
import { RamDisk } from '../ram';
import { examine } from './check';
import { type Qcow2CreateOptions, qcow2Image } from './create';
import { parseHeader } from './header';
import { Qcow2Disk } from './qcow2-disk';

/** Power cuts for each kind of image; HARTBOX_POWER_CUTS=1000 for the long mode. */
const CUTS = Number(process.env['HARTBOX_POWER_CUTS'] ?? 8);
const hasQemu = spawnSync('qemu-img', ['--version']).status === 0;

class PowerCut extends Error {}

const kinds: [string, Partial<Qcow2CreateOptions> & { sectors: number; backed?: boolean; steps?: number }][] = [
  ['small clusters', { clusterSize: 512, sectors: 900 }],
  ['small clusters and wide refcounts, whose table grows', { clusterSize: 512, refcountBits: 64, sectors: 9000, steps: 3000 }],
  ['a backing file', { clusterSize: 4096, sectors: 600, backed: true }],
  ['version 2 and a backing file', { version: 2, clusterSize: 2048, sectors: 600, backed: true }],
  ['subclusters and a backing file', { clusterSize: 16384, extendedL2: true, sectors: 2000, backed: true }],
  ['usual clusters', { clusterSize: 65536, sectors: 4000 }],
];

describe('a power cut that loses, keeps or tears what was not flushed', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hartbox-power-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(kinds)(
    'loses nothing flushed, and corrupts nothing, in an image with %s',
    async (_, { sectors, backed = false, steps = 400, ...options }) => {
      for (let seed = 1; seed <= CUTS; seed++) {
        const random = new Random(seed);
        const image = qcow2Image({ size: sectors * SECTOR, ...options, ...(backed && { backing: { file: 'base', format: 'raw' } }) });
        const backing = async (): Promise<RamDisk | undefined> => {
          if (!backed) return undefined;
          // Shorter than the disk.
          const disk = new RamDisk((sectors - 50) * SECTOR);
          for (let sector = 0; sector < sectors - 50; sector++)
            await disk.write(sector * SECTOR, stamp(new Uint8Array(SECTOR), 1_000_000 + sector));
          return disk;
        };
        const expected = new SectorExpectation(
          Array.from({ length: sectors }, (__, i) => (backed && i < sectors - 50 ? 1_000_000 + i : 0)),
        );
        const content = await cut(image, await backing(), expected, { sectors, steps }, random);

        const file = new SimulatedFile(content);
        const header = parseHeader('cut', content, content.length);
        const { result } = await examine(file, header);
        expect(
          result.problems.filter((problem) => !problem.includes('leaked')),
          `seed ${seed}`,
        ).toEqual([]);
        const disk = await Qcow2Disk.open({ file, header, backing: await backing() });
        const back = new Uint8Array(sectors * SECTOR);
        await disk.readv(0, [back]);
        const wrong: string[] = [];
        for (let sector = 0; sector < sectors; sector++) {
          const tag = tagOf(back.subarray(sector * SECTOR, (sector + 1) * SECTOR));
          if (tag === undefined || !expected.allows(sector, tag)) wrong.push(`sector ${sector} has ${tag}`);
        }
        expect(wrong, `seed ${seed}`).toEqual([]);
        if (!hasQemu || backed || seed % 10 !== 0) continue;
        const path = join(folder, 'cut.qcow2');
        await writeFile(path, content);
        // 3: leaks, but nothing worse.
        expect([0, 3]).toContain(spawnSync('qemu-img', ['check', path]).status);
      }
    },
    600_000,
  );
});

/** Use a disk until the power goes; what its file could hold then. */
async function cut(
  image: Uint8Array<ArrayBuffer>,
  backing: RamDisk | undefined,
  expected: SectorExpectation,
  { sectors, steps }: { sectors: number; steps: number },
  random: Random,
): Promise<Uint8Array<ArrayBuffer>> {
  let left = 1 + random.below(steps);
  let isOff = false;
  const file = new SimulatedFile(image, async () => {
    if (left-- <= 0) isOff = true;
    if (isOff) throw new PowerCut();
    // Others get their turn.
    if (random.below(2) === 0) await new Promise((resolve) => setImmediate(resolve));
    if (isOff) throw new PowerCut();
  });
  const disk = await Qcow2Disk.open({ file, header: parseHeader('cut', image, image.length), backing }).catch(ignoreCut);
  if (!disk) return image;
  let pending: { first: number; count: number; done: Promise<unknown> }[] = [];
  for (let tag = 1; !isOff; tag++) {
    const first = random.below(sectors);
    const count = Math.min(1 + random.below(random.below(4) === 0 ? 300 : 12), sectors - first);
    const overlapping = pending.filter((other) => other.first < first + count && first < other.first + other.count);
    await Promise.all(overlapping.map(({ done }) => done));
    pending = pending.filter((other) => !overlapping.includes(other));
    if (pending.length >= 6) await Promise.all(pending.splice(0).map(({ done }) => done));
    const choice = random.below(20);
    if (choice === 0) {
      const acknowledged = expected.flush();
      pending.push({ first: 0, count: 0, done: disk.flush().then(acknowledged, ignoreCut) });
    } else if (choice <= 2) {
      const finish = expected.begin(first, count, 0);
      pending.push({
        first,
        count,
        done: disk.writeZeroes(first * SECTOR, count * SECTOR, { unmap: choice === 1 }).then(finish, ignoreCut),
      });
    } else if (choice === 3) {
      const finish = expected.begin(first, count, 0, true);
      pending.push({ first, count, done: disk.discard(first * SECTOR, count * SECTOR).then(finish, ignoreCut) });
    } else {
      const finish = expected.begin(first, count, tag);
      const data = stamp(new Uint8Array(count * SECTOR), tag);
      pending.push({ first, count, done: disk.writev(first * SECTOR, [data]).then(finish, ignoreCut) });
    }
  }
  await Promise.all(pending.map(({ done }) => done));
  const share = random.below(4);
  return file.afterPowerCut(() => (share === 0 ? false : share === 1 ? true : random.below(2) === 0));
}

function ignoreCut(error: unknown): undefined {
  if (!(error instanceof PowerCut)) throw error;
}
