import { createWriteStream } from 'node:fs';
import { open, statfs, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { z } from 'zod';
import { ensureFolder } from '../host/ensure-folder';
import { LOOPBACK } from '../host/listen-address';
import { HARTBOX_VERSION } from '../host/version';
import { convertDisk } from '../backend/disk/disk-images';
import { shown } from '../backend/disk/image-reference';
import { VmError } from '../errors/vm-error';
import { type FileLock, shareFile } from '../host/file-lock';
import { unfitFileName } from '../host/file-name';
import { makeFolder, withNewFolder } from '../host/new-folder';
import { makeFile } from '../host/new-file';
import { openFile, readText } from '../host/open-file';
import { hostFiles } from '../host/patient-files';
import { type CopyOptions, lengthen } from '../host/sparse-file';
import { ByteSource } from '../images/byte-source';
import { type TarEntry, readTar } from '../images/tar';
import { TAR_END, tarHeader, tarPadding } from '../images/tar-writer';
import { mapPaths, readSettings, writeSettings } from '../settings/file';
import { formatForward, parseForward } from '../settings/network';
import type { BoxValuesInput } from '../settings/settings';
import { EntryWriter, type ScannedFile, entryOf, scanFile, storedBytes } from './archive-entry';
import { type BoxFile, filesOf } from './box-files';
import {
  LOCK_FILE,
  type LibraryFolders,
  OLD_OWNER_FILE,
  SETTINGS_FILE,
  freeId,
  freeName,
  insideOf,
  isInside,
  readBox,
  writeBox,
} from './box-folder';
import { qcow2Info } from './box-images';
import { lockForWork } from './box-lock';

/**
 * A box in one file, `NAME.hartbox`: a tar archive, compressed with gzip. First comes manifest.json, which says of each file that follows, in
 * order, how large it is and the SHA-256 of what is stored; then the settings, whose paths all lead to files of the archive; then those.
 * The settings are checked as any, the files by size and checksum, before the box appears. See archive-entry.ts for files with holes.
 */

export interface ExportOptions extends CopyOptions {
  /** Overwrite the file if there is one, once the new one is complete. */
  replace?: boolean;
}

export interface ImportOptions extends CopyOptions {
  /** The name in the file, or the first of "X 2", "X 3" … that is free, unless given. */
  name?: string;
}

/** Raised when an older Hartbox could no longer read it. */
const FORMAT_VERSION = 1;
const MANIFEST = 'manifest.json';
const FILES_MAX = 1000;
/** What is believed of the manifest, and of the settings. */
const TEXT_MAX = 1 << 20;
const PATH_MAX = 200;
/** A file that takes part in more would have to be larger than any file system lets it. */
const SIZE_MAX = 2 ** 50;
/** Headers and padding of one file: more would be meant to keep us busy. */
const HEADERS_MAX = 1 << 16;
/** zlib's fastest, 67 MB/s and 46 % of an installed system; level 6 does 27 MB/s for 42 %. */
const GZIP_LEVEL = 1;
const PIECE = 1 << 18;

const fileSchema = z.object({
  path: z.string().min(1).max(PATH_MAX),
  /** Bytes of the file. */
  size: z.number().int().min(0).max(SIZE_MAX),
  /** Bytes in the archive: less where it has holes, which are stored as a map. */
  stored: z.number().int().min(0).max(SIZE_MAX),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  sparse: z.boolean(),
});
const headSchema = z.object({ format: z.literal('hartbox-box'), version: z.number().int().min(1) });
const manifestSchema = headSchema.extend({
  name: z.string().max(1000),
  /** The Hartbox that wrote it: for people. */
  hartbox: z.string().max(100),
  files: z.array(fileSchema).min(1).max(FILES_MAX),
});
type Manifest = z.output<typeof manifestSchema>;

/** Write a box into a file. See Library.export. */
export async function exportBox(
  folders: LibraryFolders,
  id: string,
  file: string,
  { replace = false, onProgress, signal }: ExportOptions,
): Promise<void> {
  const folder = folders.box(id);
  const lock = await lockForWork(folder, 'export');
  try {
    const settings = await readBox(folder);
    const { files, settings: settingsIn } = await filesOf(folder, settings, { all: true });
    // Read twice: for the checksums, which come first in the archive, and for the archive.
    const total = 2 * files.reduce((sum, { size }) => sum + size, 0);
    let done = 0;
    const progress = (bytes: number): void => onProgress?.(done + bytes, total);
    await makeFile(
      file,
      (temporary) =>
        withUnlinkedCopies(files, folders.machines, signal, async (paths, scratch) => {
          const root = resolve('/box');
          const text = writeSettings(settingsIn(root), (path) => insideOf(root, path));
          const manifest: Manifest = {
            format: 'hartbox-box',
            version: FORMAT_VERSION,
            name: settings.values.name,
            hartbox: HARTBOX_VERSION,
            files: [],
          };
          const scans: [from: string, to: string, scan: ScannedFile][] = [];
          const settingsFile = join(scratch, SETTINGS_FILE);
          await writeFile(settingsFile, text);
          for (const { from, to } of [{ from: settingsFile, to: SETTINGS_FILE }, ...files]) {
            const path = paths.get(from) ?? from;
            const scan = await scanFile(path, { signal, onProgress: progress });
            const { size, stored, sha256, runs } = scan;
            if (from !== settingsFile) done += size;
            manifest.files.push({ path: to, size, stored, sha256, sparse: runs !== undefined });
            scans.push([path, to, scan]);
          }
          const read = (bytes: number): void => {
            done += bytes;
            progress(0);
          };
          await pipeline(
            Readable.from(archiveOf(manifest, scans, read, signal), { objectMode: false }),
            createGzip({ level: GZIP_LEVEL, chunkSize: PIECE }),
            createWriteStream(temporary, { flags: 'r+' }),
            { signal },
          );
        }),
      { replace },
    );
    onProgress?.(total, total);
  } finally {
    await lock.release();
  }
}

/** Images that show what others have, as images of their own in a scratch folder, by the paths of the others; all kept from change meanwhile. */
async function withUnlinkedCopies(
  files: readonly BoxFile[],
  parent: string,
  signal: AbortSignal | undefined,
  work: (paths: ReadonlyMap<string, string>, scratch: string) => Promise<void>,
): Promise<void> {
  const shares: FileLock[] = [];
  try {
    for (const { from, isImage } of files) if (isImage) shares.push(await shareFile(from));
    await withNewFolder(parent, async (scratch) => {
      const paths = new Map<string, string>();
      for (const { from, isFlattened } of files) {
        if (!isFlattened) continue;
        const copy = join(scratch, `${paths.size}.qcow2`);
        await convertDisk({ from, fromFormat: 'qcow2', to: copy, format: 'qcow2', signal });
        paths.set(from, copy);
      }
      await work(paths, scratch);
    });
  } finally {
    for (const share of shares) await share.release();
  }
}

async function* archiveOf(
  manifest: Manifest,
  scans: readonly (readonly [from: string, to: string, scan: ScannedFile])[],
  onRead: (bytes: number) => void,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const time = Date.now() / 1000;
  const text = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  yield tarHeader({ path: MANIFEST, size: text.length, time });
  yield text;
  yield* paddingOf(text.length);
  for (const [from, to, scan] of scans) {
    yield tarHeader({ ...entryOf(to, scan), time });
    const file = await openFile(from);
    try {
      for await (const piece of storedBytes(file, scan, signal)) {
        yield piece;
        onRead(piece.length);
      }
    } finally {
      await file.close();
    }
    yield* paddingOf(scan.stored);
  }
  yield TAR_END;
}

/** Streams of bytes take pieces that are not empty. */
function* paddingOf(size: number): Generator<Uint8Array> {
  const padding = tarPadding(size);
  if (padding.length > 0) yield padding;
}

/** Make a box of a file. See Library.import. */
export async function importBox(folders: LibraryFolders, file: string, { name, onProgress, signal }: ImportOptions): Promise<string> {
  const damaged = (what: string, cause?: unknown): VmError =>
    new VmError('Image', `${file} is damaged: ${what}. Export the box again, or download the file again.`, {
      cause,
      code: 'archive-damaged',
      params: { path: file },
    });
  const archive = await openFile(file);
  const input = archive.createReadStream({ highWaterMark: PIECE });
  const gunzip = createGunzip({ chunkSize: PIECE });
  input.on('error', (error) => gunzip.destroy(error));
  // Whoever reads gets it; it may come when nobody does any more.
  gunzip.on('error', () => undefined);
  input.pipe(gunzip);
  try {
    const total = (await archive.stat()).size;
    let read = 0;
    /** What the archive may still unpack to. */
    let budget = TEXT_MAX + HEADERS_MAX;
    const source = new ByteSource(
      (async function* () {
        for await (const piece of gunzip as AsyncIterable<Uint8Array>) {
          signal?.throwIfAborted();
          budget -= piece.length;
          if (budget < -PIECE) throw damaged('it unpacks to more than it says');
          if (input.bytesRead !== read) onProgress?.(input.bytesRead, total);
          read = input.bytesRead;
          yield piece;
        }
      })(),
      file,
    );
    const entries = readTar(source);
    const manifest = await readManifest(file, entries, damaged);
    const stored = manifest.files.reduce((sum, one) => sum + one.stored, 0);
    budget += stored + manifest.files.length * HEADERS_MAX;
    ensureFolder(folders.machines);
    const { bavail, bsize } = await statfs(folders.machines);
    if (stored > bavail * bsize)
      throw new VmError(
        'Resource',
        `The box in ${file} needs ${stored} bytes, and the disk of ${folders.machines} has ${bavail * bsize} left. Free some space.`,
        { code: 'import-no-room', params: { path: file, folder: folders.machines, neededBytes: stored, freeBytes: bavail * bsize } },
      );

    return await makeFolder(
      folders.machines,
      // Known only when it is unpacked; the manifest's is for people.
      (taken) => freeId(name ?? manifest.name, taken),
      async (folder) => {
        for (const expected of manifest.files) {
          const { value: entry } = (await entries.next()) as IteratorResult<TarEntry, undefined>;
          if (!entry) throw damaged(`${expected.path} is missing`);
          await unpack(folder, entry, expected, damaged);
        }
        if (!(await entries.next()).done) throw damaged('it has more files than it says');
        // gzip's own checksum stands behind all; a little padding may come before it.
        for (let left = HEADERS_MAX; !(await source.ended()); ) {
          for await (const piece of source.stream(1)) left -= piece.length;
          if (left < 0) throw damaged('something follows the archive');
        }
        await settle(
          folder,
          manifest,
          file,
          damaged,
          async (values) => name ?? (await freeName(folders.machines, values.name ?? manifest.name)),
        );
      },
    );
  } catch (error) {
    throw archiveError(file, error, damaged);
  } finally {
    input.destroy();
    gunzip.destroy();
  }
}

async function readManifest(
  file: string,
  entries: AsyncGenerator<TarEntry>,
  damaged: (what: string, cause?: unknown) => VmError,
): Promise<Manifest> {
  const { value: first } = (await entries.next()) as IteratorResult<TarEntry, undefined>;
  if (first?.path !== MANIFEST || first.type !== 'file' || first.size > TEXT_MAX) throw foreign(file);
  const pieces: Uint8Array[] = [];
  for await (const piece of first.contents) pieces.push(piece);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.concat(pieces).toString());
  } catch (cause) {
    throw damaged('its manifest is not JSON', cause);
  }
  const head = headSchema.safeParse(json);
  if (!head.success) throw foreign(file, head.error);
  if (head.data.version > FORMAT_VERSION)
    throw new VmError(
      'Image',
      `${file} was written by a newer Hartbox (format ${head.data.version}; this one knows ${FORMAT_VERSION}). Update Hartbox to import it.`,
      { code: 'archive-newer', params: { path: file, version: head.data.version, known: FORMAT_VERSION } },
    );
  const manifest = manifestSchema.safeParse(json);
  if (!manifest.success) throw damaged(`its manifest is wrong (${manifest.error.issues[0].path.join('.')})`, manifest.error);
  const { files } = manifest.data;
  if (files[0].path !== SETTINGS_FILE || files[0].size > TEXT_MAX || files[0].sparse) throw damaged('it does not begin with settings');
  const taken = new Set<string>();
  for (const { path, size, stored, sparse } of files) {
    const parts = path.split('/');
    const unfit = parts.some((part) => part === '' || part.startsWith('.') || unfitFileName(part) !== undefined);
    const isOurs = [LOCK_FILE, OLD_OWNER_FILE].includes(path.toLowerCase()) || /\.lock(\.|$)/i.test(path);
    // A folder that is a file's name, and names that are the same where case does not count.
    const clashes = parts.some((_, i) =>
      taken.has(
        parts
          .slice(0, i + 1)
          .join('/')
          .toLowerCase(),
      ),
    );
    if (unfit || isOurs || clashes) throw damaged(`it may have no file ${JSON.stringify(path)}`);
    taken.add(path.toLowerCase());
    if (!sparse && stored !== size) throw damaged(`the sizes of ${path} do not fit`);
  }
  return manifest.data;
}

async function unpack(
  folder: string,
  entry: TarEntry,
  { path, size, stored, sha256, sparse }: Manifest['files'][number],
  damaged: (what: string) => VmError,
): Promise<void> {
  const name = entryOf(path, { size, stored, ...(sparse && { runs: [] }) }).path;
  if (entry.type !== 'file' || entry.path !== name || entry.size !== stored)
    throw damaged(`${path} was expected where ${entry.path} stands`);
  const target = join(folder, path);
  ensureFolder(dirname(target));
  await (await open(target, 'wx')).close();
  // Holes that are there already need not be written.
  if (sparse) await lengthen(target, size);
  const out = await open(target, 'r+');
  try {
    const writer = new EntryWriter(out, { size, sha256, isSparse: sparse }, (what) => damaged(`${path}: ${what}`));
    for await (const piece of entry.contents) await writer.write(piece);
    writer.finish();
  } finally {
    await out.close();
  }
}

/** Check that the settings name nothing but what came with them, and that the images do not either; and write them as they are to be. */
async function settle(
  folder: string,
  manifest: Manifest,
  file: string,
  damaged: (what: string) => VmError,
  nameOf: (values: BoxValuesInput) => Promise<string>,
): Promise<void> {
  const { set, values } = readSettings(await readText(join(folder, SETTINGS_FILE)), `${file} (${SETTINGS_FILE})`, (path) =>
    resolve(folder, path),
  );
  const outside = (path: string): VmError =>
    new VmError(
      'Image',
      `${file} is refused: the box in it would use ${path} of this computer. An imported box may use only what it brings along.`,
      { code: 'archive-outside', params: { path: file, file: path } },
    );
  if (values.build !== '') throw outside(shown(values.build));
  const known = new Set(manifest.files.slice(1).map(({ path }) => path));
  mapPaths(set, (path) => {
    const inside = insideOf(folder, path);
    // The firmware makes this one, but not in the place of another.
    const isMade = path === values.flashVars && ![SETTINGS_FILE, LOCK_FILE, OLD_OWNER_FILE].includes(inside.toLowerCase());
    if (!isInside(folder, path) || !(known.has(inside) || isMade))
      throw isInside(folder, path) ? damaged(`its settings name ${JSON.stringify(inside)}, which is not in it`) : outside(inside);
    return path;
  });
  for (const drive of values.drives) {
    const info = drive.format === 'raw' ? undefined : await qcow2Info(drive.file);
    if (info?.backing || info?.qcow2?.dataFile !== undefined) throw outside(shown(info.qcow2?.dataFile ?? info.backing?.file ?? ''));
  }
  for (const adapter of values.network) {
    const reach = adapter.connect ?? adapter.listen ?? adapter.name ?? (adapter.hostAccess ? 'host.hartbox' : undefined);
    if (reach !== undefined) throw outside(shown(reach));
  }
  const name = await nameOf(set);
  await hostFiles.remove(join(folder, SETTINGS_FILE));
  await writeBox(folder, { ...withoutConsent(set), name });
}

/**
 * What a box may have only by the word of whoever uses it here: to read the clipboard of this computer, to write it, to start by itself, and to
 * be reached by other computers. Ports that are forwarded are those of this computer alone.
 */
function withoutConsent({ clipboard: _read, guestClipboard: _write, autostart: _start, ...set }: BoxValuesInput): BoxValuesInput {
  return {
    ...set,
    ...(set.network && {
      network: set.network.map((adapter) => ({ ...adapter, ...(adapter.forward && { forward: adapter.forward.map(forwardHere) }) })),
    }),
  };
}

function forwardHere(text: string): string {
  const forward = parseForward(text);
  return forward ? formatForward({ ...forward, hostAddress: LOOPBACK }) : text;
}

function foreign(file: string, cause?: unknown): VmError {
  return new VmError('Image', `${file} is no box that Hartbox exported. Choose a file whose name ends in .hartbox.`, {
    cause,
    code: 'archive-foreign',
    params: { path: file },
  });
}

/** What zlib, tar and the host say, in words about the archive. */
function archiveError(file: string, error: unknown, damaged: (what: string, cause?: unknown) => VmError): unknown {
  if (error instanceof VmError) return error.code !== undefined || error.kind !== 'Image' ? error : damaged(error.message, error);
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'Z_BUF_ERROR') return damaged('it is truncated', error);
  if (code === 'Z_DATA_ERROR' && message === 'incorrect header check') return foreign(file, error);
  if (String(code).startsWith('Z_')) return damaged(`it cannot be unpacked (${message})`, error);
  return error;
}
