import type { CatalogueEntry } from '../catalogue/catalogue';
import { ImageStore, type ImageState, type StoredImage } from '../catalogue/image-store';
import type { ImageProgress } from '../catalogue/progress';
import { dataDirectory } from '../host/data-directory';
import { IMAGE_FETCH, IMAGE_INFO, IMAGE_LIST, IMAGE_REMOVE } from './commands/images';
import { interruptible } from './interruption';
import { expectNames, parseArguments } from './option-parser';
import { formatBytes } from './quantities';
import { formatTable } from './table';
import { UsageError } from './usage-error';

/** `hartbox image list`. */
export async function imageList(args: string[]): Promise<number> {
  const { values, names } = parseArguments(IMAGE_LIST, args);
  expectNames(IMAGE_LIST, names, []);
  const store = new ImageStore(dataDirectory());
  const images = await store.list();
  const cache = await store.cacheBytes();
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ images: images.map(report), cacheBytes: cache }, null, 2)}\n`);
    return 0;
  }
  const rows = images.map((state) => {
    const { entry, stored } = state;
    return [entry.id, entry.name, formatBytes(entry.downloadBytes), formatBytes(stored?.bytes ?? entry.diskBytes), stateOf(state)];
  });
  const width = process.stdout.isTTY ? process.stdout.columns : undefined;
  process.stdout.write(formatTable([['IMAGE', 'NAME', 'DOWNLOAD', 'ON DISK', 'STATE'], ...rows], [2, 3], { width, flexible: [4, 1] }));
  if (cache > 0)
    process.stderr.write(`${formatBytes(cache)} of packages are kept for images to come; to delete them: hartbox image remove --cache\n`);
  return 0;
}

/** `hartbox image fetch`. */
export async function imageFetch(args: string[]): Promise<number> {
  const { values, names } = parseArguments(IMAGE_FETCH, args);
  expectNames(IMAGE_FETCH, names, ['an IMAGE']);
  const store = new ImageStore(dataDirectory());
  return fetching(store, names[0], { update: values.update ?? false, log: values.log ?? false }, async (stored) => {
    const state = await store.find(names[0]);
    if (values.json) process.stdout.write(`${JSON.stringify(report(state), null, 2)}\n`);
    else
      process.stdout.write(
        `${state.entry.name} is here (${formatBytes(stored.bytes)}). To make a box of it: hartbox create NAME --image ${names[0]}\n`,
      );
    return 0;
  });
}

/** `hartbox image info`. */
export async function imageInfo(args: string[]): Promise<number> {
  const { values, names } = parseArguments(IMAGE_INFO, args);
  expectNames(IMAGE_INFO, names, ['an IMAGE']);
  const state = await new ImageStore(dataDirectory()).find(names[0]);
  if (values.json) {
    process.stdout.write(`${JSON.stringify(report(state), null, 2)}\n`);
    return 0;
  }
  const { entry, stored } = state;
  const lines = [
    ['Name', entry.name],
    ['From', entry.kind === 'debian' ? 'packages of Debian trixie' : entry.url],
    ['Checked by', checkOf(entry)],
    [
      'Runs on',
      entry.kind === 'download' && entry.needs ? `harts with ${entry.needs.profile}: ${entry.needs.extensions.join(', ')}` : 'RV64GC',
    ],
    ['Download', `about ${formatBytes(entry.downloadBytes)}`],
    ['State', stateOf(state)],
    ...(stored
      ? [
          ['File', stored.path],
          ['On disk', formatBytes(stored.bytes)],
          ['Size of the disk', formatBytes(stored.size)],
          ['Made', new Date(stored.made).toLocaleString('sv')],
        ]
      : []),
  ];
  process.stdout.write(formatTable(lines));
  return 0;
}

/** `hartbox image remove`. */
export async function imageRemove(args: string[]): Promise<number> {
  const { values, names } = parseArguments(IMAGE_REMOVE, args);
  const store = new ImageStore(dataDirectory());
  if (values.cache) {
    expectNames(IMAGE_REMOVE, names, []);
    const bytes = await store.cacheBytes();
    await store.clearCache();
    process.stdout.write(`${formatBytes(bytes)} are free again.\n`);
    return 0;
  }
  if (names.length === 0) throw new UsageError('Which image? Name one that hartbox image list shows, or say --cache.', 'image remove');
  expectNames(IMAGE_REMOVE, names, ['an IMAGE']);
  await store.remove(names[0]);
  process.stdout.write(`The image ${names[0]} is deleted. Boxes that were made of it keep what they need.\n`);
  return 0;
}

/** Fetch an image with progress on stderr, and go on with it; Ctrl-C ends it cleanly. */
export async function fetching(
  store: ImageStore,
  id: string,
  { update, log }: { update: boolean; log: boolean },
  then: (image: StoredImage) => Promise<number>,
): Promise<number> {
  const { entry } = await store.find(id);
  return interruptible(entry.name, 'Ended. What was fetched stays for the next time.', async ({ signal }) => {
    const line = new ImageLine(entry.name, log);
    let image: StoredImage;
    try {
      image = await store.fetch(id, {
        update,
        signal,
        onProgress: line.update,
        ...(log && { onOutput: (text: string) => void process.stderr.write(text) }),
      });
    } finally {
      line.end();
    }
    return then(image);
  });
}

const PHASES: Readonly<Record<ImageProgress['phase'], string>> = {
  wait: 'waiting for another process that makes images',
  index: 'looking up what there is',
  download: 'downloading',
  unpack: 'unpacking',
  configure: 'setting up its packages in a machine',
  store: 'putting it away',
};

/** One moving line on a terminal, one line a step elsewhere. */
class ImageLine {
  private phase: ImageProgress['phase'] | undefined;
  private shownAt = 0;
  private isOpen = false;

  constructor(
    private readonly name: string,
    private readonly isLogged: boolean,
  ) {}

  readonly update = ({ phase, done, total, share, secondsLeft }: ImageProgress): void => {
    const isNew = phase !== this.phase;
    this.phase = phase;
    const { stderr } = process;
    if (!stderr.isTTY || this.isLogged) {
      const size = phase === 'download' && total > 0 ? ` (${formatBytes(total)})` : '';
      if (isNew) stderr.write(`${this.name}: ${PHASES[phase]}${size}…\n`);
      return;
    }
    if (!isNew && Date.now() - this.shownAt < 100) return;
    this.shownAt = Date.now();
    const much = total > 0 ? ` ${phase === 'configure' ? `${done} of ${total}` : `${formatBytes(done)} of ${formatBytes(total)}`}` : '…';
    const left = secondsLeft === undefined ? '' : `, ${durationOf(secondsLeft)} left`;
    stderr.write(`\r\x1b[K${this.name}: ${Math.floor(share * 100)} %, ${PHASES[phase]}${much}${left}`);
    this.isOpen = true;
  };

  end(): void {
    if (this.isOpen) process.stderr.write('\r\x1b[K');
    this.isOpen = false;
  }
}

function durationOf(seconds: number): string {
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

/** What makes us believe that it is what its publisher made. */
function checkOf(entry: CatalogueEntry): string {
  if (entry.kind === 'debian') return 'the hash of each package, by an index that is checked against the signature of the archive';
  const { url, algorithm, signature } = entry.checksums;
  const list = `${algorithm === 'sha256' ? 'SHA-256' : 'SHA-512'} in ${url}`;
  return signature
    ? `${list}, which is checked against the signature ${signature.url}`
    : `${list}, which comes over HTTPS and is not signed`;
}

function stateOf({ stored, missing }: ImageState): string {
  if (missing.length > 0) return `not offered: the harts have no ${missing.join(', ')}`;
  return stored ? 'here' : 'not here yet';
}

function report({ entry, stored, missing }: ImageState): object {
  return { ...entry, missing, ...(stored && { stored }) };
}
