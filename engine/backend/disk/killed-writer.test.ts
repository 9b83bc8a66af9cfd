import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../../test/support/random';
import { SECTOR, SectorExpectation, tagOf } from '../../../test/support/sector-expectation';
import { AsyncBlockDevice } from './async-block-device';
import { checkDisk } from './disk-images';
import { qcow2Image } from './qcow2/create';

/** How often a writer is killed, for each format; HARTBOX_KILLS=300 for the long mode. */
const KILLS = Number(process.env['HARTBOX_KILLS'] ?? 5);
const SECTORS = 24_000;
const hasQemu = spawnSync('qemu-img', ['--version']).status === 0;

let folder: string;
let writer: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-killed-'));
  const entry = fileURLToPath(new URL('../../../test/support/disk-writer.ts', import.meta.url));
  await build({
    configFile: false,
    logLevel: 'error',
    build: { ssr: entry, outDir: folder, emptyOutDir: false, minify: false, rollupOptions: { output: { entryFileNames: 'writer.mjs' } } },
    ssr: { noExternal: true, external: ['koffi'] },
  });
  writer = join(folder, 'writer.mjs');
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Let a process write until it is killed after some milliseconds; returns what it said. */
async function writeUntilKilled(file: string, format: string, seed: number, firstTag: number, milliseconds: number): Promise<string[]> {
  const child = spawn(process.execPath, [writer, file, format, `${seed}`, `${firstTag}`], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let errors = '';
  child.stdout.on('data', (data: Buffer) => (said += data.toString()));
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const closed = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), closed]);
  await delay(milliseconds);
  child.kill('SIGKILL');
  await closed;
  expect(errors).toBe('');
  return said.split('\n').slice(0, -1);
}

/** What is on the disk, a tag for each sector. */
async function tagsOf(file: string, format: 'raw' | 'qcow2'): Promise<(number | undefined)[]> {
  const disk = await AsyncBlockDevice.open(file, { format });
  const content = new Uint8Array(disk.size);
  await disk.read(0, content);
  await disk.close();
  return Array.from({ length: SECTORS }, (_, i) => tagOf(content.subarray(i * SECTOR, (i + 1) * SECTOR)));
}

describe.each(['raw', 'qcow2'] as const)('a process that writes to a %s disk and is killed', (format) => {
  it(
    'loses nothing that it was told is flushed, and corrupts nothing',
    async () => {
      const file = join(folder, `disk.${format}`);
      await writeFile(file, format === 'raw' ? '' : qcow2Image({ size: SECTORS * SECTOR, clusterSize: 4096 }));
      if (format === 'raw') await truncate(file, SECTORS * SECTOR);
      const random = new Random(format.length);
      let tags: (number | undefined)[] = Array.from({ length: SECTORS }, () => 0);
      let flushes = 0;
      for (let kill = 1; kill <= KILLS; kill++) {
        const expected = new SectorExpectation(tags.map((tag) => tag ?? 0));
        const lines = await writeUntilKilled(file, format, kill, kill * 1_000_000, random.below(400));
        const finish = new Map<string, () => void>();
        for (const line of lines) {
          const [what, id, kind, first, count, tag] = line.split(' ');
          if (what === 'f') finish.set(id, expected.flush());
          else if (what === 'b')
            finish.set(id, expected.begin(Number(first), Number(count), kind === 'write' ? Number(tag) : 0, kind === 'discard'));
          else finish.get(id)?.();
          if (what === 'F') flushes++;
        }
        if (format === 'qcow2') {
          const { found } = await checkDisk(file);
          expect(
            found.problems.filter((problem) => !problem.includes('leaked')),
            `kill ${kill}`,
          ).toEqual([]);
          // 3: leaks, but nothing worse.
          if (hasQemu) expect([0, 3]).toContain(spawnSync('qemu-img', ['check', file]).status);
        }
        tags = await tagsOf(file, format);
        const wrong = tags.flatMap((tag, sector) =>
          tag !== undefined && expected.allows(sector, tag) ? [] : [`sector ${sector} has ${tag}`],
        );
        expect(wrong, `kill ${kill}`).toEqual([]);
      }
      expect(flushes).toBeGreaterThan(KILLS);
    },
    KILLS * 10_000 + 60_000,
  );
});
