import { command, type OptionTable } from '../command';
import { JSON_ROW, FORMAT_ROW, DISK_CODES } from './rows';

export const DISK = command({
  name: 'disk',
  summary: 'make and look after disk images',
  usage: ['COMMAND [OPTIONS]'],
  about: 'Disk images are raw files and qcow2. No box may use an image while it is changed.',
  options: {},
  isGroup: true,
});

/** What a new qcow2 image may be asked for. */
const CREATION = {
  format: { ...FORMAT_ROW, help: 'of the new image  [raw if its name ends in .img, .raw or .iso, else qcow2]' },
  'cluster-size': { type: 'value', value: 'SIZE', help: 'of qcow2, 512 to 2M  [64K]' },
  'extended-l2': { type: 'flag', help: '32 subclusters in each cluster: less to copy over a backing file' },
  'lazy-refcounts': { type: 'flag', help: 'let QEMU put off some writes' },
  'refcount-bits': { type: 'value', value: 'N', help: '1, 2, 4 … 64  [16]' },
  compat: { type: 'value', value: '2|3', choices: ['2', '3'], help: 'version of qcow2  [3]' },
} as const satisfies OptionTable;

export const DISK_CREATE = command({
  name: 'disk create',
  summary: 'make an empty disk image',
  usage: ['FILE [SIZE] [OPTIONS]'],
  about: `SIZE is 20G, 512M and the like, or a number of bytes; with --backing it may be left out. The image takes little space until it is written to.`,
  more: DISK_CODES,
  options: {
    ...CREATION,
    backing: {
      type: 'value',
      short: 'b',
      value: 'FILE',
      isFile: true,
      help: 'show what this disk has until it is overwritten; it must not change any more',
    },
    'backing-format': { ...FORMAT_ROW, short: undefined, help: 'of that file' },
    json: { type: 'flag', help: 'print what `disk info --json` prints' },
  },
  arguments: ['file', 'word'],
});

export const DISK_INFO = command({
  name: 'disk info',
  summary: 'show what an image is',
  usage: ['FILE [OPTIONS]'],
  about:
    'Its size, format and snapshots, and the files that it and the images below it name: backing files, data files, and which of them it may not use (see `hartbox disk trust`).',
  more: DISK_CODES,
  options: { format: FORMAT_ROW, json: JSON_ROW },
  arguments: ['file'],
});

export const DISK_CHECK = command({
  name: 'disk check',
  summary: 'look for damage in a qcow2 image, and repair it',
  usage: ['FILE [OPTIONS]'],
  more: `
Exit codes: 0 nothing is wrong (any more), 1 the image is damaged, 3 only space is lost, 2 the command line is wrong, 125 it could not be checked.`,
  options: {
    repair: {
      type: 'optional',
      value: 'leaks',
      choices: ['leaks', 'all'],
      help: 'set right what can be (make a copy first); with leaks, only give back space that nobody uses',
    },
    format: FORMAT_ROW,
    json: { type: 'flag', help: 'counts of `corruptions` and `leaks`: `found`, and `left` after a repair' },
  },
  arguments: ['file'],
});

export const DISK_RESIZE = command({
  name: 'disk resize',
  summary: 'change the size of a disk',
  usage: ['FILE SIZE|+SIZE [OPTIONS]'],
  about: "The guest's partitions and file systems stay as they are.",
  more: DISK_CODES,
  options: {
    shrink: { type: 'flag', help: 'let a raw disk lose its end (a qcow2 disk cannot)' },
    format: FORMAT_ROW,
    json: JSON_ROW,
  },
  arguments: ['file', 'word'],
});

export const DISK_CONVERT = command({
  name: 'disk convert',
  summary: 'copy a disk into a new image, of the other format or compressed',
  usage: ['FROM TO [OPTIONS]'],
  about: `All that the disk shows, with all of its backing files, is copied; zeroes take no space in the new image. Interrupted, it leaves TO as it was.`,
  more: DISK_CODES,
  options: {
    ...CREATION,
    'from-format': { ...FORMAT_ROW, short: undefined, help: 'of the image that is copied' },
    compress: { type: 'flag', short: 'c', help: 'compress it (qcow2)' },
    force: { type: 'flag', help: 'replace TO if it exists, once the copy is complete' },
    json: { type: 'flag', help: 'print what `disk info --json` prints of TO' },
  },
  arguments: ['file', 'file'],
});

export const DISK_COMMIT = command({
  name: 'disk commit',
  summary: 'write what an image has of its own into its backing file',
  usage: ['FILE [OPTIONS]'],
  about: `The image is empty then and shows the same. Other images over the same backing file lose their base. Interrupted, FILE still shows what it did: commit it again.`,
  more: DISK_CODES,
  options: { json: JSON_ROW },
  arguments: ['file'],
});

export const DISK_TRUST = command({
  name: 'disk trust',
  summary: 'let an image use files outside of its folder',
  usage: ['FILE [OPTIONS]', '[--json]'],
  about: `An image can name other files: a backing file, which is read, or a data file, which is read and written. By itself it may only use what lies in its own folder (no hidden files, no absolute paths). This allows the files that \`hartbox disk info FILE\` shows as not allowed; an image that names another file later has to be allowed again. Images that were made here with --backing, and those of linked clones, need no permission.

Without FILE it shows all that is allowed.`,
  more: DISK_CODES,
  options: {
    withdraw: { type: 'flag', help: 'allow no longer what FILE was allowed' },
    format: FORMAT_ROW,
    json: JSON_ROW,
  },
  arguments: ['file'],
});
