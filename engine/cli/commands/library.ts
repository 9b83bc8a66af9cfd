import { OPTIONS } from '../../settings/settings';
import { command } from '../command';
import { JSON_ROW, CDROM_ROW } from './rows';

export const LIST = command({
  name: 'list',
  summary: 'show the boxes of this user',
  usage: ['[OPTIONS]'],
  options: { json: { type: 'flag', help: 'as JSON, sizes in bytes' } },
});

export const CREATE = command({
  name: 'create',
  summary: 'make a box',
  usage: ['NAME [OPTIONS]'],
  about: `  hartbox create Debian --image debian-trixie --user alice
  hartbox create Debian --firmware edk2 --memory 2G --disk 20G --cdrom debian.iso`,
  options: {
    image: {
      type: 'value',
      value: 'IMAGE',
      help: 'a system that is ready to use, of those that hartbox image list shows; it is fetched or made first where it is not here yet',
    },
    disk: {
      type: 'value',
      value: 'SIZE[,format=raw|qcow2]',
      help: 'a new empty disk in the folder of the box, behind its other drives; it takes space as it is written to. With --image the size of its disk',
    },
    user: { type: 'value', value: 'NAME', help: 'with --image: its user, who may become root by sudo  [the name of yours here]' },
    'password-file': {
      type: 'value',
      value: 'FILE',
      isFile: true,
      help: 'with --image: the first line of FILE is the password of the user; without it nobody is asked for one at the console, and none lets anybody in over the network',
    },
    'ssh-key': {
      type: 'value',
      multiple: true,
      value: 'FILE',
      isFile: true,
      help: 'with --image: public keys that let the user in over the network; may be given more than once  [yours, ~/.ssh/id_*.pub]',
    },
    hostname: { type: 'value', value: 'NAME', help: 'with --image: what the system calls itself  [made of NAME]' },
    timezone: { type: 'value', value: 'ZONE', help: 'with --image: its time zone, such as Europe/Berlin  [that of this computer]' },
    locale: {
      type: 'value',
      value: 'LOCALE',
      help: 'with --image: its language, such as de_DE.UTF-8, which is made at the first start  [C.UTF-8]',
    },
    cdrom: CDROM_ROW,
    json: { type: 'flag', help: 'print the id and the settings of the new box as JSON' },
  },
  settings: OPTIONS.filter(({ key }) => key !== 'name'),
  arguments: ['word'],
});

export const GET = command({
  name: 'get',
  summary: 'show the settings of a box',
  usage: ['BOX [KEY] [--json]'],
  about: 'Without KEY: all settings, and which of them were set. `hartbox help options` explains them.',
  options: { json: { type: 'flag', help: 'as JSON: value, default, and whether it was set' } },
  arguments: ['box', 'option'],
});

export const SET = command({
  name: 'set',
  summary: 'change the settings of a box',
  usage: ['BOX KEY=VALUE… [--KEY VALUE…] [--unset KEY…]'],
  about: `A list is given whole: what it had before is replaced. A running box takes some changes at once; for the others the answer says that it has to be switched on again.

  hartbox set Debian memory=1G harts=2
  hartbox set Debian drives=file=a.qcow2 drives=file=b.iso,media=cdrom
  hartbox set Debian --unset append`,
  options: {
    unset: { type: 'value', multiple: true, value: 'KEY', help: 'back to the default; may be given more than once' },
    json: { type: 'flag', help: 'print what changed as JSON' },
  },
  settings: OPTIONS,
  arguments: ['box', 'assignment'],
});

export const CLONE = command({
  name: 'clone',
  summary: 'copy a box',
  usage: ['BOX [NAME] [OPTIONS]'],
  options: {
    linked: { type: 'flag', help: 'keep of its disks only what differs from those of BOX, which must then not change any more' },
    json: { type: 'flag', help: 'print the id and the settings of the new box as JSON' },
  },
  arguments: ['box', 'word'],
});

export const RENAME = command({
  name: 'rename',
  summary: 'give a box another name',
  usage: ['BOX NAME'],
  options: {},
  arguments: ['box', 'word'],
});

export const DELETE = command({
  name: 'delete',
  summary: 'move a box to the trash',
  usage: ['BOX [OPTIONS]'],
  about: 'It stays there with its disks until the trash is emptied: see `hartbox trash`.',
  options: { yes: { type: 'flag', short: 'y', help: 'do not ask' } },
  arguments: ['box'],
});

export const TRASH = command({
  name: 'trash',
  summary: 'look after the boxes that were deleted',
  usage: ['COMMAND [OPTIONS]'],
  options: {},
  isGroup: true,
});

export const TRASH_LIST = command({
  name: 'trash list',
  summary: 'show the boxes in the trash',
  usage: ['[--json]'],
  options: { json: JSON_ROW },
});

export const TRASH_RESTORE = command({
  name: 'trash restore',
  summary: 'take a box back out of the trash',
  usage: ['BOX'],
  options: {},
  arguments: ['trashed'],
});

export const TRASH_EMPTY = command({
  name: 'trash empty',
  summary: 'delete for good what is in the trash',
  usage: ['[BOX…] [OPTIONS]'],
  options: { yes: { type: 'flag', short: 'y', help: 'do not ask' } },
  arguments: ['trashed'],
});

export const EXPORT = command({
  name: 'export',
  summary: 'write a box with its disks into one file',
  usage: ['BOX FILE [OPTIONS]'],
  options: { force: { type: 'flag', help: 'replace FILE if it exists, once the new one is complete' } },
  arguments: ['box', 'file'],
});

export const IMPORT = command({
  name: 'import',
  summary: 'make a box from an exported file',
  usage: ['FILE [OPTIONS]'],
  about: 'It has its old name, or one like it that is free, unless another is given.',
  options: {
    json: { type: 'flag', help: 'print the id and the settings of the new box as JSON' },
  },
  settings: OPTIONS.filter(({ key }) => key === 'name'),
  arguments: ['file'],
});
