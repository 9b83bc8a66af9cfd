import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TEST_RAM_BASE, TEST_ROM_BASE, testGuestMemory } from '../../test/support/guest-memory';
import { MockDriver } from '../../test/support/mock-driver';
import { RamDisk } from '../backend/disk/ram';
import type { GuestMemory } from '../memory/guest-memory';
import type { VirtioDevice } from './device';
import { VirtioBlock } from './devices/block';
import { VirtioConsole } from './devices/console';
import { VirtioRng } from './devices/rng';
import { VirtioScsi } from './devices/scsi/device';

/**
 * Drivers that do whatever they like. The promises: no exception leaves the device, nothing hangs, and guest memory changes only in
 * what the driver itself made writable, its used rings and the writable buffers of its descriptors.
 *
 * HARTBOX_FUZZ_RUNS sets how many drivers are tried per device (100 unless given); fast-check prints the seed of a failure.
 */
const RUNS = Number(process.env['HARTBOX_FUZZ_RUNS'] ?? 100);

const RAM_BYTES = 256 << 10;
const RAM_END = TEST_RAM_BASE + RAM_BYTES;
/** Descriptor tables and rings lie in the first half; each device may write only into the second half, and its used rings. */
const BUFFERS = TEST_RAM_BASE + RAM_BYTES / 2;
const GUARD = 0x5c;

const devices: Record<string, () => VirtioDevice> = {
  VirtioBlock: () => new VirtioBlock({ disk: new RamDisk(64 << 10) }),
  'VirtioBlock, readonly': () => new VirtioBlock({ disk: Object.assign(new RamDisk(64 << 10), { readonly: true }) }),
  VirtioConsole: () => {
    const device = new VirtioConsole({ console: { columns: 80, rows: 24 }, ports: ['one', 'two'] });
    // An echo, so that both directions work.
    for (const port of [device.console, device.port('one')])
      port.onData((data) => void (port.isOpen && data.length < 4096 && port.write(data)));
    device.console.write(new Uint8Array(5000));
    device.port('two').write(new Uint8Array(500));
    device.port('two').end();
    return device;
  },
  VirtioRng: () => new VirtioRng(),
  VirtioScsi: () => {
    const device = new VirtioScsi();
    device.attach({ medium: new RamDisk(64 << 10) });
    device.attach({ kind: 'cdrom', medium: new RamDisk(64 << 10) });
    return device;
  },
};

const index = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 7 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }) },
);
const bufferAddress = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: BUFFERS, max: RAM_END - 1 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, TEST_ROM_BASE, RAM_END - 1, RAM_END, 2 ** 32 - 1, 2 ** 63, 2 ** 64 - 4096) },
);
const bufferLength = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(1, 8, 16, 512, 513, 4096) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffffffff }) },
);

type Step =
  | { kind: 'register'; offset: number; value: number }
  | { kind: 'config'; offset: number; size: 1 | 2 | 4; value: number }
  | { kind: 'descriptor'; queue: number; index: number; address: number; length: number; flags: number; next: number }
  | { kind: 'request'; queue: number; head: number; type: number; address: number; lengths: number[]; target: number | undefined }
  | { kind: 'available'; queue: number; head: number }
  | { kind: 'ring'; queue: number; offset: number; value: number }
  | { kind: 'notify'; queue: number }
  | { kind: 'restart' }
  | { kind: 'anywhere'; addresses: number[]; size: number }
  | { kind: 'turn' };

const queueIndex = fc.integer({ min: 0, max: 7 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('register' as const), offset: fc.nat(64).map((n) => n * 4), value: fc.nat(0xffffffff) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('register' as const),
      offset: fc.constantFrom(0x30, 0x44, 0x50, 0x64, 0x70),
      value: fc.nat(15),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('config' as const),
      offset: fc.integer({ min: 0x100, max: 0x144 }),
      size: fc.constantFrom<1 | 2 | 4>(1, 2, 4),
      value: fc.nat(0xffffffff),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('descriptor' as const),
      queue: queueIndex,
      index: fc.integer({ min: 0, max: 7 }),
      address: bufferAddress,
      length: bufferLength,
      flags: fc.oneof(fc.constantFrom(0, 1, 2, 3), fc.nat(7)),
      next: index,
    }),
  },
  {
    // A chain as it should be, so that the fuzz gets past the first checks.
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('request' as const),
      queue: queueIndex,
      head: fc.integer({ min: 0, max: 4 }),
      type: fc.oneof(fc.integer({ min: 0, max: 14 }), fc.nat(0xffffffff)),
      address: fc.integer({ min: BUFFERS, max: RAM_END - 8192 }),
      lengths: fc.array(fc.constantFrom(1, 64, 512, 1024), { minLength: 1, maxLength: 2 }),
      /** Where the writable buffers lie instead of where they should. */
      target: fc.option(bufferAddress, { nil: undefined, freq: 5 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('available' as const), queue: queueIndex, head: index }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('ring' as const), queue: queueIndex, offset: fc.nat(40), value: fc.nat(0xffff) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('notify' as const), queue: queueIndex }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'restart' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'turn' as const }) },
);

/** Queues that lie anywhere: over each other, over buffers, at the edges, outside. */
const anywhere: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('anywhere' as const),
  addresses: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: TEST_RAM_BASE / 16, max: RAM_END / 16 }).map((n) => n * 16) },
      { weight: 1, arbitrary: bufferAddress },
    ),
    { minLength: 3, maxLength: 3 },
  ),
  size: fc.oneof(fc.constantFrom(1, 8, 64, 256), fc.nat(70_000)),
});

/** Where the driver of a step stands: its queues lie at fixed places, so that any ring write hits some queue of any restart. */
class HostileDriver {
  readonly memory: GuestMemory;
  readonly driver: MockDriver;
  readonly #availableIndex = new Map<number, number>();
  readonly problems: unknown[] = [];
  mistakes = 0;
  #answered = 0;

  constructor(readonly device: VirtioDevice) {
    this.memory = testGuestMemory(RAM_BYTES);
    this.memory.view(TEST_RAM_BASE, RAM_BYTES).fill(GUARD);
    this.memory.view(TEST_ROM_BASE, 4096).fill(GUARD);
    for (const queue of device.queueSizes.keys()) this.memory.view(this.place(queue), 1024).fill(0);
    this.driver = MockDriver.for(device, this.memory);
    device.on('warning', (error) => {
      if (error.kind === 'Internal') this.problems.push(error);
      else this.mistakes++;
    });
    this.restart();
  }

  /** Each queue has 1 KiB: descriptor table, available ring at 0x200, used ring at 0x300. */
  place(queue: number): number {
    return TEST_RAM_BASE + 4096 + 1024 * queue;
  }

  restart(): void {
    const { driver } = this;
    this.#answered = this.answered();
    driver.negotiate();
    this.#availableIndex.clear();
    this.device.queueSizes.forEach((_, queue) => {
      const base = this.place(queue);
      this.memory.view(base, 1024).fill(0);
      driver.write('QueueSel', queue);
      driver.write('QueueSize', 8);
      driver.setAddress('QueueDescLow', 'QueueDescHigh', base);
      driver.setAddress('QueueDriverLow', 'QueueDriverHigh', base + 0x200);
      driver.setAddress('QueueDeviceLow', 'QueueDeviceHigh', base + 0x300);
      driver.write('QueueReady', 1);
    });
    driver.driverOk();
  }

  descriptor(queue: number, at: number, address: number, length: number, flags: number, next: number): void {
    const place = this.place(queue) + 16 * at;
    this.memory.writeU64(place, address);
    this.memory.writeU32(place + 8, length);
    this.memory.writeU16(place + 12, flags);
    this.memory.writeU16(place + 14, next);
  }

  available(queue: number, head: number): void {
    const at = this.#availableIndex.get(queue) ?? 0;
    this.memory.writeU16(this.place(queue) + 0x204 + 2 * (at % 8), head);
    this.#availableIndex.set(queue, (at + 1) & 0xffff);
    this.memory.writeU16(this.place(queue) + 0x202, (at + 1) & 0xffff);
  }

  async run(any: Step): Promise<void> {
    const { driver } = this;
    const step = 'queue' in any ? { ...any, queue: any.queue % this.device.queueSizes.length } : any;
    switch (step.kind) {
      case 'register':
        // Queues elsewhere would void what we know about where writes may go.
        if (step.offset >= 0x80 && step.offset <= 0xa4) return;
        driver.transport.write(step.offset, 4, step.value);
        driver.transport.read(step.offset, 4);
        return;
      case 'config':
        if (step.offset % step.size !== 0) return;
        driver.transport.write(step.offset, step.size, step.value);
        driver.transport.read(step.offset, step.size);
        return;
      case 'descriptor':
        // What may be written lies in the second half.
        this.descriptor(step.queue, step.index, step.address, step.length, step.flags, step.next);
        return;
      case 'request': {
        this.memory.writeU32(step.address, step.type);
        this.memory.writeU32(step.address + 4, 0);
        this.memory.writeU32(step.address + 8, step.type % 100);
        this.memory.writeU32(step.address + 12, 0);
        this.descriptor(step.queue, step.head, step.address, step.queue === 3 ? 8 : 16, 1, step.head + 1);
        step.lengths.forEach((length, i) => {
          const last = i === step.lengths.length - 1;
          this.descriptor(
            step.queue,
            step.head + 1 + i,
            step.target ?? step.address + 2048 * (i + 1),
            length,
            last ? 2 : 3,
            step.head + 2 + i,
          );
        });
        this.available(step.queue, step.head);
        driver.write('QueueNotify', step.queue);
        return;
      }
      case 'available':
        this.available(step.queue, step.head);
        return;
      case 'ring':
        this.memory.writeU16(this.place(step.queue) + 0x200 + 2 * step.offset, step.value);
        return;
      case 'notify':
        driver.write('QueueNotify', step.queue);
        return;
      case 'restart':
        this.restart();
        return;
      case 'anywhere': {
        const [descriptors, available, used] = step.addresses;
        driver.negotiate();
        for (const queue of this.device.queueSizes.keys()) {
          driver.write('QueueSel', queue);
          driver.write('QueueSize', step.size);
          driver.setAddress('QueueDescLow', 'QueueDescHigh', descriptors);
          driver.setAddress('QueueDriverLow', 'QueueDriverHigh', available);
          driver.setAddress('QueueDeviceLow', 'QueueDeviceHigh', used);
          driver.write('QueueReady', 1);
        }
        driver.driverOk();
        for (const queue of this.device.queueSizes.keys()) driver.write('QueueNotify', queue);
        return;
      }
      case 'turn':
        await nextTurn();
        return;
    }
  }

  /** Chains completed so far. */
  answered(): number {
    return this.device.queueSizes.reduce((sum, __, queue) => sum + this.memory.readU16(this.place(queue) + 0x302), this.#answered);
  }

  /** Everything that no step may change still holds its filling. */
  checkGuards(): void {
    const untouched = [
      this.memory.view(TEST_ROM_BASE, 4096),
      this.memory.view(TEST_RAM_BASE, 4096),
      this.memory.view(this.place(8), BUFFERS - this.place(8)),
    ];
    for (const bytes of untouched) expect(bytes.every((byte) => byte === GUARD)).toBe(true);
  }
}

describe.each(Object.entries(devices))('a hostile driver of %s', (_, create) => {
  it('harms nothing but its own device', async () => {
    let answered = 0;
    let mistakes = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 120, size: 'max' }), async (steps) => {
        const hostile = new HostileDriver(create());
        for (const one of steps) await hostile.run(one);
        for (let i = 0; i < 4; i++) await nextTurn();
        hostile.checkGuards();
        answered += hostile.answered();
        mistakes += hostile.mistakes;
        expect(hostile.problems).toEqual([]);
        // Whatever happened: after a reset, the device works.
        hostile.driver.write('Status', 0);
        await hostile.driver.transport.drained();
        expect(hostile.driver.read('Status')).toBe(0);
        hostile.restart();
        expect(hostile.device.isActive).toBe(true);
      }),
      { numRuns: RUNS },
    );
    // The steps reach the device's own code, and also its refusals.
    expect(answered).toBeGreaterThan(RUNS * 2);
    expect(mistakes).toBeGreaterThan(RUNS);
  });

  it('does no more harm with queues that lie anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(anywhere, step), { minLength: 20, maxLength: 60, size: 'max' }), async (steps) => {
        const hostile = new HostileDriver(create());
        for (const one of steps) await hostile.run(one);
        expect(hostile.problems).toEqual([]);
        expect(hostile.memory.view(TEST_ROM_BASE, 4096).every((byte) => byte === GUARD)).toBe(true);
        hostile.driver.write('Status', 0);
        await hostile.driver.transport.drained();
        hostile.restart();
        expect(hostile.device.isActive).toBe(true);
      }),
      { numRuns: RUNS },
    );
  });
});
