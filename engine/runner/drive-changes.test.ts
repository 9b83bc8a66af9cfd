import { describe, expect, it } from 'vitest';
import { type DriveConfig, type DriveConfigInput, driveSchema } from '../settings/drive';
import { type RunningDrive, changesOfDrives } from './drive-changes';

const drive = (input: DriveConfigInput): DriveConfig => driveSchema.parse(input);
const disk = drive({ file: '/disk', id: 'drive0' });
const scsi = drive({ file: '/scsi', interface: 'scsi', id: 'drive1' });
const disc = drive({ file: '/disc', media: 'cdrom', id: 'drive2' });
const running = (config: DriveConfig, id = config.id ?? '', file: string | undefined = config.file): RunningDrive => ({ id, config, file });
const now = [running(disk), running(scsi), running(disc)];
const nothing = { detach: [], insert: [], attach: [], needsRestart: false };

describe('what changes the drives of a box that runs', () => {
  it('is nothing where nothing has changed, with ids in the settings or without', () => {
    expect(changesOfDrives(now, [disk, scsi, disc], true)).toEqual(nothing);
    const without = [disk, scsi, disc].map(({ id: _, ...rest }) => drive(rest));
    expect(changesOfDrives(now, without, true)).toEqual(nothing);
    expect(changesOfDrives(now, [...without].reverse(), true)).toEqual(nothing);
  });

  it('pulls SCSI drives out and plugs them in', () => {
    const other = drive({ file: '/other', interface: 'scsi' });
    expect(changesOfDrives(now, [disk, disc, other], true)).toEqual({ ...nothing, detach: ['drive1'], attach: [other] });
  });

  it('exchanges discs, by the id of the drive or the only one that is left', () => {
    const change = { ...nothing, insert: [{ id: 'drive2', file: '/new' }] };
    expect(changesOfDrives(now, [disk, scsi, { ...disc, file: '/new' }], true)).toEqual(change);
    expect(changesOfDrives(now, [disk, scsi, drive({ file: '/new', media: 'cdrom' })], true)).toEqual(change);
  });

  it('leaves a drive empty from which the disc was ejected', () => {
    expect(changesOfDrives([{ id: 'drive2', config: disc, file: undefined }], [disc], true)).toEqual(nothing);
  });

  it('exchanges the file of a SCSI disk by pulling it out, and keeps its id', () => {
    const changed = { ...scsi, file: '/new' };
    expect(changesOfDrives(now, [disk, changed, disc], true)).toEqual({ ...nothing, detach: ['drive1'], attach: [changed] });
  });

  it.each([
    ['another virtio disk', [disk, scsi, disc, drive({ file: '/more' })], true],
    ['a virtio disk less', [scsi, disc], true],
    ['the file of a virtio disk', [{ ...disk, file: '/new' }, scsi, disc], true],
    ['how a drive is attached', [disk, { ...scsi, readonly: true }, disc], true],
  ])('leaves to a restart: %s', (_, wanted, hasScsi) => {
    expect(changesOfDrives(now, wanted, hasScsi)).toEqual({ ...nothing, needsRestart: true });
  });

  it('leaves to a restart what takes an adapter that is not there', () => {
    expect(changesOfDrives([running(disk)], [disk, scsi], false)).toEqual({ ...nothing, needsRestart: true });
  });
});
