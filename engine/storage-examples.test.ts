import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildElf } from '../test/support/elf-builder';
import {
  AsyncBlockDevice,
  BufferPool,
  DeviceError,
  DirectMemoryAccess,
  ScatterGatherList,
  VirtioBlock,
  VirtioScsi,
  VirtualMachine,
  VmError,
  ZeroCopyIoManager,
} from './index';

/** The examples of the devices' API, as someone who embeds the engine writes them: everything comes from the index. */

// They need the build, and no machine here is started.
vi.mock('./threads/hart-threads', () => ({ HartThreads: class {} }));

const RAM = 0x8000_0000;
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-examples-'));
  path = join(folder, 'disk.img');
  writeFileSync(path, new Uint8Array(1 << 20).fill(7));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A machine that is there, but not started. */
async function machine(): Promise<VirtualMachine> {
  const kernel = join(folder, 'kernel.elf');
  writeFileSync(kernel, buildElf({ entry: RAM, parts: [{ address: RAM, bytes: Uint8Array.of(0x6f, 0, 0, 0) }] }));
  return VirtualMachine.create({ memory: 16 << 20, kernel, firmware: 'none' });
}

describe('block devices', () => {
  it('are made of a file, or live in memory', async () => {
    const block = await VirtioBlock.open({ path, sectorSize: 512, readonly: true });
    expect(block.deviceId).toBe(2);
    expect(block.status).toEqual({ kind: 'Initialized' });
    await block.close();

    const ramDisk = VirtioBlock.ramDisk(1024 ** 3);
    expect(ramDisk.size).toBe(1024 ** 3);
    await ramDisk.close();
  });

  it('can be read and written by sectors', async () => {
    const block = await VirtioBlock.open({ path, sectorSize: 512, readonly: false });
    const buffer = new Uint8Array(512);
    await block.handleRead(0, buffer);
    expect(buffer).toEqual(new Uint8Array(512).fill(7));
    await block.handleWrite(1, buffer.fill(9));
    await block.close();
    expect(readFileSync(path).subarray(511, 1025)).toEqual(Buffer.from([7, ...buffer, 7]));
  });

  it('fail with errors that say what kind they are', async () => {
    const block = VirtioBlock.ramDisk(1 << 20);
    try {
      await block.handleRead(2048, new Uint8Array(512));
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(VmError);
      expect(error instanceof DeviceError && error.code).toBe('InvalidParameter');
    }
    await expect(VirtioBlock.open({ path: join(folder, 'missing.img') })).rejects.toMatchObject({ kind: 'Image' });
  });
});

describe('asynchronous block devices', () => {
  it('read and write', async () => {
    const device = await AsyncBlockDevice.open(path);
    const buffer = new Uint8Array(4096);
    await device.read(0, buffer);
    expect(buffer).toEqual(new Uint8Array(4096).fill(7));
    await device.write(4096, buffer.fill(3));
    await device.flush();
    await device.close();
    expect(readFileSync(path)[4096]).toBe(3);
  });

  it('work on many requests at a time', async () => {
    const device = await AsyncBlockDevice.open(path, { readonly: true });
    const [first, second] = [new Uint8Array(512), new Uint8Array(512)];
    await Promise.all([device.read(0, first), device.read(4096, second)]);
    expect([first, second].every((bytes) => bytes.every((byte) => byte === 7))).toBe(true);
    await device.close();
  });
});

describe('zero-copy transfers', () => {
  it('copy between host and guest where that is wanted', async () => {
    const vm = await machine();
    const dma = vm.memory.window(RAM, 1024 * 1024);
    dma.copyToGuest(Uint8Array.of(1, 2, 3), RAM + 4096);

    const manager = new ZeroCopyIoManager({ dma });
    manager.transferToGuest(Uint8Array.of(4, 5, 6), RAM + 4099);
    const back = new Uint8Array(6);
    dma.copyFromGuest(RAM + 4096, back);
    expect([...back]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(() => dma.copyToGuest(back, RAM + 1024 * 1024)).toThrow(DeviceError);
    await vm.stop();
  });

  it('move scattered pieces of guest memory without a copy', async () => {
    const vm = await machine();
    const dma = new DirectMemoryAccess({ memory: vm.memory.memory, base: RAM, size: 1 << 20 });
    const manager = new ZeroCopyIoManager({ dma, pool: new BufferPool({ bufferBytes: 65536, buffers: 4 }) });
    const device = await AsyncBlockDevice.open(path, { readonly: true });

    const list = new ScatterGatherList(dma.memory, true);
    list.add(RAM + 0x1000, 1000).add(RAM + 0x3000, 3096);
    await manager.transferScatterGather(list, device, 512);

    expect(dma.view(RAM + 0x3000, 3096).every((byte) => byte === 7)).toBe(true);
    expect(manager.statistics).toEqual({ transfers: 1, zeroCopyBytes: 4096, copiedBytes: 0 });
    await device.close();
    await vm.stop();
  });
});

describe('SCSI', () => {
  it('takes disks and discs, and gives them back', async () => {
    const scsi = new VirtioScsi({ queues: 2 });
    const medium = await AsyncBlockDevice.open(path);
    const address = scsi.attach({ kind: 'disk', medium, serial: 'EXAMPLE-1' });
    expect(address).toEqual({ target: 0, lun: 0 });
    scsi.attach({ kind: 'cdrom' });
    expect(await scsi.detach(address)).toBe(medium);
    await medium.close();
  });
});
