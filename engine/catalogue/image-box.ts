import { VmError } from '../errors/vm-error';
import { type BoxSeed, seedDisc, seedSchema } from '../images/seed/box-seed';
import type { Library } from '../runner/library';
import { hostNameOf } from '../settings/host-name';
import type { BoxValuesInput } from '../settings/settings';
import type { CatalogueEntry } from './catalogue';
import type { StoredImage } from './image-store';

const SEED_FILE = 'seed.iso';
/** Bytes of the disk of a box where its image does not say; it takes space as it is written to. */
const NEW_DISK = 20 * 2 ** 30;

export interface ImageBoxOptions {
  /** What the box sets itself: at least its name. */
  values: BoxValuesInput;
  seed?: BoxSeed | undefined;
  /** Bytes of its disk, where it is to be larger than the image. */
  diskSize?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * What a new box of an image is told, of what was wished; the zone of this computer unless another is. A host name is made of the box's name.
 * Throws VmError 'Config' for what does not fit, in words for whoever wished it.
 */
export function seedOptions(entry: CatalogueEntry, boxName: string, wish: { [Key in keyof BoxSeed]?: BoxSeed[Key] }): BoxSeed {
  if (!readsSeed(entry)) return {};
  const named = Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined));
  const seed = { hostname: hostNameOf(boxName), timezone: Intl.DateTimeFormat().resolvedOptions().timeZone, ...named };
  const { success, data, error } = seedSchema.safeParse(seed);
  if (success) return data;
  const key = String(error.issues[0].path[0]);
  throw VmError.config(`${WORDS[key] ?? key} cannot be set up in the new box: ${EXPECTED[key] ?? error.issues[0].message}.`, {
    code: 'seed-wrong',
    params: { key },
  });
}

const WORDS: Readonly<Record<string, string>> = {
  user: 'This user',
  password: 'This password',
  sshKeys: 'This SSH key',
  hostname: 'This host name',
  timezone: 'This time zone',
  locale: 'This locale',
};
const EXPECTED: Readonly<Record<string, string>> = {
  user: 'its name has small letters, digits, - and _, begins with a letter, and is not root',
  password: 'it is one line',
  sshKeys: 'expected is a public key as a file .pub has it: ssh-ed25519 AAAA…',
  hostname: 'expected are letters, digits and - between them, 63 at most',
  timezone: 'expected is a name such as Europe/Berlin',
  locale: 'expected is a name such as de_DE.UTF-8',
};

/** Bytes of the disk of a box of an image: unless it is said, and at least; what is fetched may turn out to be larger. */
export function boxDisk({ kind }: CatalogueEntry, image: StoredImage | undefined): { usual: number; least: number } {
  if (image?.file === 'disc.iso') return { usual: NEW_DISK, least: 2 ** 20 };
  const size = image?.size ?? (kind === 'debian' ? NEW_DISK : 2 ** 20);
  return { usual: Math.max(size, NEW_DISK), least: size };
}

/** Whether a box of it can be told its user and name. */
export function readsSeed(entry: CatalogueEntry): boolean {
  return entry.kind === 'debian' || entry.seed === 'cloud-init';
}

/** Makes a box of an image that lies here. Resolves with its id. Throws as Library.create() does. */
export function createImageBox(
  library: Library,
  entry: CatalogueEntry,
  image: StoredImage,
  { values, seed = {}, diskSize, signal }: ImageBoxOptions,
): Promise<string> {
  const { memory, firmware, screens, input, bus, sound, clipboard } = entry.box;
  const recommended: BoxValuesInput = {
    source: 'disk',
    firmware,
    memory,
    icon: entry.icon === 'disk' ? 'penguin' : entry.icon,
    ...(screens > 0 && { screens }),
    ...(input.length > 0 && { input }),
    ...(bus !== 'mmio' && { bus }),
    ...(sound && { sound }),
    ...(clipboard && { clipboard }),
    ...(seed.user !== undefined && { sshUser: seed.user }),
  };
  const isDisc = image.file === 'disc.iso';
  // Published images are as small as can be, and grow into their disk when they start.
  const size = diskSize ?? (isDisc ? undefined : boxDisk(entry, image).usual);
  const { path, format, identity } = image;
  return library.create(
    { ...recommended, ...values, ...(isDisc && { drives: [...(values.drives ?? []), { file: path, media: 'cdrom' as const }] }) },
    {
      ...(!isDisc && { image: { path, format, identity, ...(size !== undefined && { size }) } }),
      ...(isDisc && { disk: { size: size ?? NEW_DISK } }),
      ...(readsSeed(entry) && { disc: { name: SEED_FILE, contents: seedDisc(seed) } }),
      ...(signal && { signal }),
    },
  );
}
