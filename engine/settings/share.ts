import { z } from 'zod';
import { option } from './option';

/** A whole path in the guest, without blanks: it stands in a list of them. */
const MOUNT_POINT = /^\/[^\s\0]*$/;

/** A folder of this computer for the guest; on the command line `.:/mnt/here,ro`. */
export const shareSchema = z.strictObject({
  folder: option(z.string().min(1), {
    label: 'Folder',
    help: 'the folder of this computer; the guest reaches nothing outside of it',
    page: 'shares',
    kind: 'folder',
    effect: 'restart',
    cli: { name: 'path', value: 'PATH' },
  }),
  mount: option(z.string().max(1024).regex(MOUNT_POINT).optional(), {
    label: 'Place in the guest',
    help: 'where the built-in Linux mounts it; /mnt and the tag unless given. Other guests mount it by its tag',
    page: 'shares',
    kind: 'text',
    effect: 'restart',
    cli: { value: '/PLACE' },
  }),
  readonly: option(z.boolean().default(false), {
    label: 'Read-only',
    help: 'the guest can change nothing in it',
    page: 'shares',
    kind: 'switch',
    effect: 'restart',
    cli: { name: 'ro' },
  }),
  protocol: option(z.enum(['virtio-fs', '9p']).default('virtio-fs'), {
    label: 'Protocol',
    help: 'virtio-fs: the guest remembers for a second what it has seen, and is several times as fast with many files; 9p: it sees at once what changes here. The built-in Linux mounts both; other guests need the driver',
    page: 'shares',
    kind: 'choice',
    effect: 'restart',
    choices: { 'virtio-fs': 'virtio-fs', '9p': '9P' },
  }),
  writeback: option(z.boolean().default(false), {
    label: 'Write later',
    help: 'by virtio-fs, the guest keeps what it writes for a while, and takes no notice of changes of the same files by others: for a folder that nobody else uses meanwhile',
    page: 'shares',
    kind: 'switch',
    effect: 'restart',
    advanced: true,
  }),
  tag: option(
    z
      .string()
      .regex(/^[\w.-]{1,31}$/)
      .optional(),
    {
      label: 'Tag',
      help: 'by what the guest mounts it, as mount -t virtiofs TAG /mnt, or mount -t 9p -o trans=virtio TAG /mnt: letters, digits, dots and dashes; share0, share1 and so on unless given',
      page: 'shares',
      kind: 'text',
      effect: 'restart',
      advanced: true,
    },
  ),
  owners: option(z.enum(['mapped', 'passed']).default('mapped'), {
    label: 'Owners',
    help: 'mapped: what is yours here belongs to one user of the guest, and what he makes to you; passed: numbers of users and groups are the same on both sides, as far as the host allows it',
    page: 'shares',
    kind: 'choice',
    effect: 'restart',
    choices: { mapped: 'mapped to one user', passed: 'passed as they are' },
    advanced: true,
  }),
  user: option(z.number().int().min(0).max(65535).default(0), {
    label: 'User in the guest',
    help: 'number of the user to whom your files belong there, where owners are mapped; 0 is root',
    page: 'shares',
    kind: 'count',
    effect: 'restart',
    advanced: true,
    cli: { value: 'N' },
  }),
  group: option(z.number().int().min(0).max(65535).default(0), {
    label: 'Group in the guest',
    help: 'number of the group to which they belong',
    page: 'shares',
    kind: 'count',
    effect: 'restart',
    advanced: true,
    cli: { value: 'N' },
  }),
  bus: option(z.enum(['mmio', 'pci']).optional(), {
    label: 'Bus',
    help: 'where it sits; where the other virtio devices of the box sit unless given',
    page: 'shares',
    kind: 'choice',
    effect: 'restart',
    choices: { mmio: 'MMIO', pci: 'PCI' },
    advanced: true,
  }),
});

export type ShareConfig = z.output<typeof shareSchema>;

/** The tag of each share, in their order. */
export function shareTags(shares: readonly Pick<ShareConfig, 'tag'>[]): string[] {
  const given = new Set(shares.map(({ tag }) => tag));
  let number = 0;
  return shares.map(({ tag }) => {
    if (tag !== undefined) return tag;
    while (given.has(`share${number}`)) number++;
    return `share${number++}`;
  });
}

/** Where the built-in Linux mounts a share. */
export function mountPoint({ mount }: Pick<ShareConfig, 'mount'>, tag: string): string {
  return mount ?? `/mnt/${tag}`;
}

/** The shares of a box: each right by itself, and with a tag and a place of its own. */
export const sharesSchema = z
  .array(shareSchema)
  .max(16)
  .superRefine((shares, context) => {
    const tags = shareTags(shares);
    const places = shares.map((share, at) => mountPoint(share, tags[at]));
    const report = (rule: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [], message, params: { rule } });
    };
    const tag = tags.find((one, at) => tags.indexOf(one) !== at);
    if (tag !== undefined) report('share-tag-twice', `has two shares with the tag ${tag}: give one of them another`);
    const place = places.find((one, at) => places.indexOf(one) !== at);
    if (tag === undefined && place !== undefined)
      report('share-place-twice', `has two shares at ${place} in the guest: give one of them another place`);
  });

const SHARE = /^(.+?):(\/.*)$/s;

/** `PATH` or `PATH:/PLACE`; the letter of a drive is part of the path. */
export function parseShare(text: string): { folder: string; mount?: string } {
  const colon = /^[A-Za-z]:[/\\]/.test(text) ? 2 : 0;
  const [, rest, mount] = SHARE.exec(text.slice(colon)) ?? [];
  return rest === undefined ? { folder: text } : { folder: text.slice(0, colon) + rest, mount };
}

/** Undefined where it would be read as something else. */
export function formatShare({ folder, mount }: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof folder !== 'string' || (mount !== undefined && typeof mount !== 'string')) return undefined;
  const text = mount === undefined ? folder : `${folder}:${mount}`;
  const read = parseShare(text);
  return read.folder === folder && read.mount === mount && !folder.includes('=') ? text : undefined;
}
