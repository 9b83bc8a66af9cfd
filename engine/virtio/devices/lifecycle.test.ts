import { describe, expect, it } from 'vitest';
import { MockDriver } from '../../../test/support/mock-driver';
import { describeLifecycle } from '../../../test/support/virtio-lifecycle';
import { virtioSubjects } from '../../../test/support/virtio-subjects';
import { RamDisk } from '../../backend/disk/ram';
import { VirtioBlock } from './block';
import { VirtioConsole } from './console';
import { VirtioRng } from './rng';

for (const [kind, { lifecycle }] of Object.entries(virtioSubjects)) {
  for (const subject of lifecycle) describeLifecycle(subject.what === undefined ? kind : `${kind}, ${subject.what}`, subject);
}

describe('restoring', () => {
  it('refuses the state of another kind of device', async () => {
    const driver = MockDriver.for(new VirtioRng()).start();
    await driver.transport.sleep();
    const state = driver.transport.state.snapshot();
    expect(() => MockDriver.for(new VirtioConsole({ console: { columns: 1, rows: 1 } })).transport.state.restore(state)).toThrow('queues');
    expect(() => MockDriver.for(new VirtioBlock({ disk: new RamDisk(512) })).transport.state.restore(state)).toThrow('virtio-blk');
  });

  it('keeps what the guest has not read yet, and the size of the terminal', async () => {
    const first = new VirtioConsole({ console: { columns: 80, rows: 24 } });
    const driver = MockDriver.for(first).start();
    first.console.resize(120, 50);
    first.console.write(Uint8Array.of(1, 2, 3));
    await driver.transport.sleep();
    const state = driver.transport.state.snapshot();
    const second = new VirtioConsole({ console: { columns: 80, rows: 24 } });
    const other = MockDriver.for(second, driver.memory);
    other.transport.state.restore(state);
    other.transport.wake();
    expect(other.transport.read(0x100, 2)).toBe(120);
    expect(second.console.isOpen).toBe(true);
    const chain = driver.queues[0].add({ writable: [16] });
    other.write('QueueNotify', 0);
    expect([...driver.written(chain).subarray(0, 3)]).toEqual([1, 2, 3]);
  });
});
