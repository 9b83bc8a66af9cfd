import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../test/support/random';
import { anHourLater } from '../../test/support/an-hour-later';
import { AsyncBlockDevice } from '../backend/disk/async-block-device';
import { checkDisk } from '../backend/disk/disk-images';
import { Library } from './library';

/** How often a process is killed. */
const KILLS = process.env['HARTBOX_LONG'] ? 200 : 30;
/** What all disks but new ones begin with. */
const CONTENT = Buffer.from('what must never be lost '.repeat(10_000));

let folder: string;
let worker: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-killed-library-'));
  const entry = fileURLToPath(new URL('../../test/support/library-worker.ts', import.meta.url));
  await build({
    configFile: false,
    logLevel: 'error',
    build: { ssr: entry, outDir: folder, emptyOutDir: false, minify: false, rollupOptions: { output: { entryFileNames: 'worker.mjs' } } },
    ssr: { noExternal: true, external: ['koffi'] },
  });
  worker = join(folder, 'worker.mjs');
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const dataOf = (name: string): string => join(folder, name, 'data');

async function origin(library: Library): Promise<void> {
  await library.create({ name: 'Origin', notes: '0' }, { disk: { size: 1 << 20 } });
  const disk = await AsyncBlockDevice.open((await library.settings('origin')).values.drives[0].file);
  await disk.write(0, CONTENT);
  await disk.flush();
  await disk.close();
}

/** Everything in a library is whole: nothing is left half done, all settings and disks can be read, and what was on a disk is there. */
async function expectWhole(library: Library, when: string): Promise<void> {
  const data = dirname(library.directory);
  for (const part of ['machines', 'trash', 'bases']) {
    const names = await readdir(join(data, part)).catch(() => []);
    expect(
      names.filter((name) => /^\.(new|old)-/.test(name)),
      when,
    ).toEqual([]);
  }
  const parts = (await readdir(data, { recursive: true })).concat((await readdir(dirname(data))).map((name) => join('..', name)));
  const leftovers = parts.filter((name) => /\.part-|\.lock|unfinished.[0-9a-f]/.test(name));
  // A lock that its owner had no time to write itself into could be somebody's for some seconds more.
  const sizes = await Promise.all(
    leftovers.map(async (name) => (/\.lock(\.\d+-\d+)?$/.test(name) ? (await stat(join(data, name))).size : undefined)),
  );
  expect(
    leftovers.filter((_, at) => sizes[at] !== 0),
    when,
  ).toEqual([]);
  for (const { trashId } of await library.trashed()) await library.restore(trashId);
  const entries = await library.list();
  expect(entries.map(({ id }) => id)).toContain('origin');
  for (const { id, values, error } of entries) {
    expect(error, `${when}: ${id}`).toBeUndefined();
    for (const { file } of values?.drives ?? []) {
      const { found } = await checkDisk(file);
      expect(found.corruptions, `${when}: ${id}`).toBe(0);
      const disk = await AsyncBlockDevice.open(file, { readonly: true });
      const content = Buffer.alloc(CONTENT.length);
      await disk.read(0, content);
      await disk.close();
      const isNew = values?.name.startsWith('New');
      expect(content.equals(isNew ? Buffer.alloc(CONTENT.length) : CONTENT), `${when}: ${id}`).toBe(true);
    }
  }
}

/** All that library-worker.ts does. */
const OPERATIONS = ['change', 'create', 'full', 'linked', 'import', 'export', 'write', 'convert', 'remove'];

describe('a library whose processes are killed', () => {
  it(
    'has every box as it was before or as it is after',
    async () => {
      const library = new Library(dataOf('killed'));
      await origin(library);
      const random = new Random(7);
      const done = new Map<string, number>();
      let changes = 0;
      // On a busy machine fewer are done in a round, and it takes more of them until each has been.
      const isMissing = (): boolean => OPERATIONS.some((name) => !done.has(name));
      for (let kill = 1; kill <= KILLS || (isMissing() && kill <= 3 * KILLS); kill++) {
        const child = spawn(process.execPath, [worker, dataOf('killed'), `${kill}`], {
          stdio: ['ignore', 'pipe', 'pipe'],
          env: { ...process.env, HARTBOX_HOME: dataOf('killed') },
        });
        let said = '';
        let errors = '';
        // So many operations are let through first: else a busy machine would hardly get beyond each one's beginning.
        const through = random.below(5);
        const isThrough = new Promise<void>((resolve) => {
          child.stdout.on('data', (text: Buffer) => {
            said += text.toString();
            if (said.split('\n<').length > through) resolve();
          });
        });
        child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
        const closed = once(child, 'close');
        await Promise.race([isThrough, closed]);
        await delay(random.below(60));
        child.kill('SIGKILL');
        await closed;
        expect(errors).toBe('');
        const lines = said.split('\n').slice(0, -1);
        for (const line of lines.filter((one) => one.startsWith('<'))) {
          const [, name] = line.split(' ');
          done.set(name, (done.get(name) ?? 0) + 1);
        }
        const when = `kill ${kill} during ${lines.at(-1)}`;
        await anHourLater(dataOf('killed'));
        await library.recover();
        await expectWhole(library, when);
        changes += lines.filter((line) => line === '< change origin').length;
        const notes = Number((await library.settings('origin')).values.notes);
        expect([changes, changes + 1], when).toContain(notes);
        changes = notes;
        // Not so many that each round takes longer than the last.
        for (const { id } of (await library.list()).slice(4)) if (id !== 'origin') await library.remove(id);
        if (kill % 5 === 0) await library.emptyTrash();
      }
      expect([...done.keys()]).toEqual(expect.arrayContaining(OPERATIONS));
    },
    3 * KILLS * 10_000 + 60_000,
  );

  it('loses nothing when several processes change the same box at once', async () => {
    const library = new Library(dataOf('shared'));
    await origin(library);
    const children = [1, 2, 3].map((seed) =>
      spawn(process.execPath, [worker, dataOf('shared'), `${seed}`, 'origin', '40'], { stdio: ['ignore', 'inherit', 'inherit'] }),
    );
    expect(await Promise.all(children.map(async (child) => (await once(child, 'close'))[0] as number))).toEqual([0, 0, 0]);
    expect((await library.settings('origin')).values.notes).toBe('120');
    expect((await readdir(library.folder('origin'))).sort()).toEqual(['config.json', 'disk.qcow2']);
  }, 60_000);
});
