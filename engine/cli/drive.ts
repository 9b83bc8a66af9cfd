import { resolve } from 'node:path';
import { dataDirectory } from '../host/data-directory';
import { VmError } from '../errors/vm-error';
import { diskInfo, resizeDisk } from '../index';
import { Library } from '../runner/library';
import type { DriveConfig, DriveConfigInput } from '../settings/drive';
import type { Command } from './command';
import { DRIVE_ATTACH, DRIVE_DETACH, DRIVE_EJECT, DRIVE_INSERT, DRIVE_LIST, DRIVE_RESIZE } from './commands/drives';
import { givenDrives } from './given-values';
import { formatBytes, parseSize } from './quantities';
import { type NamedBox, namedBox, nothingMore, parseBoxCommand } from './running-box';
import { formatTable } from './table';
import { UsageError } from './usage-error';

const ACTIONS = {
  list: DRIVE_LIST,
  attach: DRIVE_ATTACH,
  detach: DRIVE_DETACH,
  insert: DRIVE_INSERT,
  eject: DRIVE_EJECT,
  resize: DRIVE_RESIZE,
} as const;
type Action = keyof typeof ACTIONS;

type Identified<Drive> = Drive & { id: string };
type IdentifiedDrive = Identified<DriveConfig>;

/** `hartbox drive …`: the drives of a box. */
export function drive(action: Action): (args: string[]) => Promise<number> {
  return async (args) => {
    const { name, values, rest } = parseBoxCommand(ACTIONS[action] as Command, args);
    const box = await namedBox(name);
    try {
      await new BoxDrives(box, { json: values['json'] !== undefined, force: values['force'] !== undefined }).perform(action, rest);
    } finally {
      box.client?.close();
    }
    return 0;
  };
}

class BoxDrives {
  private readonly library = new Library(dataDirectory());

  constructor(
    private readonly box: NamedBox,
    private readonly options: { json?: boolean; force?: boolean },
  ) {}

  async perform(action: Action, args: string[]): Promise<void> {
    const { values } = await this.library.settings(this.box.id);
    const drives = identified(values.drives);
    switch (action) {
      case 'list':
        nothingMore('drive', args);
        process.stdout.write(
          this.options.json ? `${JSON.stringify(drives, null, 2)}\n` : table(drives, await Promise.all(drives.map(sizeOf))),
        );
        break;
      case 'attach': {
        const [text] = take(args, 'file=FILE');
        const [drive] = givenDrives([text], 'drive attach');
        // To a box that runs it can only come that way.
        if (this.box.client && drive.interface === undefined && drive.bus === undefined && (values.scsi || drives.some(isScsi)))
          drive.interface = 'scsi';
        await this.save((now) => [...now, { ...drive, id: drive.id ?? freeId(now) }]);
        break;
      }
      case 'detach': {
        const [id] = take(args, 'ID');
        find(drives, id);
        await this.save((now) => now.filter((drive) => drive.id !== id));
        break;
      }
      case 'insert': {
        const [id, file] = take(args, 'ID', 'FILE');
        await this.insert(drives, id, resolve(file));
        break;
      }
      case 'eject': {
        const [id] = take(args, 'ID');
        mustTakeDiscs(find(drives, id));
        if (!this.box.client)
          throw new VmError('State', `The box ${this.box.id} is off: its drive ${id} can be emptied while it runs, or detached.`, {
            code: 'eject-box-off',
            params: { box: this.box.id, id },
          });
        await this.box.client.call('drive-medium', { id, force: this.options.force ?? false });
        break;
      }
      case 'resize': {
        const [id, text] = take(args, 'ID', 'SIZE');
        const { file } = find(drives, id);
        const size = parseSize('drive resize', text);
        if (this.box.client) await this.box.client.call('drive-resize', { id, size });
        else await resizeDisk(file, { size });
        process.stderr.write(`${id} has ${formatBytes(size)} now.\n`);
        break;
      }
    }
  }

  private async insert(drives: IdentifiedDrive[], id: string, file: string): Promise<void> {
    mustTakeDiscs(find(drives, id));
    // First, since only this can be refused by the guest.
    await this.box.client?.call('drive-medium', { id, file, force: this.options.force ?? false });
    await this.save((now) => now.map((drive) => (drive.id === id ? { ...drive, file } : drive)));
  }

  /** Each drive gets the id that it has now for good: what others are called must not change when one goes. */
  private async save(change: (drives: Identified<DriveConfigInput>[]) => DriveConfigInput[]): Promise<void> {
    await this.library.change(this.box.id, (set) => ({ ...set, drives: change(identified(set.drives ?? [])) }));
    const changed = await this.box.client?.call('reload-settings', {});
    if (changed?.restart.includes('drives'))
      process.stderr.write(
        'hartbox: the box runs, and has the change from its next start on: only SCSI drives come and go meanwhile, and only where it was started with scsi=on or such a drive.\n',
      );
  }
}

function take<Names extends string[]>(args: string[], ...names: Names): { [N in keyof Names]: string } {
  if (args.length < names.length) throw new UsageError(`${names[args.length]} is missing.`, 'drive');
  nothingMore('drive', args.slice(names.length));
  return args as { [N in keyof Names]: string };
}

/** With the ids that drives without one get when the box starts. */
function identified<Drive extends DriveConfigInput>(drives: readonly Drive[]): Identified<Drive>[] {
  const done: Identified<Drive>[] = [];
  for (const drive of drives) done.push({ ...drive, id: drive.id ?? freeId(done, drives) });
  return done;
}

function freeId(before: readonly { id?: string | undefined }[], all: readonly { id?: string | undefined }[] = before): string {
  let number = before.length;
  while (all.some(({ id }) => id === `drive${number}`)) number++;
  return `drive${number}`;
}

function find(drives: readonly IdentifiedDrive[], id: string): IdentifiedDrive {
  const found = drives.find((drive) => drive.id === id);
  if (found) return found;
  const known = drives.map((drive) => drive.id).join(', ') || 'none';
  throw VmError.config(`The box has no drive ${id}; it has ${known}.`, { code: 'drive-unknown', params: { id, known } });
}

function mustTakeDiscs({ id, media }: IdentifiedDrive): void {
  if (media !== 'cdrom') throw VmError.config(`The drive ${id} is no CD-ROM drive; only those take another disc.`);
}

function isScsi({ interface: kind, media }: DriveConfig): boolean {
  return kind === undefined ? media === 'cdrom' : kind === 'scsi';
}

/** Bytes that the guest sees; undefined where the file cannot be read. */
async function sizeOf({ file }: IdentifiedDrive): Promise<number | undefined> {
  try {
    return (await diskInfo(file)).size;
  } catch {
    return undefined;
  }
}

function table(drives: IdentifiedDrive[], sizes: (number | undefined)[]): string {
  const kind = (drive: IdentifiedDrive): string => (drive.media === 'cdrom' ? 'CD-ROM' : isScsi(drive) ? 'SCSI disk' : 'virtio disk');
  const rows = drives.map((drive, at) => {
    const size = sizes[at];
    const access = drive.readonly || drive.media === 'cdrom' ? 'read' : 'write';
    return [drive.id, kind(drive), size === undefined ? '' : formatBytes(size), drive.format, access, drive.file];
  });
  return formatTable([['ID', 'KIND', 'SIZE', 'FORMAT', 'ACCESS', 'FILE'], ...rows], [2]);
}
