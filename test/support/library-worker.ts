import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AsyncBlockDevice } from '../../engine/backend/disk/async-block-device';
import { convertDisk } from '../../engine/backend/disk/disk-images';
import { Library } from '../../engine/runner/library';
import { Random } from './random';

/**
 * A process that works on a library until it is killed, or, with a count, changes a box so many times. It says what it is about to do and what
 * is done: `> clone origin`, `< clone origin-copy`.
 *
 *     node library-worker.mjs DATA SEED [BOX COUNT]
 */
const [data, seed, box, count] = process.argv.slice(2);
const library = new Library(data);
const random = new Random(Number(seed));
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const addOne = (id: string): Promise<unknown> => library.change(id, (set) => ({ ...set, notes: `${Number(set.notes ?? '0') + 1}` }));

if (box !== undefined) {
  for (let i = 0; i < Number(count); i++) await addOne(box);
} else {
  const archive = join(data, '..', 'box.hartbox');
  for (let n = 0; ; n++) {
    const ids = (await library.list()).map(({ id }) => id);
    const any = ids[random.below(ids.length)];
    const trashed = await library.trashed();
    const crowded = ids.length > 6;
    const operations: [string, () => Promise<unknown>][] = [
      ['change origin', () => addOne('origin')],
      ['change origin', () => addOne('origin')],
      ...(crowded
        ? []
        : ([
            ['create', () => library.create({ name: `New ${n}` }, { disk: { size: 1 << 20, format: n % 2 === 0 ? 'raw' : 'qcow2' } })],
            [`full ${any}`, () => library.clone(any, { linked: false })],
            [`linked ${any}`, () => library.clone(any, { linked: true })],
            [`linked origin`, () => library.clone('origin', { linked: true })],
            [`import`, () => library.import(archive).catch(() => undefined)],
          ] as [string, () => Promise<unknown>][])),
      [`export ${any}`, () => library.export(any, archive, { replace: true })],
      ['write', () => write(any)],
      ['convert', () => convert(any)],
      ...(any === 'origin' ? [] : ([[`remove ${any}`, () => library.remove(any)]] as [string, () => Promise<unknown>][])),
      ...(trashed.length > 0 && !crowded
        ? ([[`restore ${trashed[0].trashId}`, () => library.restore(trashed[0].trashId)]] as [string, () => Promise<unknown>][])
        : []),
      ...(trashed.length > 2 ? ([['purge', () => library.purge(trashed[2].trashId)]] as [string, () => Promise<unknown>][]) : []),
      ...(n % 10 === 9 ? ([['no archive', () => rm(archive, { force: true })]] as [string, () => Promise<unknown>][]) : []),
    ];
    const [name, work] = operations[random.below(operations.length)];
    say(`> ${name}`);
    await work();
    say(`< ${name}`);
  }
}

/** To where a user wants it. */
async function convert(id: string): Promise<void> {
  const [drive] = (await library.settings(id)).values.drives;
  if (!drive) return;
  const target = join(data, '..', 'converted.img');
  await rm(target, { force: true });
  await convertDisk({ from: drive.file, to: target, format: 'raw' });
}

/** Behind what all disks have in common. */
async function write(id: string): Promise<void> {
  const [drive] = (await library.settings(id)).values.drives;
  if (!drive) return;
  const lock = await library.lock(id, 'the worker');
  const disk = await AsyncBlockDevice.open(drive.file, { format: drive.format });
  await disk.write((512 << 10) + 4096 * random.below(100), Buffer.alloc(5000, random.below(256)));
  await disk.flush();
  await disk.close();
  await lock.release();
}
