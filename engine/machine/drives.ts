import { AsyncBlockDevice, type OpenDiskOptions } from '../backend/disk/async-block-device';
import { VmError } from '../bus/vm-error';
import { VirtioBlock } from '../virtio/devices/block';
import { VirtioScsi } from '../virtio/devices/scsi/device';
import type { UnitAddress } from '../virtio/devices/scsi/requests';
import type { VirtioDevice } from '../virtio/device';
import type { DriveConfig, MachineConfig } from './config';

/** What becomes of writes for which the host has no space; see AsyncBlockDevice. */
type OnFull = NonNullable<OpenDiskOptions['onFull']>;

interface Drive {
  config: DriveConfig;
  /** None in an empty CD-ROM drive. */
  disk: AsyncBlockDevice | undefined;
  /** Where the guest sees it: a device of its own, or a unit of the SCSI adapter. */
  place: VirtioBlock | UnitAddress;
}

/** The drives of a machine: their disk images, and the devices in which the guest sees them. */
export class Drives {
  /** Virtio disks in the order of the configuration, then the SCSI adapter, if there is one; and the bus that was asked for. */
  readonly devices: readonly { device: VirtioDevice; bus: DriveConfig['bus'] }[];
  private readonly drives = new Map<string, Drive>();
  private readonly scsi: VirtioScsi | undefined;
  private closed = false;

  private constructor(
    config: MachineConfig,
    disks: readonly AsyncBlockDevice[],
    private readonly onFull: OnFull,
  ) {
    const { drives, harts } = config;
    if (config.scsi || drives.some(isScsi)) this.scsi = new VirtioScsi({ queues: harts });
    const devices: { device: VirtioDevice; bus: DriveConfig['bus'] }[] = [];
    for (const [i, drive] of drives.entries()) {
      const disk = disks[i];
      if (isScsi(drive)) this.add(drive, disk);
      else {
        const { serial, blockSize, discard, queues = harts } = drive;
        const place = new VirtioBlock({ disk, serial, blockSize, discard, queues });
        devices.push({ device: place, bus: drive.bus });
        this.keep(drive, { config: drive, disk, place });
      }
    }
    if (this.scsi) devices.push({ device: this.scsi, bus: drives.find((drive) => isScsi(drive) && drive.bus)?.bus });
    this.devices = devices;
  }

  /** Opens the images. Throws VmError if one of them cannot be used. */
  static async open(config: MachineConfig, onFull: OnFull): Promise<Drives> {
    const disks: AsyncBlockDevice[] = [];
    try {
      for (const drive of config.drives) disks.push(await openDisk(drive, onFull));
      return new Drives(config, disks, onFull);
    } catch (error) {
      for (const disk of disks) await disk.close();
      throw error;
    }
  }

  /** Resolves with the new drive's id. */
  async attach(config: DriveConfig): Promise<string> {
    if (!isScsi(config)) {
      throw VmError.config('Only SCSI drives can be attached to a machine that is there already. Set the interface to scsi.');
    }
    const disk = await openDisk(config, this.onFull);
    try {
      this.mustBeOpen();
      return this.add(config, disk);
    } catch (error) {
      await disk.close();
      throw error;
    }
  }

  async detach(id: string): Promise<void> {
    const { place, disk } = this.find(id);
    if (place instanceof VirtioBlock) throw VmError.config(`The drive ${id} is no SCSI drive; only those can be detached.`);
    this.drives.delete(id);
    try {
      await this.scsi?.detach(place);
    } finally {
      await disk?.close();
    }
  }

  async resize(id: string, size: number): Promise<void> {
    const { disk, config } = this.find(id);
    if (!disk || config.media === 'cdrom') throw VmError.config(`The drive ${id} holds a disc, which has its size for ever.`);
    if (disk.readonly) throw VmError.config(`The drive ${id} is read-only and cannot be resized.`);
    if (size < disk.size)
      throw VmError.config(`The drive ${id} has ${disk.size} bytes. While the machine is there it can only grow, not shrink to ${size}.`);
    await disk.resize(size);
  }

  async changeMedium(id: string, file: string | undefined, force: boolean): Promise<void> {
    const drive = this.find(id);
    const { place, config } = drive;
    if (place instanceof VirtioBlock || config.media !== 'cdrom')
      throw VmError.config(`The drive ${id} is no CD-ROM drive; only those take another disc.`);
    const disk = file === undefined ? undefined : await openDisk({ ...config, file }, this.onFull);
    let before: AsyncBlockDevice | undefined;
    try {
      this.mustBeOpen();
      before = await this.scsi?.changeMedium(place, disk, { force });
    } catch (error) {
      await disk?.close();
      throw error;
    }
    drive.disk = disk;
    await before?.close();
  }

  /** Closes the images. No device uses them any more. */
  async close(): Promise<void> {
    this.closed = true;
    for (const { disk } of this.drives.values()) await disk?.close();
    this.drives.clear();
  }

  private add(config: DriveConfig, disk: AsyncBlockDevice): string {
    if (!this.scsi) throw VmError.config('The machine has no SCSI adapter. Give it one (scsi), and start it again.');
    if (config.id !== undefined) this.mustBeFree(config.id);
    const { media, serial, blockSize } = config;
    const unit = media === 'cdrom' ? { kind: media, medium: disk, serial } : { kind: media, medium: disk, serial, blockSize };
    return this.keep(config, { config, disk, place: this.scsi.attach(unit) });
  }

  private keep({ id: wanted }: DriveConfig, drive: Drive): string {
    if (wanted !== undefined) this.mustBeFree(wanted);
    let number = this.drives.size;
    while (this.drives.has(`drive${number}`)) number++;
    const id = wanted ?? `drive${number}`;
    this.drives.set(id, drive);
    return id;
  }

  private mustBeFree(id: string): void {
    if (this.drives.has(id)) throw VmError.config(`The machine has two drives named ${id}. Give one of them another id.`);
  }

  private mustBeOpen(): void {
    if (this.closed) throw new VmError('State', 'The machine was switched off meanwhile.');
  }

  private find(id: string): Drive {
    const drive = this.drives.get(id);
    if (!drive) throw VmError.config(`The machine has no drive ${id}; it has ${[...this.drives.keys()].join(', ') || 'none'}.`);
    return drive;
  }
}

function isScsi({ interface: kind, media }: DriveConfig): boolean {
  return kind === undefined ? media === 'cdrom' : kind === 'scsi';
}

function openDisk({ file, format, readonly, media }: DriveConfig, onFull: OnFull): Promise<AsyncBlockDevice> {
  return AsyncBlockDevice.open(file, { format, readonly: readonly || media === 'cdrom', onFull });
}
