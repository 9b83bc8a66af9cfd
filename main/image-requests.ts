import { join } from 'node:path';
import type { utilityProcess } from 'electron';
import { z } from 'zod';
import type { CatalogueEntry } from '../engine/catalogue/catalogue';
import { createImageBox, readsSeed, seedOptions } from '../engine/catalogue/image-box';
import { imageProcessMessageSchema } from '../engine/catalogue/image-process-messages';
import { type ImageState, ImageStore } from '../engine/catalogue/image-store';
import { ownKeys, ownUserName } from '../engine/catalogue/own-user';
import type { ImageProgress } from '../engine/catalogue/progress';
import { VmError } from '../engine/errors/vm-error';
import { errorOf } from '../engine/runner/error-report';
import type { Library } from '../engine/runner/library';
import { checkSettings } from '../engine/settings/problem';
import { flatSchema } from '../engine/settings/settings';
import type { V8Verdict } from '../engine/threads/v8-verdict-schema';
import { engineEnvironment } from './engine-host';
import type { ImageNotices, ImageRequests, ImageView } from './image-contract';
import { takeOutput } from './utility-output';

const image = z.string().min(1).max(64);
const task = z.string().min(1).max(64);
const text = z.string().max(1024);
const diskSize = z
  .number()
  .int()
  .min(2 ** 20)
  .max(2 ** 43);

/** What each of these requests may carry. */
export const imageArguments: { [N in keyof ImageRequests]: z.ZodType<Parameters<ImageRequests[N]>> } = {
  'image.list': z.tuple([]),
  'image.create-box': z.tuple([
    image,
    z.record(z.string().max(100), z.unknown()),
    z.strictObject({
      user: text.optional(),
      password: text.optional(),
      hostname: text.optional(),
      locale: text.optional(),
      withKeys: z.boolean(),
    }) as z.ZodType<Parameters<ImageRequests['image.create-box']>[2]>,
    diskSize.nullable(),
    task,
  ]),
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
      const [states, cacheBytes] = await Promise.all([store().list(), store().cacheBytes()]);
      return { images: states.map(viewOf), cacheBytes, user: ownUserName() };
    },
    'image.create-box': async (id, values, { withKeys, ...given }, size, name) => {
      const { entry, stored } = await store().find(id);
      // Before anything is fetched.
      const checked = checkSettings(flatSchema.partial(), values, '');
      const sshKeys = withKeys ? await ownKeys() : [];
      const seed = seedOptions(entry, checked.name ?? entry.name, { ...given, sshKeys });
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
    memory: box.memory,
    hasScreen: box.screens > 0,
  };
}

function profileOf(entry: CatalogueEntry): string {
  return entry.kind === 'download' ? (entry.needs?.profile ?? '') : '';
}
