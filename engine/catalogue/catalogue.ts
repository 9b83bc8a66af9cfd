import { z } from 'zod';
import text from '../../resources/images.json?raw';
import { reasonOf } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { isaExtensions } from '../hart/isa/extensions';
import { readTextSync } from '../host/open-file';
import { hardwareSchema } from '../settings/hardware';
import { DEBIAN_VARIANTS } from './debian-recipe';

/** What a new box of an image has, beside its disk. */
const boxSchema = z.strictObject({
  memory: hardwareSchema.shape.memory.unwrap(),
  firmware: z.enum(['uboot', 'edk2']),
  screens: z.number().int().min(0).max(4).default(0),
  input: z.array(z.enum(['keyboard', 'mouse', 'tablet'])).default([]),
  bus: z.enum(['mmio', 'pci']).default('mmio'),
  sound: z.boolean().default(false),
  clipboard: z.boolean().default(false),
});

const common = {
  id: z.string().regex(/^[a-z0-9]+(?:[.-][a-z0-9]+)*$/),
  name: z.string().min(1).max(48),
  icon: z.enum(['debian', 'ubuntu', 'fedora', 'alpine', 'opensuse', 'freebsd', 'disk']),
  /** Bytes that are fetched the first time, and that stay, roughly. */
  downloadBytes: z.number().int().positive(),
  diskBytes: z.number().int().positive(),
  box: boxSchema,
};

const url = z.url({ protocol: /^https?$/ });

const debianSchema = z.strictObject({ ...common, kind: z.literal('debian'), variant: z.enum(DEBIAN_VARIANTS) });
const downloadSchema = z.strictObject({
  ...common,
  kind: z.literal('download'),
  url,
  /**
   * The publisher's list of checksums: lines `HASH  FILE` or `SHA512 (FILE) = HASH`. Where it is not signed it is believed because it comes
   * over HTTPS from the publisher's own host.
   */
  checksums: z.strictObject({
    url,
    algorithm: z.enum(['sha256', 'sha512']),
    /** A detached OpenPGP signature of the list, and the key: one of those that come with Hartbox, or an ASCII-armoured one. */
    signature: z
      .strictObject({ url, key: z.union([z.enum(['ubuntu-cloudimage']), z.string().startsWith('-----BEGIN PGP PUBLIC KEY')]) })
      .optional(),
  }),
  /** How the file is compressed. */
  packing: z.enum(['none', 'xz']).default('none'),
  /** A disk to work on, or a disc to install from. */
  medium: z.enum(['disk', 'disc']).default('disk'),
  /** Whether the system reads a seed when it starts for the first time: user, key, name. */
  seed: z.enum(['cloud-init', 'none']),
  /** Extensions of the instruction set without which it does not run, and what they are called together. */
  needs: z.strictObject({ profile: z.string().min(1), extensions: z.array(z.string().regex(/^[a-z][a-z0-9]*$/)).min(1) }).optional(),
});

/** resources/images.json. */
export const catalogueSchema = z
  .strictObject({ version: z.literal(1), images: z.array(z.discriminatedUnion('kind', [debianSchema, downloadSchema])) })
  .refine(({ images }) => new Set(images.map(({ id }) => id)).size === images.length, { message: 'two images have the same id' });

export type CatalogueEntry = z.output<typeof catalogueSchema>['images'][number];
export type DownloadEntry = z.output<typeof downloadSchema>;

/** What Hartbox offers: of `file`, where another catalogue is to be used, else of its own. Throws VmError 'Image' for one that makes no sense. */
export function parseCatalogue(json: string, what: string): readonly CatalogueEntry[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    throw new VmError('Image', `The catalogue of images, ${what}, is no JSON.`, { cause, code: 'catalogue-wrong', params: { path: what } });
  }
  const { success, data, error } = catalogueSchema.safeParse(parsed);
  if (success) return data.images;
  const [issue] = error.issues;
  throw new VmError('Image', `The catalogue of images, ${what}, is wrong at ${issue.path.join('.') || 'its start'}: ${issue.message}.`, {
    code: 'catalogue-wrong',
    params: { path: what },
  });
}

/** The catalogue that came with Hartbox, or the file that HARTBOX_CATALOGUE names: one of an organisation's own, say. */
export function ownCatalogue(): readonly CatalogueEntry[] {
  const file = process.env['HARTBOX_CATALOGUE'];
  if (!file) return parseCatalogue(text, 'resources/images.json');
  let other: string;
  try {
    other = readTextSync(file);
  } catch (cause) {
    throw new VmError('Image', `The catalogue of images, ${file}, cannot be read: ${reasonOf(cause)}.`, {
      cause,
      code: 'catalogue-wrong',
      params: { path: file },
    });
  }
  return parseCatalogue(other, file);
}

/** Extensions that an image needs and that the harts do not have. */
export function missingExtensions(entry: CatalogueEntry): string[] {
  if (entry.kind !== 'download' || !entry.needs) return [];
  const present = isaExtensions({ off: [], imsics: true });
  return entry.needs.extensions.filter((name) => !present.includes(name));
}
