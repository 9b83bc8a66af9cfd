import { AsyncBlockDevice, type OpenDiskOptions } from '../backend/disk/async-block-device';
import { type DiskTraffic, MeteredDisk } from '../backend/disk/metered-disk';
import { VmError } from '../errors/vm-error';
import { VirtioBlock } from '../virtio/devices/block';
import { VirtioScsi } from '../virtio/devices/scsi/device';
import type { UnitAddress } from '../virtio/devices/scsi/requests';
import type { PlacedDevice } from '../virtio/registry';
import type { DriveConfig, DriveConfigInput } from '../settings/drive';
import { checkDrive } from '../settings/problem';
import type { MachineConfig } from '../settings/settings';
import { guestToolsDisc } from './guest-tools';

/** What becomes of writes for which the host has no space; see AsyncBlockDevice. */
type OnFull = NonNullable<OpenDiskOptions['onFull']>;

interface Drive {
  config: DriveConfig;
  /** None in an empty CD-ROM drive. */
  disk: AsyncBlockDevice | undefined;
  /** That of the disk. */
  file: string | undefined;
  /** Where the guest sees it: a device of its own, or a unit of the SCSI adapter. */
  place: VirtioBlock | UnitAddress;
  /** Since it was attached; of all discs that were in it. */
  traffic: DiskTraffic;
}

/** What of them somebody who has the machine may use. */
export type MachineDrives = Pick<Drives, 'list' | 'attach' | 'detach' | 'resize' | 'changeMedium'>;

/** The drives of a machine: their disk images, and the devices in which the guest sees them. */
export class Drives {
  /** Virtio disks in the order of the configuration, and the SCSI adapter, if there is one; each with the bus that was asked for. */
  readonly disks: readonly PlacedDevice<VirtioBlock>[];
  readonly adapters: readonly PlacedDevice<VirtioScsi>[];
  private readonly drives = new Map<string, Drive>();
  private readonly scsi: VirtioScsi | undefined;
  private closed = false;

  private constructor(
    config: MachineConfig,
    disks: readonly AsyncBlockDevice[],
    tools: AsyncBlockDevice | undefined,
    private readonly onFull: OnFull,
  ) {
    const { drives, harts } = config;
    if (config.scsi || drives.some(isScsi)) this.scsi = new VirtioScsi({ queues: harts });
    const placed: PlacedDevice<VirtioBlock>[] = [];
    for (const [i, drive] of drives.entries()) {
      const disk = disks[i];
      if (isScsi(drive)) this.add(drive, disk);
      else {
        const { serial, blockSize, discard, queues = harts } = drive;
        const traffic = { read: 0, written: 0 };
        const metered = new MeteredDisk(disk, traffic);
        const place = new VirtioBlock({ disk: metered, serial, blockSize, discard, queues });
        placed.push({ device: place, bus: drive.bus, slot: drive.slot });
        this.keep(drive, { config: drive, disk: metered, file: drive.file, place, traffic });
      }
    }
    // Behind the user's, which have their places by their order. It is none of the drives that can be changed.
    if (tools) placed.push({ device: new VirtioBlock({ disk: tools, serial: 'guest-tools', queues: 1 }) });
    this.disks = placed;
    this.adapters = this.scsi ? [{ device: this.scsi, bus: drives.find((drive) => isScsi(drive) && drive.bus)?.bus }] : [];
  }

  /** Opens the images. Throws VmError if one of them cannot be used. */
  static async open(config: MachineConfig, onFull: OnFull): Promise<Drives> {
    const disks: AsyncBlockDevice[] = [];
    try {
      for (const drive of config.drives) disks.push(await openDisk(drive, onFull));
      return new Drives(config, disks, config.guestTools ? await guestToolsDisc() : undefined, onFull);
    } catch (error) {
      for (const disk of disks) await disk.close();
      throw error;
    }
  }

  /** Each drive's id, its settings with the file that was in it last, the file in it now (none in an empty CD-ROM drive), and what went through it. */
  list(): { id: string; config: DriveConfig; file: string | undefined; traffic: DiskTraffic }[] {
    return [...this.drives].map(([id, { config, disk, file, traffic }]) => ({ id, config, file: disk && file, traffic: { ...traffic } }));
  }

  /**
   * Attach a drive to the SCSI adapter; a guest that runs finds it by itself. Resolves with its id. Throws VmError: 'Config' if the
   * machine has no adapter or the drive is none of SCSI, 'Image' or 'Resource' if its file cannot be used, 'State' where the machine is off.
   */
  async attach(wanted: DriveConfigInput): Promise<string> {
    this.mustBeOpen();
    const config = checkDrive(wanted);
    if (!isScsi(config)) {
      throw VmError.config('Only SCSI drives can be attached to a box that runs. Set the interface to scsi.', {
        code: 'drive-not-attachable',
      });
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

  /** Pull a SCSI drive out. Resolves when all that the guest has written is on stable storage and the file is closed. */
  async detach(id: string): Promise<void> {
    this.mustBeOpen();
    const { place, disk } = this.find(id);
    if (place instanceof VirtioBlock)
      throw VmError.config(`The drive ${id} is no SCSI drive; only those can be detached.`, { code: 'drive-not-scsi', params: { id } });
    this.drives.delete(id);
    try {
      await this.scsi?.detach(place);
    } finally {
      await disk?.close();
    }
  }

  /** Let a drive grow to `size` bytes; the guest is told. Throws VmError 'Config' for less than it has, and for read-only drives. */
  async resize(id: string, size: number): Promise<void> {
    this.mustBeOpen();
    const { disk, config } = this.find(id);
    if (!disk || config.media === 'cdrom')
      throw VmError.config(`The drive ${id} holds a disc, which has its size for ever.`, { code: 'drive-is-disc', params: { id } });
    if (disk.readonly)
      throw VmError.config(`The drive ${id} is read-only and cannot be resized.`, { code: 'drive-read-only', params: { id } });
    if (size < disk.size)
      throw VmError.config(`The drive ${id} has ${disk.size} bytes. While the box runs it can only grow, not shrink to ${size}.`, {
        code: 'drive-cannot-shrink',
        params: { id, hasBytes: disk.size, wantedBytes: size },
      });
    await disk.resize(size);
  }

  /**
   * Put another disc into a CD-ROM drive; without `file` the drive is empty then. Throws VmError 'State' while the guest has locked
   * the drive, which it then is asked to unlock, unless `force` is set.
   */
  async changeMedium(id: string, file: string | undefined, { force = false }: { force?: boolean } = {}): Promise<void> {
    this.mustBeOpen();
    const drive = this.find(id);
    const { place, config } = drive;
    if (place instanceof VirtioBlock || config.media !== 'cdrom')
      throw VmError.config(`The drive ${id} is no CD-ROM drive; only those take another disc.`, { code: 'drive-no-cdrom', params: { id } });
    const disk = file === undefined ? undefined : new MeteredDisk(await openDisk({ ...config, file }, this.onFull), drive.traffic);
    let before: AsyncBlockDevice | undefined;
    try {
      this.mustBeOpen();
      before = await this.scsi?.changeMedium(place, disk, { force });
    } catch (error) {
      await disk?.close();
      throw error;
    }
    drive.disk = disk;
    drive.file = file;
    if (file !== undefined) drive.config = { ...config, file };
    await before?.close();
  }

  /** Closes the images. No device uses them any more. */
  async close(): Promise<void> {
    this.closed = true;
    for (const { disk } of this.drives.values()) await disk?.close();
    this.drives.clear();
  }

  private add(config: DriveConfig, disk: AsyncBlockDevice): string {
    if (!this.scsi)
      throw VmError.config('The box has no SCSI adapter. Give it one (scsi), and start it again.', { code: 'no-scsi-adapter' });
    if (config.id !== undefined) this.mustBeFree(config.id);
    const { media, serial, blockSize } = config;
    const traffic = { read: 0, written: 0 };
    const medium = new MeteredDisk(disk, traffic);
    const unit = media === 'cdrom' ? { kind: media, medium, serial } : { kind: media, medium, serial, blockSize };
    return this.keep(config, { config, disk: medium, file: config.file, place: this.scsi.attach(unit), traffic });
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
    if (this.drives.has(id))
      throw VmError.config(`The box has two drives named ${id}. Give one of them another id.`, {
        code: 'drive-id-taken',
        params: { id },
      });
  }

  private mustBeOpen(): void {
    if (this.closed) throw new VmError('State', 'The box is switched off.', { code: 'box-switched-off' });
  }

  private find(id: string): Drive {
    const drive = this.drives.get(id);
    if (!drive)
      throw VmError.config(`The box has no drive ${id}; it has ${[...this.drives.keys()].join(', ') || 'none'}.`, {
        code: 'drive-unknown',
        params: { id, known: [...this.drives.keys()].join(', ') },
      });
    return drive;
  }
}

function isScsi({ interface: kind, media }: DriveConfig): boolean {
  return kind === undefined ? media === 'cdrom' : kind === 'scsi';
}

function openDisk({ file, format, readonly, media }: DriveConfig, onFull: OnFull): Promise<AsyncBlockDevice> {
  return AsyncBlockDevice.open(file, { format, readonly: readonly || media === 'cdrom', onFull });
}
