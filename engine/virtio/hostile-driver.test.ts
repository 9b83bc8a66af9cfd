import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { TEST_RAM_BASE, TEST_ROM_BASE, testGuestMemory } from '../../test/support/guest-memory';
import { MOCK_VARIANTS, MockDriver, type MockOptions } from '../../test/support/mock-driver';
import { PciPlace, type RegisterName } from '../../test/support/mock-places';
import { virtioSubjects } from '../../test/support/virtio-subjects';
import type { GuestMemory } from '../memory/guest-memory';
import type { VirtioDevice } from './device';
import { VIRTIO_F_RING_PACKED } from './features';
import { Virtqueue } from './queue';

/**
 * Drivers that do whatever they like. The promises: no exception leaves the device, nothing hangs, and guest memory changes only in
 * what the driver itself made writable, its used rings and the writable buffers of its descriptors.
 *
 * HARTBOX_FUZZ_RUNS sets how many drivers are tried per device, transport and ring (25 unless given); fast-check prints the seed of a
 * failure. HARTBOX_FUZZ_STEPS adds drivers of thousands of steps each, that many steps for each of them (a quarter of a million in
 * `npm test -- long`, which is a million for each device).
 */
const RUNS = Number(process.env['HARTBOX_FUZZ_RUNS'] ?? 25);
const STEPS = Number(process.env['HARTBOX_FUZZ_STEPS'] ?? (process.env['HARTBOX_LONG'] ? 250_000 : 0));
const STEPS_OF_A_DRIVER = 5000;

const RAM_BYTES = 256 << 10;
const RAM_END = TEST_RAM_BASE + RAM_BYTES;
/** Descriptor tables and rings lie in the first half; each device may write only into the second half, and its used rings. */
const BUFFERS = TEST_RAM_BASE + RAM_BYTES / 2;
const GUARD = 0x5c;

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
  | { kind: 'register'; offset: number; size: 1 | 2 | 4; value: number }
  | { kind: 'named'; register: RegisterName; value: number }
  | { kind: 'function'; offset: number; size: 1 | 2 | 4; value: number }
  | { kind: 'queueReset'; queue: number; again: boolean }
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
const width = fc.constantFrom<1 | 2 | 4>(1, 2, 4);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('register' as const), offset: fc.nat(256), size: width, value: fc.nat(0xffffffff) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('named' as const),
      register: fc.constantFrom<RegisterName>('QueueSel', 'QueueNotify', 'InterruptACK', 'InterruptStatus', 'Status', 'QueueReset'),
      value: fc.nat(15),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('function' as const), offset: fc.nat(0x5f), size: width, value: fc.nat(0xffffffff) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('queueReset' as const), queue: queueIndex, again: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('config' as const),
      offset: fc.integer({ min: 0, max: 0x44 }),
      size: width,
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
  /** Chains that were made available; on packed rings, descriptors. */
  readonly #availableIndex = new Map<number, number>();
  readonly #isPacked: boolean;
  readonly problems: unknown[] = [];
  mistakes = 0;

  constructor(
    readonly device: VirtioDevice,
    variant: MockOptions,
  ) {
    this.#isPacked = variant.ringFeatures?.includes(VIRTIO_F_RING_PACKED) ?? false;
    this.memory = testGuestMemory(RAM_BYTES);
    this.memory.view(TEST_RAM_BASE, RAM_BYTES).fill(GUARD);
    this.memory.view(TEST_ROM_BASE, 4096).fill(GUARD);
    for (const queue of device.queueSizes.keys()) this.memory.view(this.place(queue), 1024).fill(0);
    this.driver = MockDriver.for(device, this.memory, variant);
    device.on('warning', (error) => {
      if (error.kind === 'Internal') this.problems.push(error);
      else this.mistakes++;
    });
    this.restart();
  }

  /** Each queue has 1 KiB: descriptors, driver area at 0x200, device area at 0x300. */
  place(queue: number): number {
    return TEST_RAM_BASE + 4096 + 1024 * queue;
  }

  restart(): void {
    const { driver } = this;
    driver.negotiate();
    this.#availableIndex.clear();
    for (const queue of this.device.queueSizes.keys()) this.setUp(queue);
    driver.driverOk();
  }

  setUp(queue: number): void {
    const { driver } = this;
    const base = this.place(queue);
    this.memory.view(base, 1024).fill(0);
    this.#availableIndex.delete(queue);
    driver.write('QueueSel', queue);
    driver.write('QueueSize', 8);
    driver.setAddress('QueueDescLow', 'QueueDescHigh', base);
    driver.setAddress('QueueDriverLow', 'QueueDriverHigh', base + 0x200);
    driver.setAddress('QueueDeviceLow', 'QueueDeviceHigh', base + 0x300);
    driver.write('QueueReady', 1);
  }

  /** In packed rings `next` is the identity, and only `available` makes the descriptor so. */
  descriptor(queue: number, at: number, address: number, length: number, flags: number, next: number): void {
    const place = this.place(queue) + 16 * at;
    this.memory.writeU64(place, address);
    this.memory.writeU32(place + 8, length);
    this.memory.writeU16(place + 12, this.#isPacked ? next : flags);
    this.memory.writeU16(place + 14, this.#isPacked ? flags : next);
  }

  /** Split: make a head available. Packed: mark the next descriptor. */
  available(queue: number, head: number): void {
    const at = this.#availableIndex.get(queue) ?? 0;
    this.#availableIndex.set(queue, (at + 1) & 0xffff);
    if (this.#isPacked) {
      const flags = this.place(queue) + 16 * (at % 8) + 14;
      this.memory.writeU16(flags, (this.memory.readU16(flags) & 7) | ((at & 8) === 0 ? 0x80 : 0x8000));
      return;
    }
    this.memory.writeU16(this.place(queue) + 0x204 + 2 * (at % 8), head);
    this.memory.writeU16(this.place(queue) + 0x202, (at + 1) & 0xffff);
  }

  /** A chain as it should be: a readable buffer, then writable ones. */
  request(queue: number, head: number, buffers: { address: number; length: number }[]): void {
    const at = this.#isPacked ? (this.#availableIndex.get(queue) ?? 0) : head;
    for (const [i, { address, length }] of buffers.entries()) {
      const flags = (i === 0 ? 0 : 2) | (i + 1 < buffers.length ? 1 : 0);
      this.descriptor(queue, this.#isPacked ? (at + i) % 8 : at + i, address, length, flags, this.#isPacked ? at % 8 : at + i + 1);
    }
    const marked = this.#isPacked ? buffers.length : 1;
    for (let i = 0; i < marked; i++) this.available(queue, head);
  }

  async run(any: Step): Promise<void> {
    const { driver } = this;
    const step = 'queue' in any ? { ...any, queue: any.queue % this.device.queueSizes.length } : any;
    switch (step.kind) {
      case 'register':
        // Queues elsewhere, or of another size, would void what we know about where writes may go.
        if (this.#placesQueues(step.offset)) return;
        driver.transport.write(step.offset, step.size, step.value);
        driver.transport.read(step.offset, step.size);
        return;
      case 'named':
        if (step.register !== 'InterruptStatus') driver.write(step.register, step.value);
        if (step.register !== 'InterruptACK' && step.register !== 'QueueNotify') driver.read(step.register);
        return;
      case 'function': {
        const { place } = driver;
        if (!(place instanceof PciPlace) || step.offset % step.size !== 0) return;
        place.bus.write(place.config + step.offset, step.size, step.value);
        place.bus.read(place.config + step.offset, step.size);
        // The rest of the steps has to find the structures.
        place.place(place.base);
        return;
      }
      case 'queueReset':
        driver.write('QueueSel', step.queue);
        driver.write('QueueReset', 1);
        driver.read('QueueReset');
        if (step.again) this.setUp(step.queue);
        return;
      case 'config':
        if (step.offset % step.size !== 0) return;
        driver.transport.writeConfig(step.offset, step.size, step.value);
        driver.transport.readConfig(step.offset, step.size);
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
        const writable = step.lengths.map((length, i) => ({ address: step.target ?? step.address + 2048 * (i + 1), length }));
        this.request(step.queue, step.head, [{ address: step.address, length: step.queue === 3 ? 8 : 16 }, ...writable]);
        driver.write('QueueNotify', step.queue);
        return;
      }
      case 'available':
        this.available(step.queue, step.head);
        return;
      case 'ring':
        // The driver area, or flags of descriptors.
        this.memory.writeU16(
          this.place(step.queue) + (step.offset < 20 ? 0x200 + 2 * step.offset : 14 + 16 * (step.offset % 8)),
          step.value,
        );
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

  #placesQueues(offset: number): boolean {
    // MMIO: QueueSize, QueueReady, addresses. PCI: queue_size to queue_device.
    return this.driver.place instanceof PciPlace
      ? offset >= 0x18 && offset < 0x38
      : offset === 0x38 || offset === 0x44 || (offset >= 0x80 && offset < 0xa8);
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

/** A reset makes the device work again, whatever happened before. */
async function expectRecovery(hostile: HostileDriver): Promise<void> {
  expect(hostile.problems).toEqual([]);
  hostile.driver.write('Status', 0);
  await hostile.driver.transport.drained();
  expect(hostile.driver.read('Status')).toBe(0);
  hostile.restart();
  expect(hostile.device.isActive).toBe(true);
}

const subjects = Object.entries(virtioSubjects).flatMap(([kind, { hostile }]) =>
  Object.entries(hostile).flatMap(([what, create]) =>
    MOCK_VARIANTS.map((variant) => ({ name: `${kind}, ${what}, ${variant.name}`, create, variant })),
  ),
);

describe.each(subjects)('a hostile driver of $name', ({ create, variant }) => {
  /** Drivers of these steps, one after the other; how often the device answered, and how often it refused. */
  async function play(steps: Step[], fresh = new HostileDriver(create(), variant)): Promise<{ answered: number; mistakes: number }> {
    const complete = vi.spyOn(Virtqueue.prototype, 'complete');
    try {
      for (const one of steps) await fresh.run(one);
      for (let i = 0; i < 4; i++) await nextTurn();
      fresh.checkGuards();
      return { answered: complete.mock.calls.length, mistakes: fresh.mistakes };
    } finally {
      complete.mockRestore();
      await expectRecovery(fresh);
    }
  }

  it('harms nothing but its own device', async () => {
    let answered = 0;
    let mistakes = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 120, size: 'max' }), async (steps) => {
        const played = await play(steps);
        answered += played.answered;
        mistakes += played.mistakes;
      }),
      { numRuns: RUNS },
    );
    // The steps reach the device's own code, and also its refusals: mostly some four times a run, but chance decides.
    expect(answered).toBeGreaterThan(RUNS / 2);
    expect(mistakes).toBeGreaterThan(RUNS / 4);
  });

  it('does no more harm with queues that lie anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(anywhere, step), { minLength: 20, maxLength: 60, size: 'max' }), async (steps) => {
        const hostile = new HostileDriver(create(), variant);
        for (const one of steps) await hostile.run(one);
        expect(hostile.memory.view(TEST_ROM_BASE, 4096).every((byte) => byte === GUARD)).toBe(true);
        await expectRecovery(hostile);
      }),
      { numRuns: RUNS },
    );
  });

  it.runIf(STEPS > 0)(
    `harms nothing in ${STEPS} steps`,
    async () => {
      for (let done = 0; done < STEPS; done += STEPS_OF_A_DRIVER) {
        try {
          await play(fc.sample(step, { numRuns: STEPS_OF_A_DRIVER, seed: done }));
        } catch (cause) {
          throw new Error(`The driver with seed ${done} did harm.`, { cause });
        }
      }
    },
    24 * 3_600_000,
  );
});
