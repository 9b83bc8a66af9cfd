import { describe, expect, it } from 'vitest';
import type { GuestMemory } from '../../engine/memory/guest-memory';
import type { VirtioDevice } from '../../engine/virtio/device';
import { testGuestMemory } from './guest-memory';
import { MOCK_VARIANTS, MockDriver } from './mock-driver';
import type { LifecycleSubject } from './virtio-subjects';

/** What every virtio device promises of its life cycle, on every transport and kind of ring. */
export function describeLifecycle(name: string, { create, queue: index, request }: LifecycleSubject): void {
  describe.each(MOCK_VARIANTS)(`the life cycle of ${name}, $name`, (variant) => {
    const driverOf = (device: VirtioDevice, memory?: GuestMemory): MockDriver => MockDriver.for(device, memory, variant);

    it('goes from Initialized to Running, Stopped, Running and back to Initialized', async () => {
      const device = create();
      const driver = driverOf(device);
      expect(device.status.kind).toBe('Initialized');
      driver.start();
      expect(device.status.kind).toBe('Running');
      await driver.transport.sleep();
      expect(device.status.kind).toBe('Stopped');
      driver.transport.wake();
      expect(device.status.kind).toBe('Running');
      driver.write('Status', 0);
      expect(device.status.kind).toBe('Initialized');
    });

    it('finishes requests in flight before it sleeps, takes no others while asleep, and serves them when it wakes', async () => {
      const device = create();
      const driver = driverOf(device).start();
      const queue = driver.queues[index];
      request(queue, 5);
      queue.kick(true);
      await driver.transport.sleep();
      expect(queue.takeUsed()).toHaveLength(5);
      request(queue, 3);
      queue.kick(true);
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(queue.takeUsed()).toHaveLength(0);
      driver.transport.wake();
      expect(await queue.waitUsed(3)).toHaveLength(3);
    });

    it('goes on in another machine from its saved state, with requests that wait in the queue', async () => {
      const driver = driverOf(create()).start();
      const queue = driver.queues[index];
      request(queue, 4);
      queue.kick(true);
      await driver.transport.sleep();
      queue.takeUsed();
      request(queue, 2);
      const { state } = driver.transport;
      const saved: unknown = JSON.parse(JSON.stringify(state.snapshot()));
      expect(structuredClone(state.snapshot())).toEqual(saved);
      const level = driver.line.level;

      const memory = testGuestMemory();
      memory.bytes.set(driver.memory.bytes);
      const other = driverOf(create(), memory);
      other.transport.state.restore(saved);
      expect(other.transport.device!.status.kind).toBe('Stopped');
      expect(other.transport.state.snapshot()).toEqual(saved);
      expect(other.line.level).toBe(level);
      other.transport.wake();
      expect(other.transport.device!.status.kind).toBe('Running');
      queue.driver = other;
      expect(await queue.waitUsed(2)).toHaveLength(2);
    });

    it('saves nothing while requests may be in flight', () => {
      const driver = driverOf(create()).start();
      expect(() => driver.transport.state.snapshot()).toThrow('must sleep');
    });

    it('saves and restores a device that no driver has touched', () => {
      const saved: unknown = JSON.parse(JSON.stringify(driverOf(create()).transport.state.snapshot()));
      const driver = driverOf(create());
      driver.transport.state.restore(saved);
      expect(driver.transport.state.snapshot()).toEqual(saved);
      driver.start();
      expect(driver.transport.device!.isActive).toBe(true);
    });

    it('works again after any number of resets with requests in flight', async () => {
      const driver = driverOf(create());
      for (let round = 0; round < 4; round++) {
        driver.start();
        const queue = driver.queues[index];
        request(queue, 3);
        queue.kick(true);
      }
      driver.write('Status', 0);
      await driver.transport.drained();
      driver.start();
      const queue = driver.queues[index];
      request(queue, 3);
      queue.kick(true);
      expect(await queue.waitUsed(3)).toHaveLength(3);
    });
  });
}
