import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeBareMetal } from '../support/bare-metal';
import { attack, type EndBy, prepareBox, SLACK } from './attack';
import { randomGuest } from './generator';
import { Random } from '../support/random';

const isLong = process.env['HARTBOX_LONG'] !== undefined;
/** HARTBOX_SEED repeats a guest that failed, HARTBOX_GUESTS says how many are tried, HARTBOX_STORM for how many milliseconds each. */
const SEED = process.env['HARTBOX_SEED'];
const GUESTS = SEED === undefined ? Number(process.env['HARTBOX_GUESTS'] ?? (isLong ? 2000 : 10)) : 1;
const STORM = Number(process.env['HARTBOX_STORM'] ?? (isLong ? 3000 : 1000));

let folder: string;
let home: string;
let disks: string[];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-random-'));
  disks = [0, 1, 2].map((i) => {
    const disk = join(folder, `disk-${i}`);
    writeFileSync(disk, '');
    truncateSync(disk, 4 << 20);
    return disk;
  });
  home = await prepareBox(folder);
});
afterAll(() => {
  for (const path of [folder, home]) rmSync(path, { recursive: true, force: true });
});

// The short form tries the same guests each time, so that a failure is the change's.
const first = SEED === undefined ? (isLong ? Date.now() : 1) : Number(SEED);
const seeds = Array.from({ length: GUESTS }, (_, i) => first + i);

describe('bare-metal programs made of random acts', { timeout: 120_000 * SLACK + STORM }, () => {
  it.each(seeds)('leave the engine sound: HARTBOX_SEED=%i', async (seed) => {
    const guest = randomGuest(seed, disks);
    const kernel = join(folder, 'guest.elf');
    writeBareMetal(kernel, guest.write, guest);
    const random = new Random(seed);
    const end = random.pick<EndBy>(['timeout', 'SIGINT', 'SIGTERM', 'stop']);
    const outcome = await attack({
      args: ['--kernel', kernel, ...guest.args],
      harts: guest.harts,
      end,
      storm: STORM,
      pause: random.oneIn(2),
      stdout: random.pick(['fast', 'slow', 'none']),
      stderr: random.pick(['fast', 'slow', 'none']),
      home,
    });
    console.log(
      seed,
      guest.harts,
      guest.args.join(' '),
      end,
      JSON.stringify({ ...outcome, stderr: outcome.stderr.slice(-150), memory: (outcome.memory ?? 0) >> 20 }),
    );
    expect(outcome.faults).toEqual([]);
  });
});
