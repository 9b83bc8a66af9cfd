import { z } from 'zod';
import type { AccessSize } from '../../bus/device';
import { DeviceState, unsigned } from '../../bus/device-state';
import { AsyncBlockDevice, SECTOR } from '../../backend/disk/async-block-device';
import { RamDisk } from '../../backend/disk/ram';
import { DeviceError, VmError } from '../../errors/vm-error';
import { DirectMemoryAccess } from '../../memory/direct-memory-access';
import type { ScatterGatherList } from '../../memory/scatter-gather-list';
import { type IoStatistics, ZeroCopyIoManager } from '../../memory/zero-copy-io-manager';
import { type Activation, VirtioDevice } from '../device';
import type { DescriptorChain, Virtqueue } from '../queue';

// Feature bits (virtio 1.3 §5.2.3).
export const VIRTIO_BLK_F_SIZE_MAX = 1;
export const VIRTIO_BLK_F_SEG_MAX = 2;
export const VIRTIO_BLK_F_RO = 5;
export const VIRTIO_BLK_F_BLK_SIZE = 6;
export const VIRTIO_BLK_F_FLUSH = 9;
export const VIRTIO_BLK_F_TOPOLOGY = 10;
export const VIRTIO_BLK_F_CONFIG_WCE = 11;
export const VIRTIO_BLK_F_MQ = 12;
export const VIRTIO_BLK_F_DISCARD = 13;
export const VIRTIO_BLK_F_WRITE_ZEROES = 14;

// Request types and answers (§5.2.6).
export const VIRTIO_BLK_T_IN = 0;
export const VIRTIO_BLK_T_OUT = 1;
export const VIRTIO_BLK_T_FLUSH = 4;
export const VIRTIO_BLK_T_GET_ID = 8;
export const VIRTIO_BLK_T_DISCARD = 11;
export const VIRTIO_BLK_T_WRITE_ZEROES = 13;
export const VIRTIO_BLK_S_OK = 0;
export const VIRTIO_BLK_S_IOERR = 1;
export const VIRTIO_BLK_S_UNSUPP = 2;

// Offsets in the configuration space (§5.2.4).
const CONFIG_CAPACITY = 0;
const CONFIG_SIZE_MAX = 8;
const CONFIG_SEG_MAX = 12;
const CONFIG_BLK_SIZE = 20;
const CONFIG_PHYSICAL_BLOCK_EXP = 24;
const CONFIG_MIN_IO_SIZE = 26;
const CONFIG_OPT_IO_SIZE = 28;
const CONFIG_WRITEBACK = 32;
const CONFIG_NUM_QUEUES = 34;
const CONFIG_MAX_DISCARD_SECTORS = 36;
const CONFIG_MAX_DISCARD_SEG = 40;
const CONFIG_DISCARD_SECTOR_ALIGNMENT = 44;
const CONFIG_MAX_WRITE_ZEROES_SECTORS = 48;
const CONFIG_MAX_WRITE_ZEROES_SEG = 52;
const CONFIG_WRITE_ZEROES_MAY_UNMAP = 56;
const CONFIG_BYTES = 60;

const QUEUE_SIZE = 256;
const QUEUES_MAX = 16;
/** Largest single piece of a request, in bytes. */
const SIZE_MAX = 1 << 22;
const HEADER_BYTES = 16;
const ID_BYTES = 20;
const RANGE_BYTES = 16;
const RANGES_MAX = 16;
/** Flag of a range to zero: its space may be given up. */
const UNMAP = 1;
const DISCARD_MAX_SECTORS = 1 << 22;
/** Hosts' files are made of blocks of this size. */
const HOST_BLOCK = 4096;
/** A back end may have to write the zeroes: no more than this at a time. */
const WRITE_ZEROES_MAX_SECTORS = 1 << 16;

export interface VirtioBlockOptions {
  disk: AsyncBlockDevice;
  /** At most 20 bytes; Linux shows it in /sys/block/vdX/serial. */
  serial?: string;
  /** Bytes that the driver should read and write at least: 512 (default) or 4096. */
  blockSize?: number;
  /** Number of queues, 1 to 16: one for each hart is best. */
  queues?: number;
  /** Whether the driver may give up what it no longer needs; by default wherever the disk can. */
  discard?: boolean;
}

export interface VirtioBlockFile {
  /** A raw disk image. */
  path: string;
  /** As `blockSize`. */
  sectorSize?: number;
  readonly?: boolean;
}

/**
 * The block device (virtio 1.3 §5.2). Requests run concurrently, and their data goes between the back end and the guest's own pages
 * without a copy. A driver is told when the disk is resized.
 */
export class VirtioBlock extends VirtioDevice {
  readonly name: string;
  readonly deviceId = 2;
  override readonly pciClass = 0x010000;
  readonly queueSizes: readonly number[];
  readonly #disk: AsyncBlockDevice;
  readonly #serial: Uint8Array;
  #io: ZeroCopyIoManager | undefined;
  /** A request ends only when its data is on stable storage (§5.2.6.2). */
  #writeThrough = false;
  #warned = false;

  override readonly state = new DeviceState(this, {
    version: 1,
    schema: z.strictObject({ writeback: unsigned(1) }),
    save: () => ({ writeback: this.config.getUint8(CONFIG_WRITEBACK) }),
    load:
      ({ writeback }) =>
      () =>
        this.config.setUint8(CONFIG_WRITEBACK, writeback),
  });

  constructor({ disk, serial = '', blockSize = SECTOR, queues = 1, discard = true }: VirtioBlockOptions) {
    const id = new TextEncoder().encode(serial);
    if (id.length > ID_BYTES)
      throw VmError.config(`The serial number "${serial}" has ${id.length} bytes; a disk's has at most ${ID_BYTES}.`, {
        code: 'serial-too-long',
        params: { serial, most: ID_BYTES },
      });
    if (blockSize !== 512 && blockSize !== HOST_BLOCK) throw VmError.config(`A disk has blocks of 512 or 4096 bytes, not of ${blockSize}.`);
    if (!(Number.isInteger(queues) && queues >= 1 && queues <= QUEUES_MAX))
      throw VmError.config(`A disk has 1 to ${QUEUES_MAX} queues, not ${queues}.`);
    const features = [VIRTIO_BLK_F_SIZE_MAX, VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_TOPOLOGY];
    if (queues > 1) features.push(VIRTIO_BLK_F_MQ);
    if (disk.readonly) features.push(VIRTIO_BLK_F_RO);
    else {
      features.push(VIRTIO_BLK_F_CONFIG_WCE, VIRTIO_BLK_F_WRITE_ZEROES);
      if (disk.discards && discard) features.push(VIRTIO_BLK_F_DISCARD);
    }
    const { blockSize: best, discardGranularity } = disk.geometry;
    const config = new DataView(new ArrayBuffer(CONFIG_BYTES));
    setCapacity(config, disk.size);
    config.setUint32(CONFIG_SIZE_MAX, SIZE_MAX, true);
    // Header and status take one descriptor each.
    config.setUint32(CONFIG_SEG_MAX, QUEUE_SIZE - 2, true);
    config.setUint32(CONFIG_BLK_SIZE, blockSize, true);
    config.setUint8(CONFIG_PHYSICAL_BLOCK_EXP, Math.log2(HOST_BLOCK / blockSize));
    config.setUint16(CONFIG_MIN_IO_SIZE, HOST_BLOCK / blockSize, true);
    config.setUint32(CONFIG_OPT_IO_SIZE, Math.ceil(best / blockSize), true);
    config.setUint8(CONFIG_WRITEBACK, 1);
    config.setUint16(CONFIG_NUM_QUEUES, queues, true);
    config.setUint32(CONFIG_MAX_DISCARD_SECTORS, DISCARD_MAX_SECTORS, true);
    config.setUint32(CONFIG_MAX_DISCARD_SEG, RANGES_MAX, true);
    config.setUint32(CONFIG_DISCARD_SECTOR_ALIGNMENT, discardGranularity / SECTOR, true);
    config.setUint32(CONFIG_MAX_WRITE_ZEROES_SECTORS, WRITE_ZEROES_MAX_SECTORS, true);
    config.setUint32(CONFIG_MAX_WRITE_ZEROES_SEG, RANGES_MAX, true);
    config.setUint8(CONFIG_WRITE_ZEROES_MAY_UNMAP, 1);
    super(features, config);
    this.name = `virtio-blk (${disk.name})`;
    this.queueSizes = Array.from({ length: queues }, () => QUEUE_SIZE);
    this.#disk = disk;
    this.#serial = id;
    disk.onResize((size) => this.changeConfig((fields) => setCapacity(fields, size)));
  }

  /** A device on a disk image. Throws VmError 'Image' or 'Resource' where the file cannot be used. */
  static async open({ path, sectorSize, readonly }: VirtioBlockFile): Promise<VirtioBlock> {
    const disk = await AsyncBlockDevice.open(path, { readonly });
    try {
      return new VirtioBlock({ disk, blockSize: sectorSize });
    } catch (error) {
      await disk.close();
      throw error;
    }
  }

  /** A device on a disk of `size` bytes that lives in the host's memory. */
  static ramDisk(size: number): VirtioBlock {
    return new VirtioBlock({ disk: new RamDisk(size) });
  }

  /** Bytes of the disk. */
  get size(): number {
    return this.#disk.size;
  }

  /** What has been moved for the driver since it started the device. */
  get statistics(): IoStatistics | undefined {
    return this.#io?.statistics;
  }

  /** Read from sector `sector` (512 bytes each) what fills the buffer. Rejects with DeviceError where that is not inside the disk. */
  async handleRead(sector: number, buffer: Uint8Array): Promise<void> {
    await this.#disk.readv(this.#existing(sector, buffer.length), [buffer]);
  }

  /** Write whole sectors. Rejects with DeviceError where they are not inside the disk, or the disk is read-only. */
  async handleWrite(sector: number, data: Uint8Array): Promise<void> {
    if (this.#disk.readonly) throw DeviceError.NotSupported(`${this.name} is read-only.`);
    await this.#disk.writev(this.#existing(sector, data.length), [data]);
  }

  /** Closes the disk. The driver must have let go of the device. */
  async close(): Promise<void> {
    await this.#disk.close();
  }

  override writeConfig(offset: number, size: AccessSize, value: number): void {
    if (offset !== CONFIG_WRITEBACK || size !== 1 || !this.hasFeature(VIRTIO_BLK_F_CONFIG_WCE)) return;
    this.config.setUint8(CONFIG_WRITEBACK, value & 1);
    this.#chooseCache();
  }

  protected override onActivate({ memory }: Activation): void {
    this.#io = new ZeroCopyIoManager({ dma: new DirectMemoryAccess({ memory }) });
    this.#chooseCache();
  }

  protected override onReset(): void {
    this.config.setUint8(CONFIG_WRITEBACK, 1);
  }

  protected override serve(index: number): void {
    for (let chain = this.take(index); chain; chain = this.take(index)) {
      const queue = this.queue(index)!;
      this.respond(queue, chain, this.#request(queue, chain));
    }
  }

  #chooseCache(): void {
    this.#writeThrough = this.hasFeature(VIRTIO_BLK_F_CONFIG_WCE)
      ? this.config.getUint8(CONFIG_WRITEBACK) === 0
      : !this.hasFeature(VIRTIO_BLK_F_FLUSH);
  }

  /** One request from header to status byte; resolves with the number of bytes written. */
  async #request(queue: Virtqueue, { readable, writable }: DescriptorChain): Promise<number> {
    if (readable.length < HEADER_BYTES || writable.length < 1) {
      throw DeviceError.InvalidParameter(
        `A block request has ${readable.length} readable and ${writable.length} writable bytes; it needs a header of ${HEADER_BYTES} and a status byte.`,
      );
    }
    const type = readable.readU32(0);
    const sector = readable.readU64(8);
    let status: number;
    try {
      status = await this.#execute(type, sector, readable, writable);
      if (status === VIRTIO_BLK_S_OK) this.#warned = false;
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      status = VIRTIO_BLK_S_IOERR;
      // A full host disk fails every write: say so once, until something works again.
      if (!this.#warned) this.emit('warning', error);
      this.#warned = true;
    }
    if (queue.isClosed) return 0;
    writable.writeU8(writable.length - 1, status);
    // Where the data before the status byte was not written, none of it may be counted.
    return status === VIRTIO_BLK_S_OK || writable.length === 1 ? writable.length : 0;
  }

  async #execute(type: number, sector: number, readable: ScatterGatherList, writable: ScatterGatherList): Promise<number> {
    switch (type) {
      case VIRTIO_BLK_T_IN: {
        const data = writable.slice(0, writable.length - 1);
        if (!this.#inside(sector, data.length)) return VIRTIO_BLK_S_IOERR;
        await this.#io!.transferScatterGather(data, this.#disk, sector * SECTOR);
        return VIRTIO_BLK_S_OK;
      }
      case VIRTIO_BLK_T_OUT: {
        const data = readable.slice(HEADER_BYTES);
        if (this.#disk.readonly || !this.#inside(sector, data.length)) return VIRTIO_BLK_S_IOERR;
        await this.#io!.transferScatterGather(data, this.#disk, sector * SECTOR);
        if (this.#writeThrough) await this.#disk.flush();
        return VIRTIO_BLK_S_OK;
      }
      case VIRTIO_BLK_T_FLUSH:
        await this.#disk.flush();
        return VIRTIO_BLK_S_OK;
      case VIRTIO_BLK_T_GET_ID: {
        const id = new Uint8Array(Math.min(ID_BYTES, writable.length - 1));
        id.set(this.#serial.subarray(0, id.length));
        this.#io!.transferToGuest(id, writable);
        return VIRTIO_BLK_S_OK;
      }
      case VIRTIO_BLK_T_DISCARD:
        if (!this.hasFeature(VIRTIO_BLK_F_DISCARD)) return VIRTIO_BLK_S_UNSUPP;
        return this.#ranges(readable.slice(HEADER_BYTES), DISCARD_MAX_SECTORS, 0, (offset, length) => this.#disk.discard(offset, length));
      case VIRTIO_BLK_T_WRITE_ZEROES:
        if (!this.hasFeature(VIRTIO_BLK_F_WRITE_ZEROES)) return VIRTIO_BLK_S_UNSUPP;
        return this.#ranges(readable.slice(HEADER_BYTES), WRITE_ZEROES_MAX_SECTORS, UNMAP, (offset, length, flags) =>
          this.#disk.writeZeroes(offset, length, { unmap: (flags & UNMAP) !== 0 }),
        );
      default:
        return VIRTIO_BLK_S_UNSUPP;
    }
  }

  /** The ranges of a discard or write-zeroes request (§5.2.6.2); `knownFlags` may be set. All are checked before the first is used. */
  async #ranges(
    list: ScatterGatherList,
    sectorsMax: number,
    knownFlags: number,
    apply: (offset: number, length: number, flags: number) => Promise<void>,
  ): Promise<number> {
    if (list.length === 0 || list.length % RANGE_BYTES !== 0 || list.length > RANGES_MAX * RANGE_BYTES) return VIRTIO_BLK_S_IOERR;
    const ranges: { offset: number; length: number; flags: number }[] = [];
    for (let at = 0; at < list.length; at += RANGE_BYTES) {
      const sector = list.readU64(at);
      const sectors = list.readU32(at + 8);
      const flags = list.readU32(at + 12);
      if (flags & ~knownFlags) return VIRTIO_BLK_S_UNSUPP;
      if (sectors > sectorsMax || !this.#inside(sector, sectors * SECTOR)) return VIRTIO_BLK_S_IOERR;
      ranges.push({ offset: sector * SECTOR, length: sectors * SECTOR, flags });
    }
    for (const { offset, length, flags } of ranges) await apply(offset, length, flags);
    if (this.#writeThrough) await this.#disk.flush();
    return VIRTIO_BLK_S_OK;
  }

  #inside(sector: number, length: number): boolean {
    return length % SECTOR === 0 && sector * SECTOR + length <= this.#disk.size;
  }

  #existing(sector: number, length: number): number {
    if (Number.isInteger(sector) && sector >= 0 && this.#inside(sector, length)) return sector * SECTOR;
    throw DeviceError.InvalidParameter(
      `${length} bytes from sector ${sector} on are no whole sectors of ${this.name}, which has ${this.#disk.size / SECTOR} of ${SECTOR} bytes.`,
    );
  }
}

function setCapacity(config: DataView, size: number): void {
  const sectors = Math.floor(size / SECTOR);
  config.setUint32(CONFIG_CAPACITY, sectors >>> 0, true);
  config.setUint32(CONFIG_CAPACITY + 4, Math.floor(sectors / 0x1_0000_0000), true);
}
