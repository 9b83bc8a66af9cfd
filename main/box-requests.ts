import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import type { BrowserWindow, Dialog, FileFilter } from 'electron';
import { z } from 'zod';
import { VmError } from '../engine/errors/vm-error';
import { type Library, type Recovery, vmIdSchema } from '../engine/runner/library';
import { checkSettings } from '../engine/settings/problem';
import { type BoxValuesInput, boxValuesSchema, optionOf } from '../engine/settings/settings';
import { type BoxNotices, type BoxRequests, type BoxSettings, FILE_PURPOSES, type FilePurpose, type OutsideFile } from './box-contract';
import type { Locale } from './contract';
import { probeFile } from './file-probe';
import { messages } from './messages';

const path = z.string().min(1).max(4096);
const values = z.record(z.string().max(100), z.unknown());
const task = z.string().min(1).max(64);
const trashId = z.string().min(1).max(100);
const disk = z.strictObject({
  size: z
    .number()
    .int()
    .min(2 ** 20)
    .max(2 ** 43),
  format: z.enum(['qcow2', 'raw']).optional(),
});

const drives = z.array(z.strictObject({ file: path, format: z.enum(['auto', 'raw', 'qcow2']).optional() })).max(1000);
const outsideFiles = z.array(z.strictObject({ image: path, kind: z.enum(['backing', 'data']), name: path, file: path })).max(1000);

/** What each of these requests may carry. */
export const boxArguments: { [N in keyof BoxRequests]: z.ZodType<Parameters<BoxRequests[N]>> } = {
  'box.host-facts': z.tuple([]),
  'box.settings': z.tuple([vmIdSchema]),
  'box.create': z.tuple([values, disk.nullable()]),
  'box.change': z.tuple([vmIdSchema, values, z.string().max(100)]),
  'box.probe-file': z.tuple([path]),
  'box.pick-file': z.tuple([z.enum(FILE_PURPOSES)]),
  'box.create-disk': z.tuple([vmIdSchema, disk]),
  'box.clone': z.tuple([vmIdSchema, z.boolean(), task]),
  'box.outside-files': z.tuple([drives]),
  'box.allow-files': z.tuple([outsideFiles]),
  'box.remove': z.tuple([vmIdSchema]),
  'box.trashed': z.tuple([]),
  'box.restore': z.tuple([trashId]),
  'box.purge': z.tuple([z.array(trashId).max(10_000)]),
  'box.export': z.tuple([vmIdSchema, task]),
  'box.import': z.tuple([path.nullable(), task]),
  'box.recovered': z.tuple([]),
  'box.cancel': z.tuple([task]),
};

export interface BoxRequestsOptions {
  library: Library;
  dialog: Pick<Dialog, 'showOpenDialog' | 'showSaveDialog'>;
  window: () => BrowserWindow | undefined;
  locale: () => Locale;
  /** Tells the window how far a task is. */
  tell: (progress: BoxNotices['box.progress']) => void;
  /** What is cleaned up at the start. */
  recovery: Promise<Recovery[]>;
  /** Have a box that runs take over its changed settings, and say which it has and which wait; undefined where it cannot be reached. */
  applyLive: (id: string) => Promise<{ live: string[]; restart: string[] } | undefined>;
}

type Handlers = {
  [N in keyof BoxRequests]: (...args: Parameters<BoxRequests[N]>) => ReturnType<BoxRequests[N]> | Promise<ReturnType<BoxRequests[N]>>;
};

const EXTENSION = 'hartbox';
/** How files are called; kernels, firmware and what goes with them have all kinds of names. */
const EXTENSIONS = {
  iso: ['iso'],
  drive: ['qcow2', 'img', 'raw', 'iso'],
  box: [EXTENSION],
};

function isNamed(purpose: string): purpose is keyof typeof EXTENSIONS {
  return Object.hasOwn(EXTENSIONS, purpose);
}

/** Answers to the requests about boxes. */
export function boxRequests({ library, dialog, window, locale, tell, recovery, applyLive }: BoxRequestsOptions): Handlers {
  const tasks = new Map<string, AbortController>();
  let isRecoverySaid = false;

  async function settingsOf(id: string): Promise<BoxSettings> {
    const [file, running] = await Promise.all([library.settings(id), library.isRunning(id)]);
    return { id, set: { ...file.set }, values: file.values, running, revision: revisionOf(file.set) };
  }

  /** Do something that takes time, with progress told and a way to give it up. */
  async function during<T>(
    name: string,
    work: (options: { signal: AbortSignal; onProgress: (done: number, total: number) => void }) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    tasks.set(name, controller);
    let told = 0;
    try {
      return await work({
        signal: controller.signal,
        onProgress: (done, total) => {
          // As often as one can see it move.
          if (Date.now() - told < 100 && done < total) return;
          told = Date.now();
          tell({ task: name, done, total });
        },
      });
    } finally {
      tasks.delete(name);
    }
  }

  /** What a dialog offers to show, in the user's language. */
  function filtersFor(purpose: FilePurpose | 'box'): FileFilter[] {
    const { files } = messages[locale()];
    return isNamed(purpose) ? [{ name: files[purpose], extensions: EXTENSIONS[purpose] }] : [];
  }

  async function pick(purpose: FilePurpose | 'box'): Promise<string | null> {
    const offered = filtersFor(purpose);
    const anyFile: FileFilter = { name: messages[locale()].files.any, extensions: ['*'] };
    const isFolder = purpose === 'semihostingFolder' || purpose === 'folder';
    const options: Electron.OpenDialogOptions = {
      properties: [isFolder ? 'openDirectory' : 'openFile'],
      filters: offered.length > 0 ? [...offered, anyFile] : [],
    };
    const parent = window();
    const { filePaths } = await (parent ? dialog.showOpenDialog(parent, options) : dialog.showOpenDialog(options));
    return filePaths[0] ?? null;
  }

  return {
    'box.host-facts': () => ({ memory: totalmem(), processors: availableParallelism() }),
    'box.settings': settingsOf,
    'box.create': (given, newDisk) => {
      // Before anything is made.
      checkSettings(boxValuesSchema, given, '');
      return library.create(given, newDisk ? { disk: newDisk } : {});
    },
    'box.change': async (id, changes, revision) => {
      let stale = false;
      try {
        const { changed } = await library.change(id, (set) => {
          stale = revisionOf(set) !== revision;
          // The way to end a change without one.
          if (stale) throw new Error('The settings are not those that were looked at.');
          const given = Object.fromEntries(Object.entries(changes).map(([key, value]) => [key, value ?? undefined]));
          return { ...set, ...given };
        });
        const settings = await settingsOf(id);
        if (!settings.running) return { stale: false, settings, live: [], restart: [] };
        const told = await applyLive(id);
        // What only the app looks at is in force by itself; where the engine could not be told, all else waits.
        const ofApp = changed.filter((key) => optionOf(key)?.part === 'app');
        const others = told ?? { live: [], restart: changed };
        return {
          stale: false,
          settings,
          live: [...new Set([...ofApp, ...others.live])],
          restart: others.restart.filter((key) => !ofApp.includes(key)),
        };
      } catch (error) {
        if (stale) return { stale: true, settings: await settingsOf(id) };
        throw error;
      }
    },
    'box.probe-file': probeFile,
    'box.pick-file': pick,
    'box.create-disk': async (id, { size, format = 'qcow2' }) => {
      // It brings the whole engine along, which the window can do without until then.
      const { createDisk } = await import('../engine/index');
      const folder = library.folder(id);
      if (!existsSync(folder)) throw new VmError('State', `There is no box "${id}" any more.`, { code: 'box-gone', params: { id } });
      const name = (n: number): string => join(folder, `disk${n === 1 ? '' : `-${n}`}.${format === 'raw' ? 'img' : 'qcow2'}`);
      let n = 1;
      while (existsSync(name(n))) n++;
      await createDisk({ file: name(n), size, format });
      return name(n);
    },
    'box.clone': (id, linked, name) => during(name, (options) => library.clone(id, { linked, ...options })),
    'box.outside-files': async (images) => {
      const { imageChain } = await import('../engine/index');
      const found: OutsideFile[] = [];
      for (const { file, format } of images) {
        // What is wrong with an image is said when it is used.
        const chain = format === 'raw' ? [] : await imageChain(file, { format }).catch(() => []);
        for (const { permission, ...reference } of chain) {
          const isKnown = found.some(({ image, kind }) => image === reference.image && kind === reference.kind);
          if (permission === undefined && !isKnown) found.push(reference);
        }
      }
      return found;
    },
    'box.allow-files': async (files) => {
      const { allowReferences } = await import('../engine/index');
      await allowReferences(files);
    },
    'box.remove': (id) => library.remove(id),
    'box.trashed': () => library.trashed(),
    'box.restore': (id) => library.restore(id),
    'box.purge': async (ids) => {
      for (const id of ids)
        await library.purge(id).catch((error: unknown) => {
          // Somebody else was faster.
          if (!(error instanceof VmError && error.code === 'not-in-trash')) throw error;
        });
    },
    'box.export': async (id, name) => {
      const { values: described } = await library.settings(id);
      const options: Electron.SaveDialogOptions = {
        defaultPath: `${described.name.replace(/[\\/:*?"<>|]/g, '-')}.${EXTENSION}`,
        filters: filtersFor('box'),
      };
      const parent = window();
      const { filePath } = await (parent ? dialog.showSaveDialog(parent, options) : dialog.showSaveDialog(options));
      if (!filePath) return null;
      // The dialog has asked about a file that is there.
      await during(name, (options) => library.export(id, filePath, { replace: true, ...options }));
      return filePath;
    },
    'box.import': async (file, name) => {
      const source = file ?? (await pick('box'));
      if (source === null) return null;
      return during(name, (options) => library.import(source, options));
    },
    'box.recovered': async () => {
      // A window that is loaded again has said it.
      const said = isRecoverySaid;
      isRecoverySaid = true;
      return said ? [] : (await recovery).map(({ what, count, names }) => ({ what, count, names }));
    },
    'box.cancel': (name) => tasks.get(name)?.abort(),
  };
}

function revisionOf(set: BoxValuesInput): string {
  return createHash('sha256').update(JSON.stringify(set)).digest('hex');
}
