import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Library } from '../engine/runner/library';
import { boxArguments, boxRequests } from './box-requests';

let home: string;
let library: Library;
let dialog: { showOpenDialog: ReturnType<typeof vi.fn>; showSaveDialog: ReturnType<typeof vi.fn> };
const applyLive = vi.fn(async () => ({ live: ['priority'], restart: [] as string[] }));

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hartbox-requests-'));
  library = new Library(home);
  dialog = { showOpenDialog: vi.fn(async () => ({ filePaths: [] })), showSaveDialog: vi.fn(async () => ({})) };
});
afterEach(async () => {
  await rm(home, { recursive: true, force: true, maxRetries: 5 });
});

function requests(live = false): ReturnType<typeof boxRequests> {
  return boxRequests({
    library,
    dialog: dialog as never,
    window: () => undefined,
    locale: () => 'de',
    tell: () => undefined,
    recovery: Promise.resolve([{ what: 'half-made', count: 2, names: [], message: '2 boxes' }]),
    applyLive: live ? applyLive : async () => undefined,
  });
}

describe('requests about boxes', () => {
  it('say once what was found of a crash', async () => {
    const { 'box.recovered': recovered } = requests();
    expect(await recovered()).toEqual([{ what: 'half-made', count: 2, names: [] }]);
    expect(await recovered()).toEqual([]);
  });

  it('make a box with a disk, or nothing where a value is wrong', async () => {
    const id = await requests()['box.create']({ name: 'My Box', harts: 2 }, { size: 2 ** 30 });
    const { set, values, running } = await requests()['box.settings'](id);
    expect(set).toMatchObject({ name: 'My Box', harts: 2, drives: [{ file: join(library.folder(id), 'disk.qcow2') }] });
    expect(values.memory).toBe(512 * 2 ** 20);
    expect(running).toBe(false);
    await expect(async () => requests()['box.create']({ name: 'Bad', harts: 99 }, { size: 2 ** 30 })).rejects.toMatchObject({
      code: 'setting-count',
    });
    expect((await library.list()).map((entry) => entry.id)).not.toContain('bad');
  });

  it('offer kinds of files in the language of the user', async () => {
    await requests()['box.pick-file']('drive');
    await requests()['box.pick-file']('kernel');
    await requests()['box.import'](null, 'task');
    expect(dialog.showOpenDialog.mock.calls.map(([{ filters }]) => (filters as { name: string }[]).map(({ name }) => name))).toEqual([
      ['Festplattenabbilder', 'Alle Dateien'],
      [],
      ['Hartbox-Boxen', 'Alle Dateien'],
    ]);
  });

  it('change values by key, and take away those that are null', async () => {
    const id = await requests()['box.create']({ name: 'One', harts: 2, notes: 'x' }, null);
    const { revision } = await requests()['box.settings'](id);
    const change = await requests()['box.change'](id, { harts: 3, notes: null }, revision);
    expect(change).toMatchObject({ stale: false, live: [], restart: [], settings: { set: { name: 'One', harts: 3 } } });
    expect(await readFile(library.configFile(id), 'utf8')).not.toContain('notes');
  });

  it('change nothing where the file is another one by now', async () => {
    const id = await requests()['box.create']({ name: 'One', harts: 2 }, null);
    const { revision } = await requests()['box.settings'](id);
    await library.rename(id, 'Two');
    const change = await requests()['box.change'](id, { harts: 3 }, revision);
    expect(change).toMatchObject({ stale: true, settings: { set: { name: 'Two', harts: 2 } } });
    expect(change.settings.revision).not.toBe(revision);
  });

  it('say what of a running box took effect', async () => {
    const id = await requests()['box.create']({ name: 'One' }, null);
    const lock = await library.lock(id, 'the test');
    try {
      const first = await requests()['box.settings'](id);
      expect(first.running).toBe(true);
      const change = await requests()['box.change'](id, { notes: 'x', harts: 2 }, first.revision);
      expect(change).toMatchObject({ live: ['notes'], restart: ['harts'] });
      expect(await requests(true)['box.change'](id, { priority: 'low' }, change.settings.revision)).toMatchObject({
        live: ['priority'],
        restart: [],
      });
      expect(applyLive).toHaveBeenCalledWith(id);
    } finally {
      await lock.release();
    }
  });

  it('make further disks under names that are free', async () => {
    const id = await requests()['box.create']({ name: 'One' }, { size: 2 ** 20 });
    const make = requests()['box.create-disk'];
    expect(await make(id, { size: 2 ** 20 })).toBe(join(library.folder(id), 'disk-2.qcow2'));
    expect(await make(id, { size: 2 ** 20, format: 'raw' })).toBe(join(library.folder(id), 'disk.img'));
    await expect(async () => make('gone', { size: 2 ** 20 })).rejects.toMatchObject({ kind: 'State' });
  });

  it('remove a box and bring it back', async () => {
    const all = requests();
    const id = await all['box.create']({ name: 'One' }, null);
    const trashId = await all['box.remove'](id);
    expect((await library.list()).map((entry) => entry.id)).not.toContain(id);
    expect(await all['box.trashed']()).toMatchObject([{ trashId, id, name: 'One' }]);
    expect(await all['box.restore'](trashId)).toBe(id);
    expect((await library.list()).map((entry) => entry.id)).toContain(id);
  });

  it('delete boxes in the trash for good, also where another process was faster', async () => {
    const all = requests();
    const [one, two, three] = await Promise.all(['One', 'Two', 'Three'].map((name) => library.create({ name })));
    const [first, second] = [await all['box.remove'](one), await all['box.remove'](two)];
    const kept = await all['box.remove'](three);
    await library.purge(first);
    await all['box.purge']([first, second]);
    expect(await all['box.trashed']()).toMatchObject([{ trashId: kept }]);
    await expect(async () => all['box.restore'](second)).rejects.toMatchObject({ code: 'not-in-trash' });
  });

  it('do nothing where no file is picked', async () => {
    const all = requests();
    expect(await all['box.pick-file']('iso')).toBeNull();
    expect(await all['box.import'](null, 'task')).toBeNull();
    const id = await all['box.create']({ name: 'One' }, null);
    expect(await all['box.export'](id, 'task')).toBeNull();
  });

  it.each([
    ['box.settings', ['../x']],
    ['box.create', [{}, { size: 5 }]],
    ['box.create', [[], null]],
    ['box.pick-file', ['anything']],
    ['box.probe-file', ['']],
    ['box.change', ['one', {}]],
    ['box.remove', []],
  ] as const)('refuse %s with %j', (name, args) => {
    expect(boxArguments[name].safeParse(args).success).toBe(false);
  });
});
