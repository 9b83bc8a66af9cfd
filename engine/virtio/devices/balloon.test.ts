import { describe, expect, it, vi } from 'vitest';
import { TEST_RAM_BASE, testGuestMemory } from '../../../test/support/guest-memory';
import { MockDriver } from '../../../test/support/mock-driver';
import type { HostPages } from '../../backend/host-pages';
import { VIRTIO_F_VERSION_1 } from '../features';
import { STATUS_NEEDS_RESET } from '../transport/transport';
import { VirtioBalloon } from './balloon';

const MiB = 2 ** 20;
const PAGE = 4096;
/** Offsets in the configuration space. */
const [NUM_PAGES, ACTUAL, HINT, POISON] = [0, 4, 8, 12];
const [INFLATE, DEFLATE, STATISTICS, HINTS, REPORTS] = [0, 1, 2, 3, 4];
const FEATURES = [1, 2, 3, 4, 5, VIRTIO_F_VERSION_1];
/** The page number of the first page that is used here. */
const FIRST = TEST_RAM_BASE / PAGE + 512;

/** A host that notes what it gets: offset and length in the shared memory. */
function noting(pageBytes = PAGE): HostPages & { got: [number, number][] } {
  const got: [number, number][] = [];
  return { pageBytes, got, release: (bytes) => got.push([bytes.byteOffset, bytes.length]) > 0 };
}

function setUp({ pages = noting(), features = FEATURES } = {}) {
  const device = new VirtioBalloon({ memoryBytes: MiB, pages });
  const driver = MockDriver.for(device).start({ features });
  const offset = (page: number): number => driver.memory.offsetOf(page * PAGE, PAGE);
  return { device, driver, pages, offset };
}
const words = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
const statistics = (...values: [number, number][]): Uint8Array => {
  const bytes = new DataView(new ArrayBuffer(10 * values.length));
  for (const [i, [tag, value]] of values.entries()) {
    bytes.setUint16(10 * i, tag, true);
    bytes.setBigUint64(10 * i + 2, BigInt(value), true);
  }
  return new Uint8Array(bytes.buffer);
};

describe('VirtioBalloon', () => {
  it('says how many pages it wants, and hears how many it has', () => {
    const { device, driver } = setUp();
    const before = device.configGeneration;
    device.inflateTo(10 * PAGE + 5);
    expect(device.readConfig(NUM_PAGES, 4)).toBe(10);
    expect(device.configGeneration).not.toBe(before);
    device.writeConfig(ACTUAL, 4, 7);
    device.writeConfig(NUM_PAGES, 4, 3);
    expect(device.fill).toEqual({ wanted: 10 * PAGE, actual: 7 * PAGE, released: 0, isDriven: true });
    for (const wrong of [-1, MiB + 1, Number.NaN]) expect(() => device.inflateTo(wrong)).toThrow('can take 0 to 1048576 bytes');
    driver.write('Status', 0);
    expect(device.fill).toEqual({ wanted: 10 * PAGE, actual: 0, released: 0, isDriven: false });
  });

  it('keeps nobody waiting for pages that all lie apart', async () => {
    const pages = noting();
    const memory = testGuestMemory(32 * MiB);
    const device = new VirtioBalloon({ memoryBytes: MiB, pages });
    const driver = MockDriver.for(device, memory).start({ features: FEATURES });
    const queue = driver.queues[INFLATE];
    const apart = Array.from({ length: 3000 }, (_, i) => FIRST + 2 * i);
    for (let i = 0; i < 20; i++) queue.add({ readable: [words(...apart)] });
    queue.kick();
    const first = queue.takeUsed().length;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(4);
    // As many as Linux has in a request; the guest does without the others all the same.
    expect(pages.got).toHaveLength(256 * first);
    await queue.waitUsed(20 - first);
    expect(device.status.kind).toBe('Running');
  });

  it('gives pages back to the host in as few pieces as they are, and in whole pages of the host', async () => {
    for (const [pageBytes, expected] of [
      [PAGE, [[2, 4] as const, [9, 1] as const]],
      [4 * PAGE, []],
      [2 * PAGE, [[2, 4] as const]],
    ] as const) {
      const pages = noting(pageBytes);
      const { device, driver, offset } = setUp({ pages });
      const queue = driver.queues[INFLATE];
      queue.add({ readable: [words(FIRST + 4, FIRST + 2), words(FIRST + 9, FIRST + 3, FIRST + 5, FIRST + 3)] });
      queue.kick();
      await queue.waitUsed();
      expect(pages.got).toEqual(expected.map(([first, count]) => [offset(FIRST + first), count * PAGE]));
      expect(device.fill.released).toBe(expected.reduce((sum, [, count]) => sum + count * PAGE, 0));
      const deflate = driver.queues[DEFLATE];
      deflate.add({ readable: [words(FIRST + 2)] });
      deflate.kick();
      await deflate.waitUsed();
      expect(pages.got.length).toBe(expected.length);
    }
  });

  it('stops at pages that are none, and at numbers that are not whole', async () => {
    for (const request of [words(0xffff_ffff), words(1), words(FIRST).subarray(0, 3)]) {
      const { driver, pages } = setUp();
      const queue = driver.queues[INFLATE];
      queue.add({ readable: [request] });
      queue.kick();
      await queue.waitUsed();
      expect(driver.read('Status') & STATUS_NEEDS_RESET).not.toBe(0);
      expect(pages.got).toEqual([]);
    }
  });

  it('gives pages that the guest reports to the host, but not where it finds its pattern in them', async () => {
    const { device, driver, pages } = setUp();
    const queue = driver.queues[REPORTS];
    const { writable } = queue.add({ writable: [3 * PAGE + 64] });
    queue.kick();
    await queue.waitUsed();
    const start = driver.memory.offsetOf(writable[0].address, 1);
    const first = Math.ceil(start / PAGE) * PAGE;
    expect(pages.got).toEqual([[first, Math.floor((start + 3 * PAGE + 64) / PAGE) * PAGE - first]]);
    device.writeConfig(POISON, 4, 0xaaaaaaaa);
    queue.add({ writable: [4 * PAGE] });
    queue.kick();
    await queue.waitUsed();
    expect(pages.got.length).toBe(1);
  });

  it('knows queues by the number that the specification gives them, and by Linux numbering', async () => {
    // Reports alone: queue 4, or 2 where that is the only one that the driver sets up.
    for (const index of [4, 2]) {
      const pages = noting();
      const device = new VirtioBalloon({ memoryBytes: MiB, pages });
      const driver = MockDriver.for(device);
      expect(driver.negotiate([5, VIRTIO_F_VERSION_1])).toBe(true);
      for (const one of [0, 1, index]) driver.setUpQueue(one);
      driver.driverOk();
      const queue = driver.queues[index];
      queue.add({ writable: [4 * PAGE] });
      queue.kick();
      await queue.waitUsed();
      expect(pages.got.length).toBe(1);
    }
  });

  it('asks for new statistics, not for those that lie about', async () => {
    const { device, driver } = setUp();
    const queue = driver.queues[STATISTICS];
    let round = 0;
    const answer = (): void => {
      queue.add({ readable: [statistics([4, 100 + round++], [5, 2 ** 40], [77, 1], [10, 3])] });
      queue.kick();
    };
    answer();
    const read = device.readStatistics();
    const also = device.readStatistics();
    await queue.waitUsed();
    answer();
    await queue.waitUsed();
    expect(await read).toEqual({ free: 101, total: 2 ** 40, outOfMemoryKills: 3 });
    expect(await also).toEqual(await read);
    answer();
    const later = device.readStatistics();
    await queue.waitUsed();
    answer();
    expect(await later).toEqual({ free: 103, total: 2 ** 40, outOfMemoryKills: 3 });
  });

  it('takes no offence at statistics that come before DRIVER_OK, as from Linux', async () => {
    const device = new VirtioBalloon({ memoryBytes: MiB });
    const warnings: unknown[] = [];
    device.on('warning', (warning) => warnings.push(warning));
    const driver = MockDriver.for(device);
    driver.negotiate(FEATURES);
    for (const index of device.queueSizes.keys()) driver.setUpQueue(index);
    const queue = driver.queues[STATISTICS];
    queue.add({ readable: [statistics([4, 1])] });
    queue.kick();
    driver.driverOk();
    const read = device.readStatistics();
    await queue.waitUsed();
    queue.add({ readable: [statistics([4, 2])] });
    queue.kick();
    expect(await read).toEqual({ free: 2 });
    expect(warnings).toEqual([]);
  });

  it('has no statistics of a driver that has none, or goes away', async () => {
    expect(await setUp({ features: [VIRTIO_F_VERSION_1] }).device.readStatistics()).toBeUndefined();
    const { device, driver } = setUp();
    const read = device.readStatistics();
    driver.write('Status', 0);
    expect(await read).toBeUndefined();
    expect(await device.readStatistics()).toBeUndefined();
  });

  it('takes hints from the command to its end, and then lets the guest have its pages', async () => {
    const { device, driver, pages } = setUp();
    const queue = driver.queues[HINTS];
    const send = async (readable: Uint8Array[], writable: number[]): Promise<void> => {
      queue.add(readable.length > 0 ? { readable } : { writable });
      queue.kick();
      await queue.waitUsed();
    };
    await send([], [PAGE * 2]);
    expect(pages.got).toEqual([]);
    const reclaimed = device.reclaimFree();
    const command = device.readConfig(HINT, 4);
    expect(command).toBeGreaterThanOrEqual(2);
    await send([], [PAGE * 2]);
    expect(pages.got).toEqual([]);
    await send([words(command)], []);
    await send([], [PAGE * 4]);
    await send([], [PAGE * 4]);
    const done = vi.fn();
    void reclaimed.then(done);
    await Promise.resolve();
    expect(done).not.toHaveBeenCalled();
    await send([words(0)], []);
    expect(await reclaimed).toBe(pages.got.reduce((sum, [, length]) => sum + length, 0));
    expect(await reclaimed).toBeGreaterThan(4 * PAGE);
    expect(device.readConfig(HINT, 4)).toBe(1);
    await send([], [PAGE * 4]);
    expect(pages.got.length).toBe(2);
    const again = device.reclaimFree();
    expect(device.readConfig(HINT, 4)).not.toBe(command);
    driver.write('Status', 0);
    expect(await again).toBe(0);
  });
});
