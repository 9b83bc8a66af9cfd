import { describe, expect, it } from 'vitest';
import { TEST_RAM_BASE, TEST_ROM_BASE, testGuestMemory } from '../../test/support/guest-memory';
import { VmError } from '../errors/vm-error';
import { BufferPool } from './buffer-pool';
import { DirectMemoryAccess } from './direct-memory-access';
import { ScatterGatherList } from './scatter-gather-list';
import { ZeroCopyIoManager } from './zero-copy-io-manager';

const pattern = (length: number, seed = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 13 + seed) & 0xff);

/** A back end of bytes that notes which buffers it was given. */
class Bytes {
  readonly bytes: Uint8Array;
  readonly buffers: ArrayBufferLike[] = [];

  constructor(length: number) {
    this.bytes = pattern(length);
  }

  async readv(offset: number, buffers: Uint8Array[]): Promise<void> {
    let at = offset;
    for (const buffer of buffers) {
      this.buffers.push(buffer.buffer);
      buffer.set(this.bytes.subarray(at, at + buffer.length));
      at += buffer.length;
    }
  }

  async writev(offset: number, buffers: Uint8Array[]): Promise<void> {
    let at = offset;
    for (const buffer of buffers) {
      this.buffers.push(buffer.buffer);
      this.bytes.set(buffer, at);
      at += buffer.length;
    }
  }
}

describe('BufferPool', () => {
  it('lends buffers again, and lets who asks for one too many wait', async () => {
    const pool = new BufferPool({ bufferBytes: 16, buffers: 2 });
    const [first] = [await pool.acquire(), await pool.acquire()];
    expect(pool.inUse).toBe(2);
    let waited: Uint8Array | undefined;
    const waiting = pool.acquire().then((buffer) => (waited = buffer));
    await Promise.resolve();
    expect(waited).toBeUndefined();
    pool.release(first);
    await waiting;
    expect(waited).toBe(first);
    expect(pool.inUse).toBe(2);
    pool.release(first);
    expect(await pool.acquire()).toBe(first);
    expect(() => pool.release(new Uint8Array(16))).toThrow('not lent');
    expect(() => new BufferPool({ buffers: 0 })).toThrow(VmError);
  });
});

describe('DirectMemoryAccess', () => {
  it('copies into the guest and out of it, and shows its bytes', () => {
    const dma = new DirectMemoryAccess({ memory: testGuestMemory() });
    dma.copyToGuest(pattern(100), TEST_RAM_BASE + 5);
    const copy = new Uint8Array(100);
    dma.copyFromGuest(TEST_RAM_BASE + 5, copy);
    expect(copy).toEqual(pattern(100));
    dma.view(TEST_RAM_BASE + 5, 1)[0] = 77;
    expect(dma.memory.view(TEST_RAM_BASE + 5, 1)[0]).toBe(77);
  });

  it('keeps to its window', () => {
    const dma = new DirectMemoryAccess({ memory: testGuestMemory(), base: TEST_RAM_BASE + 4096, size: 4096 });
    dma.copyToGuest(pattern(4096), TEST_RAM_BASE + 4096);
    for (const [address, length] of [
      [TEST_RAM_BASE + 4095, 1],
      [TEST_RAM_BASE + 4097, 4096],
      [TEST_ROM_BASE, 1],
      [2 ** 53, 1],
    ] as const) {
      expect(() => dma.copyToGuest(new Uint8Array(length), address)).toThrow('outside the window');
      expect(() => dma.view(address, length)).toThrow('outside the window');
      expect(() => dma.scatterGather([{ address, length }], true)).toThrow('outside the window');
    }
    expect(() => new DirectMemoryAccess({ memory: testGuestMemory(), base: 0x4000_0000, size: 4096 })).toThrow('no guest memory');
  });

  it('tells the harts of code that it overwrites', () => {
    const memory = testGuestMemory();
    const version = memory.plan.pageVersions >>> 2;
    memory.words[version + 1] = -5;
    new DirectMemoryAccess({ memory }).copyToGuest(pattern(10), TEST_RAM_BASE + 4090);
    expect(memory.words[version + 1]).toBe(0);
  });
});

describe('ZeroCopyIoManager', () => {
  const setUp = () => {
    const memory = testGuestMemory();
    const dma = new DirectMemoryAccess({ memory });
    return { memory, dma, io: new ZeroCopyIoManager({ dma, pool: new BufferPool({ bufferBytes: 1000, buffers: 1 }) }) };
  };

  it('hands back ends the guest’s own bytes, and counts them', async () => {
    const { memory, dma, io } = setUp();
    const disk = new Bytes(100_000);
    const list = dma.scatterGather(
      [
        { address: TEST_RAM_BASE, length: 3000 },
        { address: TEST_RAM_BASE + 8192, length: 5000 },
      ],
      true,
    );
    await io.transferScatterGather(list, disk, 100);
    expect(list.toBytes()).toEqual(disk.bytes.slice(100, 8100));
    const source = dma.scatterGather(
      [
        { address: TEST_RAM_BASE, length: 3000 },
        { address: TEST_RAM_BASE + 8192, length: 5000 },
      ],
      false,
    );
    await io.transferScatterGather(source, disk, 50_000);
    expect(disk.bytes.slice(50_000, 58_000)).toEqual(disk.bytes.slice(100, 8100));
    expect(new Set(disk.buffers)).toEqual(new Set([memory.memory.buffer]));
    expect(io.statistics).toEqual({ transfers: 2, zeroCopyBytes: 16_000, copiedBytes: 0 });
  });

  it('gathers what lies in more pieces than the host takes at once', async () => {
    const { memory, io } = setUp();
    const disk = new Bytes(20_000);
    const list = new ScatterGatherList(memory, true);
    const source = new ScatterGatherList(memory, false);
    for (let i = 0; i < 1100; i++) for (const one of [list, source]) one.add(TEST_RAM_BASE + 64 * i, 3);
    await io.transferScatterGather(list, disk, 7);
    expect(list.toBytes()).toEqual(disk.bytes.slice(7, 3307));
    await io.transferScatterGather(source, disk, 10_000);
    expect(disk.bytes.slice(10_000, 13_300)).toEqual(disk.bytes.slice(7, 3307));
    expect(disk.buffers).not.toContain(memory.memory.buffer);
    expect(io.statistics).toEqual({ transfers: 2, zeroCopyBytes: 0, copiedBytes: 6600 });
    expect(io.pool.inUse).toBe(0);
  });

  it('copies between host buffers and the guest', () => {
    const { io, memory } = setUp();
    const list = new ScatterGatherList(memory, true).add(TEST_RAM_BASE, 300).add(TEST_RAM_BASE + 4096, 200);
    for (const place of [TEST_RAM_BASE + 5000, list]) {
      io.transferToGuest(pattern(500), place);
      const copy = new Uint8Array(500);
      io.transferFromGuest(place, copy);
      expect(copy).toEqual(pattern(500));
    }
    expect(io.statistics).toEqual({ transfers: 4, zeroCopyBytes: 0, copiedBytes: 2000 });
    expect(() => io.transferToGuest(pattern(501), list)).toThrow('do not fit');
    expect(() => io.transferFromGuest(list, new Uint8Array(501))).toThrow('were asked of');
  });

  it('passes on the failures of back ends, and keeps no buffer', async () => {
    const { memory, io } = setUp();
    const broken = { readv: () => Promise.reject(new Error('broken')), writev: () => Promise.reject(new Error('broken')) };
    const lists = [true, false].flatMap((writable) => {
      const many = new ScatterGatherList(memory, writable);
      for (let i = 0; i < 1100; i++) many.add(TEST_RAM_BASE + 64 * i, 3);
      return [new ScatterGatherList(memory, writable).add(TEST_RAM_BASE, 512), many];
    });
    for (const list of lists) {
      await expect(io.transferScatterGather(list, broken, 0)).rejects.toThrow('broken');
    }
    expect(io.pool.inUse).toBe(0);
  });
});
