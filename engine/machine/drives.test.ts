import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VirtioBlock } from '../virtio/devices/block';
import { VirtioScsi } from '../virtio/devices/scsi/device';
import { type DriveConfigInput, driveSchema } from '../settings/drive';
import { type MachineConfigInput, machineConfigSchema } from '../settings/settings';
import { Drives } from './drives';

let folder: string;
let disk: string;
let disc: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-drives-'));
  [disk, disc] = ['disk.img', 'disc.iso'].map((name) => {
    const path = join(folder, name);
    writeFileSync(path, new Uint8Array(4096));
    return path;
  });
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (config: MachineConfigInput): Promise<Drives> => Drives.open(machineConfigSchema.parse(config), async () => false);
const drive = (config: DriveConfigInput) => driveSchema.parse(config);
const inUse = (path: string): boolean => existsSync(`${path}.lock`);

describe('Drives', () => {
  it('makes virtio disks of disks and SCSI units of discs, unless told otherwise', async () => {
    const other = join(folder, 'other.img');
    writeFileSync(other, new Uint8Array(512));
    const drives = await open({ harts: 2, drives: [{ file: disk }, { file: disc, media: 'cdrom' }, { file: other, interface: 'scsi' }] });
    expect([...drives.disks, ...drives.adapters].map(({ device }) => [device.constructor, device.queueSizes.length])).toEqual([
      [VirtioBlock, 2],
      [VirtioScsi, 4],
    ]);
    const scsi = drives.adapters[0].device;
    expect([0, 1].map((target) => scsi.unit({ target, lun: 0 })?.kind)).toEqual(['cdrom', 'disk']);
    expect([disk, disc, other].map(inUse)).toEqual([true, false, true]);
    await drives.close();
    expect([disk, other].map(inUse)).toEqual([false, false]);
  });

  it('closes what it opened when one of the drives cannot be', async () => {
    await expect(open({ drives: [{ file: disk }, { file: join(folder, 'missing') }] })).rejects.toThrow('missing');
    expect(inUse(disk)).toBe(false);
    expect(await open({})).toMatchObject({ disks: [], adapters: [] });
  });

  it('attaches and detaches SCSI drives', async () => {
    const drives = await open({ scsi: true });
    const scsi = drives.adapters[0].device;
    const id = await drives.attach(drive({ file: disk, interface: 'scsi' }));
    expect(id).toBe('drive0');
    expect(scsi.unit({ target: 0, lun: 0 })?.blocks).toBe(8);
    await expect(drives.attach(drive({ file: disk, interface: 'scsi' }))).rejects.toThrow('in use');
    expect(await drives.attach(drive({ file: disc, media: 'cdrom' }))).toBe('drive1');
    await drives.detach(id);
    expect(inUse(disk)).toBe(false);
    expect(scsi.unit({ target: 0, lun: 0 })).toBeUndefined();
    await expect(drives.detach(id)).rejects.toThrow('no drive drive0; it has drive1');
    await drives.close();
    await expect(drives.attach(drive({ file: disk, interface: 'scsi' }))).rejects.toMatchObject({ kind: 'State' });
    expect(inUse(disk)).toBe(false);
  });

  it('says why a drive cannot come or go', async () => {
    const drives = await open({ drives: [{ file: disk, id: 'system' }] });
    await expect(drives.attach(drive({ file: disc }))).rejects.toThrow('Only SCSI drives');
    await expect(drives.attach(drive({ file: disc, interface: 'scsi' }))).rejects.toThrow('no SCSI adapter');
    await expect(drives.detach('system')).rejects.toThrow('no SCSI drive');
    await expect(drives.changeMedium('system', disc)).rejects.toThrow('no CD-ROM drive');
    expect(inUse(disc)).toBe(false);
    await drives.close();
  });

  it('lets drives grow', async () => {
    const drives = await open({
      drives: [
        { file: disk, id: 'd' },
        { file: disc, media: 'cdrom', id: 'cd' },
      ],
    });
    await drives.resize('d', 8192);
    expect(statSync(disk).size).toBe(8192);
    expect(drives.disks[0].device.size).toBe(8192);
    await expect(drives.resize('d', 4096)).rejects.toThrow('only grow');
    await expect(drives.resize('d', 8193)).rejects.toMatchObject({ kind: 'Config' });
    await expect(drives.resize('cd', 8192)).rejects.toThrow('holds a disc');
    await drives.close();
  });

  it('changes discs, and keeps the old one where the guest holds it', async () => {
    const drives = await open({ drives: [{ file: disc, media: 'cdrom', id: 'cd' }] });
    const unit = drives.adapters[0].device.unit({ target: 0, lun: 0 })!;
    unit.locked = true;
    await expect(drives.changeMedium('cd', disk)).rejects.toMatchObject({ kind: 'State' });
    expect(unit.medium?.name).toBe(disc);
    await drives.changeMedium('cd', disk, { force: true });
    expect(unit.medium?.name).toBe(disk);
    await drives.changeMedium('cd', undefined, { force: true });
    expect(unit.medium).toBeUndefined();
    await expect(drives.changeMedium('cd', join(folder, 'missing'))).rejects.toThrow('missing');
    await drives.close();
  });
});
