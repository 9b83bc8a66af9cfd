import { command } from '../command';
import { JSON_ROW } from './rows';

export const DRIVE = command({
  name: 'drive',
  summary: 'show and change the drives of a box, running or not',
  usage: ['COMMAND BOX [OPTIONS]'],
  about:
    'The settings of the box are changed, and what can be is changed at once where it runs: SCSI drives and discs come and go, virtio disks at the next start. ID is that of `hartbox drive list`.',
  options: {},
  isGroup: true,
});

const LOCKED_ROW = { type: 'flag', help: 'though the guest has locked the drive' } as const;

export const DRIVE_LIST = command({
  name: 'drive list',
  summary: 'show its drives',
  usage: ['BOX [OPTIONS]'],
  options: { json: JSON_ROW },
  arguments: ['box'],
});

export const DRIVE_ATTACH = command({
  name: 'drive attach',
  summary: 'add a drive',
  usage: ['BOX file=FILE[,…]'],
  about: 'What describes the drive is the same as for the option --drive of `hartbox run`: see `hartbox help drives`.',
  options: {},
  arguments: ['box', 'drive'],
});

export const DRIVE_DETACH = command({
  name: 'drive detach',
  summary: 'take a drive away',
  usage: ['BOX ID'],
  options: {},
  arguments: ['box', 'word'],
});

export const DRIVE_INSERT = command({
  name: 'drive insert',
  summary: 'put a disc into a CD-ROM drive',
  usage: ['BOX ID FILE [OPTIONS]'],
  options: { force: LOCKED_ROW },
  arguments: ['box', 'word', 'file'],
});

export const DRIVE_EJECT = command({
  name: 'drive eject',
  summary: 'take the disc out, while the box runs',
  usage: ['BOX ID [OPTIONS]'],
  options: { force: LOCKED_ROW },
  arguments: ['box', 'word'],
});

export const DRIVE_RESIZE = command({
  name: 'drive resize',
  summary: 'let a disk grow, to 20G for example',
  usage: ['BOX ID SIZE'],
  options: {},
  arguments: ['box', 'word', 'word'],
});
