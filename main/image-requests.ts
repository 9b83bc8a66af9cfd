import { basename, join } from 'node:path';
import type { utilityProcess } from 'electron';
import { z } from 'zod';
import type { CatalogueEntry } from '../engine/catalogue/catalogue';
import { boxDisk, createImageBox, readsSeed, seedOptions } from '../engine/catalogue/image-box';
import { imageProcessMessageSchema } from '../engine/catalogue/image-process-messages';
import { type ImageState, ImageStore } from '../engine/catalogue/image-store';
import { keysIn, ownKeyFiles, ownKeys, ownUserName } from '../engine/catalogue/own-user';
import type { ImageProgress } from '../engine/catalogue/progress';
import { systemError } from '../engine/errors/system-error';
import { VmError } from '../engine/errors/vm-error';
import { readText } from '../engine/host/open-file';
import type { BoxSeed } from '../engine/images/seed/box-seed';
import { errorOf } from '../engine/runner/error-report';
import type { Library } from '../engine/runner/library';
import { checkSettings } from '../engine/settings/problem';
import { flatSchema } from '../engine/settings/settings';
import type { V8Verdict } from '../engine/threads/v8-verdict-schema';
import { engineEnvironment } from './engine-host';
import type { ImageBoxSeed, ImageNotices, ImageRequests, ImageView } from './image-contract';
import { takeOutput } from './utility-output';

const image = z.string().min(1).max(64);
const task = z.string().min(1).max(64);
const text = z.string().max(1024);
const diskSize = z
  .number()
  .int()
  .min(2 ** 20)
  .max(2 ** 43);

const values = z.record(z.string().max(100), z.unknown());
const seed = z.strictObject({
  user: text.optional(),
  password: text.optional(),
  hostname: text.optional(),
  timezone: text.optional(),
  locale: text.optional(),
  withKeys: z.boolean(),
  keyFile: z.string().min(1).max(4096).optional(),
}) as z.ZodType<ImageBoxSeed>;

/** What each of these requests may carry. */
export const imageArguments: { [N in keyof ImageRequests]: z.ZodType<Parameters<ImageRequests[N]>> } = {
  'image.list': z.tuple([]),
  'image.check-box': z.tuple([image, values, seed]),
  'image.create-box': z.tuple([image, values, seed, diskSize.nullable(), task]),
  'image.fetch': z.tuple([image, z.boolean(), task]),
  'image.cancel': z.tuple([task]),
  'image.remove': z.tuple([image]),
  'image.clear-cache': z.tuple([]),
};

export interface ImageRequestsOptions {
  library: Library;
  dataFolder: string;
  fork: typeof utilityProcess.fork;
  /** The flags that V8 runs harts with. */
  verdict: () => Promise<V8Verdict>;
  log: { warn: (...parts: unknown[]) => void };
  /** Tells the window how far a task is. */
  tell: (notice: ImageNotices['image.progress']) => void;
}

type Handlers = {
  [N in keyof ImageRequests]: (
    ...args: Parameters<ImageRequests[N]>
  ) => ReturnType<ImageRequests[N]> | Promise<ReturnType<ImageRequests[N]>>;
};

/** Answers to the requests about systems of the catalogue. What takes long is done by a process of its own, which is ended to give it up. */
export function imageRequests({ library, dataFolder, fork, verdict, log, tell }: ImageRequestsOptions): Handlers {
  const tasks = new Map<string, AbortController>();

  async function fetch(id: string, update: boolean, signal: AbortSignal, onProgress: (progress: ImageProgress) => void): Promise<void> {
    const v8 = await verdict();
    signal.throwIfAborted();
    const child = fork(join(import.meta.dirname, 'image-process.js'), [], {
      serviceName: `Hartbox image (${id})`,
      stdio: 'pipe',
      env: engineEnvironment(dataFolder),
    });
    void takeOutput(child, { stdout: () => undefined, stderr: (text) => log.warn(text.trimEnd()) });
    // Without a listener the event would be an exception in the main process. `exit` follows.
    child.on('error', (type: string) => log.warn(`The process that makes images failed (${type}).`));
    const abort = (): void => void child.kill();
    signal.addEventListener('abort', abort);
    try {
      await new Promise<void>((resolve, reject) => {
        child.on('message', (received: unknown) => {
          const message = imageProcessMessageSchema.safeParse(received);
          if (!message.success) return;
          if ('progress' in message.data) onProgress(message.data.progress);
          else if ('error' in message.data) reject(errorOf(message.data.error));
          else resolve();
        });
        child.on('exit', (code) =>
          reject(new VmError('Internal', `The process that makes the image ended too early (exit code ${code}). Try again.`)),
        );
        child.once('spawn', () => child.postMessage({ image: id, dataDirectory: dataFolder, v8, update }));
      });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** A task that can be given up. */
  async function during<T>(name: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    tasks.set(name, controller);
    try {
      return await work(controller.signal);
    } finally {
      tasks.delete(name);
    }
  }

  const store = (): ImageStore => new ImageStore(dataFolder);

  return {
    'image.list': async () => {
      const [states, cacheBytes, keys] = await Promise.all([store().list(), store().cacheBytes(), ownKeyFiles()]);
      return { images: states.map(viewOf), cacheBytes, user: ownUserName(), keys: keys.map((file) => basename(file)) };
    },
    'image.check-box': async (id, given, wish) => void (await seedFor((await store().find(id)).entry, given, wish)),
    'image.create-box': async (id, values, wish, size, name) => {
      const { entry, stored } = await store().find(id);
      // Before anything is fetched.
      const seed = await seedFor(entry, values, wish);
      return during(name, async (signal) => {
        if (!stored) await fetch(id, false, signal, (progress) => tell({ task: name, progress }));
        signal.throwIfAborted();
        const present = (await store().find(id)).stored;
        if (!present) throw new VmError('Internal', `the image ${id} is not where it was put`);
        return createImageBox(library, entry, present, { values, seed, ...(size !== null && { diskSize: size }), signal });
      });
    },
    'image.fetch': (id, update, name) => during(name, (signal) => fetch(id, update, signal, (progress) => tell({ task: name, progress }))),
    'image.cancel': (name) => tasks.get(name)?.abort(),
    'image.remove': (id) => store().remove(id),
    'image.clear-cache': () => store().clearCache(),
  };
}

/** What the box is told. Throws VmError 'Config' where that, or a value of its settings, does not fit. */
async function seedFor(entry: CatalogueEntry, given: object, { withKeys, keyFile, ...wish }: ImageBoxSeed): Promise<BoxSeed> {
  const checked = checkSettings(flatSchema.partial(), given, '');
  const sshKeys = [
    ...(withKeys ? await ownKeys() : []),
    ...(keyFile === undefined
      ? []
      : keysIn([
          await readText(keyFile).catch((error: unknown) => {
            throw systemError(error, `${keyFile} could not be read`) ?? error;
          }),
        ])),
  ];
  return seedOptions(entry, checked.name ?? entry.name, { ...wish, sshKeys });
}

function viewOf({ entry, stored, isBeingMade, missing }: ImageState): ImageView {
  const { id, name, kind, icon, downloadBytes, box } = entry;
  return {
    id,
    name,
    kind,
    icon,
    ...(entry.kind === 'debian' && { variant: entry.variant }),
    downloadBytes,
    diskBytes: stored?.bytes ?? entry.diskBytes,
    ...(stored && { made: stored.made }),
    isBeingMade,
    check: entry.kind === 'debian' || entry.checksums.signature ? 'signature' : 'checksums',
    readsSeed: readsSeed(entry),
    ...(missing.length > 0 && { missing: { profile: profileOf(entry), extensions: missing.join(', ') } }),
    boxDisk: boxDisk(entry, stored),
    memory: box.memory,
    hasScreen: box.screens > 0,
  };
}

function profileOf(entry: CatalogueEntry): string {
  return entry.kind === 'download' ? (entry.needs?.profile ?? '') : '';
}
