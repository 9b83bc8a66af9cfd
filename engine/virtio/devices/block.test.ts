import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MockDriver, QUEUE_FEATURES } from '../../../test/support/mock-driver';
import { AsyncBlockDevice } from '../../backend/disk/async-block-device';
import { RamDisk } from '../../backend/disk/ram';
import type { RawDisk } from '../../backend/disk/raw';
import { DeviceError, type VmError } from '../../errors/vm-error';
import { INTERRUPT_CONFIG_CHANGE, STATUS_NEEDS_RESET } from '../transport/transport';
import {
  VIRTIO_BLK_F_CONFIG_WCE,
  VIRTIO_BLK_F_DISCARD,
  VIRTIO_BLK_F_FLUSH,
  VIRTIO_BLK_F_MQ,
  VIRTIO_BLK_F_RO,
  VIRTIO_BLK_F_WRITE_ZEROES,
  VIRTIO_BLK_S_IOERR,
  VIRTIO_BLK_S_OK,
  VIRTIO_BLK_S_UNSUPP,
  VIRTIO_BLK_T_DISCARD,
  VIRTIO_BLK_T_FLUSH,
  VIRTIO_BLK_T_GET_ID,
  VIRTIO_BLK_T_IN,
  VIRTIO_BLK_T_OUT,
  VIRTIO_BLK_T_WRITE_ZEROES,
  VirtioBlock,
} from './block';

const SIZE = 1 << 20;

function header(type: number, sector = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(8, sector >>> 0, true);
  view.setUint32(12, Math.floor(sector / 2 ** 32), true);
  return bytes;
}

function ranges(...list: [sector: number, sectors: number, flags?: number][]): Uint8Array {
  const view = new DataView(new ArrayBuffer(16 * list.length));
  list.forEach(([sector, sectors, flags = 0], i) => {
    view.setUint32(16 * i, sector, true);
    view.setUint32(16 * i + 8, sectors, true);
    view.setUint32(16 * i + 12, flags, true);
  });
  return new Uint8Array(view.buffer);
}

async function request(driver: MockDriver, head: Uint8Array, out: Uint8Array[] = [], into: number[] = [], indirect = false) {
  const queue = driver.queues[0];
  const chain = queue.add({ readable: [head, ...out], writable: [...into, 1], indirect });
  queue.kick();
  const [used] = await queue.waitUsed();
  const bytes = driver.written(chain);
  return { status: bytes.at(-1), data: bytes.subarray(0, -1), written: used.written };
}

const pattern = (length: number, seed = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 13 + seed) & 0xff);

describe('VirtioBlock', () => {
  it.each([false, true])('writes and reads (indirect: %s)', async (indirect) => {
    const driver = MockDriver.for(new VirtioBlock({ disk: new RamDisk(SIZE) })).start();
    const data = pattern(4096);
    const wrote = await request(driver, header(VIRTIO_BLK_T_OUT, 7), [data.subarray(0, 100), data.subarray(100)], [], indirect);
    expect(wrote).toMatchObject({ status: VIRTIO_BLK_S_OK, written: 1 });
    const read = await request(driver, header(VIRTIO_BLK_T_IN, 7), [], [512, 3, 3581], indirect);
    expect(read).toMatchObject({ status: VIRTIO_BLK_S_OK, written: 4097 });
    expect(Buffer.compare(read.data, data)).toBe(0);
  });

  it('answers like an array of sectors would', async () => {
    const disk = new RamDisk(SIZE);
    const driver = MockDriver.for(new VirtioBlock({ disk })).start();
    const model = new Uint8Array(SIZE);
    const step = fc.record({
      write: fc.boolean(),
      sector: fc.nat(SIZE / 512 + 4),
      sectors: fc.integer({ min: 1, max: 8 }),
      seed: fc.nat(255),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 10 }), async (steps) => {
        for (const { write, sector, sectors, seed } of steps) {
          const inside = (sector + sectors) * 512 <= SIZE;
          const data = pattern(sectors * 512, seed);
          const answer = write
            ? await request(driver, header(VIRTIO_BLK_T_OUT, sector), [data])
            : await request(driver, header(VIRTIO_BLK_T_IN, sector), [], [data.length]);
          expect(answer.status).toBe(inside ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
          if (inside && write) model.set(data, sector * 512);
          if (inside && !write) expect(Buffer.compare(answer.data, model.subarray(sector * 512, (sector + sectors) * 512))).toBe(0);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('works on many requests at once and completes each when it is done', async () => {
    const disk = new RamDisk(SIZE);
    const finish: (() => void)[] = [];
    const gate = vi.spyOn(disk, 'readv').mockImplementation(() => new Promise((resolve) => finish.push(resolve)));
    const driver = MockDriver.for(new VirtioBlock({ disk })).start();
    const queue = driver.queues[0];
    const ids = [0, 1, 2].map((sector) => queue.add({ readable: [header(VIRTIO_BLK_T_IN, sector)], writable: [512, 1] }).id);
    queue.kick();
    expect(gate).toHaveBeenCalledTimes(3);
    for (const i of [2, 0, 1]) {
      finish[i]();
      expect((await queue.waitUsed()).map(({ id }) => id)).toEqual([ids[i]]);
    }
  });

  it.each([
    ['an unknown request', header(77), [], [], VIRTIO_BLK_S_UNSUPP],
    ['a read past the end', header(VIRTIO_BLK_T_IN, SIZE / 512), [], [512], VIRTIO_BLK_S_IOERR],
    ['a read that overflows', header(VIRTIO_BLK_T_IN, 2 ** 55), [], [512], VIRTIO_BLK_S_IOERR],
    ['a read of half a sector', header(VIRTIO_BLK_T_IN), [], [256], VIRTIO_BLK_S_IOERR],
    ['a write past the end', header(VIRTIO_BLK_T_OUT, SIZE / 512 - 1), [pattern(1024)], [], VIRTIO_BLK_S_IOERR],
    ['a discard past the end', header(VIRTIO_BLK_T_DISCARD), [ranges([SIZE / 512 - 1, 2])], [], VIRTIO_BLK_S_IOERR],
    ['a discard with unmap', header(VIRTIO_BLK_T_DISCARD), [ranges([0, 8, 1])], [], VIRTIO_BLK_S_UNSUPP],
    ['a discard of no ranges', header(VIRTIO_BLK_T_DISCARD), [], [], VIRTIO_BLK_S_IOERR],
    ['a discard of too many ranges', header(VIRTIO_BLK_T_DISCARD), [new Uint8Array(17 * 16)], [], VIRTIO_BLK_S_IOERR],
    ['zeroes with unknown flags', header(VIRTIO_BLK_T_WRITE_ZEROES), [ranges([0, 8, 2])], [], VIRTIO_BLK_S_UNSUPP],
    ['more zeroes than allowed at once', header(VIRTIO_BLK_T_WRITE_ZEROES), [ranges([0, 1 << 17])], [], VIRTIO_BLK_S_IOERR],
  ])('refuses %s', async (_, head, out, into, status) => {
    const driver = MockDriver.for(new VirtioBlock({ disk: new RamDisk(SIZE) })).start();
    const answer = await request(driver, head, out, into);
    expect(answer.status).toBe(status);
    expect(answer.written).toBe(into.length > 0 ? 0 : 1);
    expect(driver.read('Status') & STATUS_NEEDS_RESET).toBe(0);
  });

  it.each([
    ['without a header', { readable: [pattern(15)], writable: [1] }],
    ['without a status byte', { readable: [header(VIRTIO_BLK_T_OUT), pattern(512)] }],
  ])('asks to be reset after a request %s', async (_, chain) => {
    const driver = MockDriver.for(new VirtioBlock({ disk: new RamDisk(SIZE) })).start();
    const queue = driver.queues[0];
    queue.add(chain);
    queue.kick();
    await queue.waitUsed();
    await Promise.resolve();
    expect(driver.read('Status') & STATUS_NEEDS_RESET).not.toBe(0);
    driver.start();
    expect((await request(driver, header(VIRTIO_BLK_T_IN), [], [512])).status).toBe(VIRTIO_BLK_S_OK);
  });

  it('zeroes and discards ranges', async () => {
    const disk = new RamDisk(SIZE);
    const driver = MockDriver.for(new VirtioBlock({ disk })).start();
    await request(driver, header(VIRTIO_BLK_T_OUT), [pattern(8192).fill(0xff)]);
    expect((await request(driver, header(VIRTIO_BLK_T_WRITE_ZEROES), [ranges([1, 2, 1], [5, 1])])).status).toBe(VIRTIO_BLK_S_OK);
    expect((await request(driver, header(VIRTIO_BLK_T_DISCARD), [ranges([8, 8])])).status).toBe(VIRTIO_BLK_S_OK);
    const { data } = await request(driver, header(VIRTIO_BLK_T_IN), [], [8192]);
    expect(Array.from({ length: 16 }, (_, sector) => data[sector * 512])).toEqual([
      255, 0, 0, 255, 255, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
  });

  it('offers only what it can do', () => {
    const raw = Object.assign(new RamDisk(SIZE), { readonly: true, discards: false });
    const readonly = new VirtioBlock({ disk: raw }).offeredFeatures;
    expect(readonly.has(VIRTIO_BLK_F_RO)).toBe(true);
    expect(readonly.has(VIRTIO_BLK_F_DISCARD)).toBe(false);
    expect(readonly.has(VIRTIO_BLK_F_WRITE_ZEROES)).toBe(false);
    const ram = new VirtioBlock({ disk: new RamDisk(SIZE) }).offeredFeatures;
    expect(ram.has(VIRTIO_BLK_F_RO)).toBe(false);
    expect(ram.has(VIRTIO_BLK_F_DISCARD)).toBe(true);
  });

  it('refuses requests whose feature was not negotiated', async () => {
    const driver = MockDriver.for(new VirtioBlock({ disk: new RamDisk(SIZE) })).start({ features: QUEUE_FEATURES });
    expect((await request(driver, header(VIRTIO_BLK_T_DISCARD), [ranges([0, 8])])).status).toBe(VIRTIO_BLK_S_UNSUPP);
    expect((await request(driver, header(VIRTIO_BLK_T_WRITE_ZEROES), [ranges([0, 8])])).status).toBe(VIRTIO_BLK_S_UNSUPP);
  });

  it('refuses to write to a readonly disk', async () => {
    const disk = Object.assign(new RamDisk(SIZE), { readonly: true });
    const driver = MockDriver.for(new VirtioBlock({ disk })).start();
    expect((await request(driver, header(VIRTIO_BLK_T_OUT), [pattern(512)])).status).toBe(VIRTIO_BLK_S_IOERR);
  });

  it('tells its serial number, capacity and limits', async () => {
    const driver = MockDriver.for(new VirtioBlock({ disk: new RamDisk(SIZE), serial: 'hartbox-1' })).start();
    const { data } = await request(driver, header(VIRTIO_BLK_T_GET_ID), [], [20]);
    expect(data.toString()).toBe('hartbox-1'.padEnd(20, '\0'));
    expect(driver.transport.read(0x100, 4)).toBe(SIZE / 512);
    expect(driver.transport.read(0x10c, 4)).toBe(254);
    expect(driver.transport.read(0x114, 4)).toBe(512);
    expect(() => new VirtioBlock({ disk: new RamDisk(SIZE), serial: 'x'.repeat(21) })).toThrow('20');
  });

  it('tells its block size, and of another size of the disk while the driver works', async () => {
    const disk = new RamDisk(SIZE);
    const device = new VirtioBlock({ disk, blockSize: 4096 });
    const driver = MockDriver.for(device).start();
    expect([driver.transport.read(0x114, 4), driver.transport.read(0x118, 1)]).toEqual([4096, 0]);
    const generation = driver.read('ConfigGeneration');
    await disk.resize(2 * SIZE);
    expect((await request(driver, header(VIRTIO_BLK_T_IN, SIZE / 512), [], [512])).status).toBe(VIRTIO_BLK_S_OK);
    expect(driver.transport.read(0x100, 4)).toBe((2 * SIZE) / 512);
    expect(driver.read('ConfigGeneration')).not.toBe(generation);
    expect(driver.read('InterruptStatus') & INTERRUPT_CONFIG_CHANGE).not.toBe(0);
    expect(() => new VirtioBlock({ disk, blockSize: 1024 })).toThrow('512 or 4096');
  });

  it('serves all its queues', async () => {
    const disk = new RamDisk(SIZE);
    const driver = MockDriver.for(new VirtioBlock({ disk, queues: 3 })).start();
    expect(driver.offered().has(VIRTIO_BLK_F_MQ)).toBe(true);
    expect(driver.transport.read(0x122, 2)).toBe(3);
    const chains = driver.queues.map((queue, i) => queue.add({ readable: [header(VIRTIO_BLK_T_OUT, i), pattern(512, i)], writable: [1] }));
    for (const queue of driver.queues) queue.kick();
    for (const queue of driver.queues) await queue.waitUsed();
    expect(chains.map((chain) => driver.written(chain)[0])).toEqual([0, 0, 0]);
    const content = new Uint8Array(3 * 512);
    await disk.readv(0, [content]);
    expect(Buffer.compare(content, Buffer.concat([pattern(512, 0), pattern(512, 1), pattern(512, 2)]))).toBe(0);
    expect(() => new VirtioBlock({ disk, queues: 17 })).toThrow('1 to 16 queues');
  });

  it('can be read and written by the host', async () => {
    const device = VirtioBlock.ramDisk(SIZE);
    await device.handleWrite(3, pattern(1024));
    const buffer = new Uint8Array(1024);
    await device.handleRead(3, buffer);
    expect(buffer).toEqual(pattern(1024));
    await expect(device.handleRead(SIZE / 512 - 1, buffer)).rejects.toMatchObject({ code: 'InvalidParameter' });
    await expect(device.handleRead(0.5, buffer)).rejects.toMatchObject({ code: 'InvalidParameter' });
    await expect(device.handleWrite(0, pattern(100))).rejects.toMatchObject({ code: 'InvalidParameter' });
    await device.close();
  });

  it('has a write cache only for drivers that can flush it', async () => {
    const disk = new RamDisk(SIZE);
    const flush = vi.spyOn(disk, 'flush');
    const driver = MockDriver.for(new VirtioBlock({ disk }));
    const flushesOf = async (features: number[], writeback?: number): Promise<number> => {
      driver.start({ features: [...QUEUE_FEATURES, ...features] });
      if (writeback !== undefined) driver.transport.write(0x120, 1, writeback);
      flush.mockClear();
      await request(driver, header(VIRTIO_BLK_T_OUT), [pattern(512)]);
      return flush.mock.calls.length;
    };
    expect(await flushesOf([])).toBe(1);
    expect(await flushesOf([VIRTIO_BLK_F_FLUSH])).toBe(0);
    expect(await flushesOf([VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_CONFIG_WCE], 0)).toBe(1);
    expect(await flushesOf([VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_CONFIG_WCE], 1)).toBe(0);
    expect(await flushesOf([VIRTIO_BLK_F_FLUSH], 0)).toBe(0);
    await request(driver, header(VIRTIO_BLK_T_FLUSH));
    expect(flush).toHaveBeenCalledTimes(1);
  });

  it('turns failures of the host into I/O errors and warns once until it works again', async () => {
    const disk = new RamDisk(SIZE);
    const device = new VirtioBlock({ disk });
    const warnings: VmError[] = [];
    device.on('warning', (error) => warnings.push(error));
    const driver = MockDriver.for(device).start();
    const write = vi.spyOn(disk, 'writev').mockRejectedValue(DeviceError.IoError("The host's disk is full"));
    for (let i = 0; i < 3; i++) expect((await request(driver, header(VIRTIO_BLK_T_OUT), [pattern(512)])).status).toBe(VIRTIO_BLK_S_IOERR);
    expect(warnings.map(({ message }) => message)).toEqual(["The host's disk is full"]);
    write.mockRestore();
    expect((await request(driver, header(VIRTIO_BLK_T_OUT), [pattern(512)])).status).toBe(VIRTIO_BLK_S_OK);
    vi.spyOn(disk, 'writev').mockRejectedValue(DeviceError.IoError('again'));
    await request(driver, header(VIRTIO_BLK_T_OUT), [pattern(512)]);
    expect(warnings).toHaveLength(2);
  });

  it('reports as written nothing of a read that failed', async () => {
    const disk = new RamDisk(SIZE);
    vi.spyOn(disk, 'readv').mockRejectedValue(DeviceError.IoError('broken'));
    const driver = MockDriver.for(new VirtioBlock({ disk })).start();
    expect(await request(driver, header(VIRTIO_BLK_T_IN), [], [512])).toMatchObject({ status: VIRTIO_BLK_S_IOERR, written: 0 });
  });
});

describe('VirtioBlock on a file', () => {
  let folder: string;
  let path: string;
  let disk: AsyncBlockDevice;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hartbox-block-'));
    path = join(folder, 'disk.img');
    await writeFile(path, pattern(SIZE, 9));
    disk = await AsyncBlockDevice.open(path);
  });
  afterEach(async () => {
    await disk.close();
    await rm(folder, { recursive: true });
  });

  it('moves data between the file and guest memory without a copy', async () => {
    const device = new VirtioBlock({ disk });
    const driver = MockDriver.for(device).start();
    const { buffer } = driver.memory.memory;
    const file = (disk as RawDisk)['file'];
    const spies = [vi.spyOn(file, 'readv'), vi.spyOn(file, 'writev')];
    const queue = driver.queues[0];
    const data = pattern(256 << 10, 3);
    const write = queue.add({ readable: [header(VIRTIO_BLK_T_OUT, 100), data], writable: [1] });
    const read = queue.add({ readable: [header(VIRTIO_BLK_T_IN, 0)], writable: [10_000, 41_200, 1] });
    let copied = 0;
    const set = vi.spyOn(Uint8Array.prototype, 'set').mockImplementation(function (this: Uint8Array, source, at = 0) {
      // Others in this process copy bytes too.
      if (this.buffer === buffer || (ArrayBuffer.isView(source) && source.buffer === buffer)) copied += source.length;
      for (let i = 0; i < source.length; i++) this[at + i] = source[i];
    });
    queue.kick();
    await queue.waitUsed(2);
    set.mockRestore();
    expect(copied).toBe(0);
    expect(device.statistics).toEqual({ transfers: 2, zeroCopyBytes: data.length + 51_200, copiedBytes: 0 });
    const passed = spies.flatMap(({ mock }) => mock.calls.flatMap(([, views]) => views.map((view) => view.buffer)));
    expect(passed).toHaveLength(3);
    expect(passed.every((used) => used === buffer)).toBe(true);
    expect(driver.written(write)[0]).toBe(VIRTIO_BLK_S_OK);
    expect(Buffer.compare(driver.written(read).subarray(0, -1), pattern(SIZE, 9).subarray(0, 51_200))).toBe(0);
    expect(Buffer.compare((await readFile(path)).subarray(51_200, 51_200 + data.length), data)).toBe(0);
  });

  it('opens files, and closes them where it cannot be', async () => {
    await disk.close();
    await expect(VirtioBlock.open({ path, sectorSize: 100 })).rejects.toThrow('512 or 4096');
    const device = await VirtioBlock.open({ path, sectorSize: 512, readonly: true });
    const buffer = new Uint8Array(512);
    await device.handleRead(1, buffer);
    expect(buffer).toEqual(pattern(SIZE, 9).slice(512, 1024));
    await expect(device.handleWrite(1, buffer)).rejects.toMatchObject({ code: 'NotSupported' });
    await device.close();
    disk = await AsyncBlockDevice.open(path);
  });

  it('writes nothing into guest memory after a reset has completed', async () => {
    const driver = MockDriver.for(new VirtioBlock({ disk })).start();
    const queue = driver.queues[0];
    const chains = Array.from({ length: 20 }, (_, i) => queue.add({ readable: [header(VIRTIO_BLK_T_IN, i)], writable: [32_768, 1] }));
    queue.kick();
    driver.write('Status', 0);
    while (driver.read('Status') !== 0) await new Promise((resolve) => setImmediate(resolve));
    for (const { writable } of chains) for (const { address, length } of writable) driver.memory.view(address, length).fill(0xa5);
    await new Promise((resolve) => setTimeout(resolve, 30));
    for (const chain of chains) expect(driver.written(chain).every((byte) => byte === 0xa5)).toBe(true);
    expect(queue.takeUsed()).toEqual([]);
    expect(driver.line.level).toBe(false);
  });
});
