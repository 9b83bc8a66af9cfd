import { writeSync } from 'node:fs';
import { AsyncBlockDevice } from '../../engine/backend/disk/async-block-device';
import { Random } from './random';
import { SECTOR, stamp } from './sector-expectation';

/**
 * A process of its own that writes to a disk until it is killed: `node disk-writer.js FILE FORMAT SEED FIRST-TAG`. It tells on standard
 * output, a line each, what it begins and what is done: `b ID KIND FIRST COUNT TAG`, `d ID`; flushes are `f ID` and `F ID`.
 */
const [file, format, seed, firstTag] = process.argv.slice(2);
const random = new Random(Number(seed));
const say = (line: string): void => void writeSync(1, `${line}\n`);

const disk = await AsyncBlockDevice.open(file, { format: format as 'raw' | 'qcow2' });
const sectors = disk.size / SECTOR;
let pending: { first: number; count: number; done: Promise<void> }[] = [];
for (let id = 0; ; id++) {
  const tag = Number(firstTag) + id;
  const first = random.below(sectors);
  const count = Math.min(1 + random.below(random.oneIn(4) ? 400 : 16), sectors - first);
  await Promise.all(pending.filter((other) => other.first < first + count && first < other.first + other.count).map(({ done }) => done));
  if (pending.length >= 8) {
    await Promise.all(pending.map(({ done }) => done));
    pending = [];
  }
  const choice = random.below(16);
  if (choice === 0) {
    say(`f ${id}`);
    pending.push({ first: 0, count: 0, done: disk.flush().then(() => say(`F ${id}`)) });
    continue;
  }
  const kind = choice === 1 ? 'zero' : choice === 2 ? 'discard' : 'write';
  say(`b ${id} ${kind} ${first} ${count} ${tag}`);
  const work =
    kind === 'write'
      ? disk.writev(first * SECTOR, [stamp(new Uint8Array(count * SECTOR), tag)])
      : kind === 'zero'
        ? disk.writeZeroes(first * SECTOR, count * SECTOR, { unmap: random.oneIn(2) })
        : disk.discard(first * SECTOR, count * SECTOR);
  pending.push({ first, count, done: work.then(() => say(`d ${id}`)) });
}
