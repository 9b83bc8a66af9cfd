import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { diskInfo } from '../backend/disk/disk-images';
import { VmError } from '../errors/vm-error';
import { ensureFolder } from '../host/ensure-folder';
import { makeFolder, removeFolder, removeUnfinished } from '../host/new-folder';
import { replaceFile } from '../host/new-file';
import { hostFiles } from '../host/patient-files';
import { acquireFolder, isAcquired } from '../images/package-files';
import { type CatalogueEntry, missingExtensions, ownCatalogue } from './catalogue';
import type { FetchOptions, ImageJob } from './image-job';
import type { ImageProgress } from './progress';

/** image.json: what lies in an image's folder. */
const manifestSchema = z.object({
  id: z.string(),
  /** What it was made of: the same name for the same contents. */
  identity: z.string().regex(/^[0-9a-f]{16}$/),
  file: z.enum(['disk.qcow2', 'disk.img', 'disc.iso']),
  format: z.enum(['qcow2', 'raw']),
  /** Bytes of the disk that a box sees. */
  size: z.number().int().positive(),
  /** When, in milliseconds since 1970. */
  made: z.number(),
});
type Manifest = z.output<typeof manifestSchema>;

/** An image that lies here. */
export interface StoredImage extends Manifest {
  /** Path of the disk; for reading. */
  path: string;
  /** Bytes that it takes on this computer. */
  bytes: number;
}

export interface ImageState {
  entry: CatalogueEntry;
  stored: StoredImage | undefined;
  /** Some process fetches or makes it now. */
  isBeingMade: boolean;
  /** Extensions that the harts do not have; not empty means that it is not offered. */
  missing: string[];
}

/** Where packages of Debian are kept, for images to come. */
const CACHE = 'cache';
/** Which image whoever has the folder is making. */
const MAKING = '.making';

/** Images of the catalogue on this computer, in `images/`: a folder for each, and `cache/` for what they are made of. */
export class ImageStore {
  private readonly root: string;

  constructor(
    private readonly dataDirectory: string,
    readonly catalogue: readonly CatalogueEntry[] = ownCatalogue(),
  ) {
    this.root = join(dataDirectory, 'images');
  }

  /** All that the catalogue has. */
  async list(): Promise<ImageState[]> {
    const making = await this.making();
    return Promise.all(this.catalogue.map((entry) => this.stateOf(entry, making)));
  }

  /** Throws VmError 'Config' for what is not in the catalogue. */
  async find(id: string): Promise<ImageState> {
    const entry = this.catalogue.find((one) => one.id === id);
    if (entry) return this.stateOf(entry, await this.making());
    throw VmError.config(`There is no image "${id}". There are: ${this.catalogue.map((one) => one.id).join(', ')}.`, {
      code: 'image-unknown',
      params: { id },
    });
  }

  /**
   * The image, fetched or made unless it is there. Several processes may ask at once: one does the work. Throws VmError: 'Config' for what is
   * not in the catalogue or cannot run, 'Network', 'Resource' or 'Guest' as the work does; an abort throws the signal's reason.
   */
  async fetch(id: string, options: FetchOptions = {}): Promise<StoredImage> {
    const { signal, update, onProgress } = options;
    const { entry, stored, missing } = await this.find(id);
    if (missing.length > 0) throw notOffered(entry, missing);
    if (stored && !update) return stored;
    ensureFolder(join(this.root, CACHE));
    const waits = (): void => onProgress?.({ phase: 'wait', done: 0, total: 0, share: 0 });
    const release = await acquireFolder(this.root, signal, waits);
    try {
      // Another process may have made it meanwhile.
      const present = await this.read(id);
      if (present && (!update || present.made > Date.now())) return present;
      await removeUnfinished(this.root);
      const before = update ? present?.identity : undefined;
      await replaceFile(join(this.root, MAKING), id);
      await this.make(entry, options, before);
      const made = await this.read(id);
      if (!made) throw new VmError('Internal', `the image ${id} is not where it was put`);
      return made;
    } finally {
      await hostFiles.remove(join(this.root, MAKING)).catch(() => undefined);
      await release();
    }
  }

  /** Boxes that were made of it keep what they need. Throws VmError 'State' where it is not here. */
  async remove(id: string): Promise<void> {
    const { stored } = await this.find(id);
    if (!stored) throw new VmError('State', `The image ${id} is not on this computer.`, { code: 'image-not-here', params: { id } });
    await hostFiles.removeFolder(join(this.root, id));
  }

  /** Bytes of packages and unfinished downloads that are kept for images to come. */
  async cacheBytes(): Promise<number> {
    return bytesBelow(join(this.root, CACHE));
  }

  async clearCache(): Promise<void> {
    const release = await acquireFolder(this.root, undefined, () => undefined, 1000);
    try {
      await hostFiles.removeFolder(join(this.root, CACHE));
    } finally {
      await release();
    }
  }

  private async stateOf(entry: CatalogueEntry, making: string | undefined): Promise<ImageState> {
    return { entry, stored: await this.read(entry.id), isBeingMade: entry.id === making, missing: missingExtensions(entry) };
  }

  /** The image that some process is at. One that was killed has left its name, but holds no lock. */
  private async making(): Promise<string | undefined> {
    const id = await readFile(join(this.root, MAKING), 'utf8').catch(() => undefined);
    return id !== undefined && (await isAcquired(this.root)) ? id : undefined;
  }

  /** Undefined where the image is not here, or was left half done. */
  private async read(id: string): Promise<StoredImage | undefined> {
    const folder = join(this.root, id);
    try {
      const manifest = manifestSchema.parse(JSON.parse(await readFile(join(folder, 'image.json'), 'utf8')));
      const path = join(folder, manifest.file);
      const { blocks, size } = await stat(path);
      // Windows does not tell blocks.
      return { ...manifest, path, bytes: blocks > 0 ? blocks * 512 : size };
    } catch {
      return undefined;
    }
  }

  private async make(entry: CatalogueEntry, options: FetchOptions, before: string | undefined): Promise<void> {
    const { dataDirectory, root } = this;
    let isNew = true;
    const name = await makeFolder(
      root,
      (taken) => freeName(entry.id, taken),
      async (folder) => {
        const report = (progress: ImageProgress): void => options.onProgress?.(progress);
        const job: ImageJob = { ...options, dataDirectory, cache: join(root, CACHE), folder, report };
        // What makes one brings a whole machine along. Who only lists them, as the app's main process does, need not load that.
        const made =
          entry.kind === 'debian'
            ? await (await import('./debian-image')).makeDebian(entry.variant, entry.box.firmware, job, before)
            : await (await import('./download-image')).fetchDownload(entry, job, before);
        if (made === undefined) {
          isNew = false;
          return;
        }
        const { size } = await diskInfo(join(folder, made.file), { format: made.format });
        const manifest: Manifest = { id: entry.id, ...made, size, made: Date.now() };
        await replaceFile(join(folder, 'image.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
      },
    );
    if (name === entry.id) return;
    // An earlier one is there: it goes, or what was made now, where nothing is newer.
    if (!isNew) return removeFolder(join(root, name));
    await removeFolder(join(root, entry.id));
    await hostFiles.rename(join(root, name), join(root, entry.id));
  }
}

function freeName(id: string, taken: ReadonlySet<string>): string {
  let name = id;
  for (let n = 2; taken.has(name); n++) name = `${id}~${n}`;
  return name;
}

async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await bytesBelow(path);
    else bytes += (await stat(path).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}

function notOffered(entry: CatalogueEntry, missing: readonly string[]): VmError {
  const profile = entry.kind === 'download' ? (entry.needs?.profile ?? '') : '';
  return VmError.config(
    `${entry.name} does not run here: it needs harts with the profile ${profile}, and those of Hartbox do without ${missing.join(', ')}.`,
    { code: 'image-needs-extensions', params: { name: entry.name, profile, missing: missing.join(', ') } },
  );
}
