import { describe, expect, it } from 'vitest';
import type { ManagedDevice, MmioDevice } from './device';
import { DeviceManager, type DevicePlaces } from './device-manager';
import { DeviceError, VmError } from '../errors/vm-error';

function device(name: string, base: number, more: Partial<MmioDevice> = {}): MmioDevice & { log: string[] } {
  const log: string[] = [];
  return {
    name,
    base,
    size: 16,
    log,
    read: (offset, size) => {
      log.push(`r${size}@${offset}`);
      return offset;
    },
    write: (offset, size, value) => void log.push(`w${size}@${offset}=${value}`),
    ...more,
  };
}

/** Something without an address. */
interface Loose {
  title: string;
}

/** Two places, `left` and `right`. */
class TwoPlaces implements DevicePlaces<Loose, string> {
  readonly taken = new Map<string, ManagedDevice>();
  place({ title }: Loose, where = this.taken.has('left') ? 'right' : 'left'): ManagedDevice {
    if (this.taken.has(where)) throw VmError.config(`${where} is taken`);
    const placed = { name: `${title}@${where}`, read: () => 7, write: () => undefined, deviceStatus: { kind: 'Initialized' } as const };
    this.taken.set(where, placed);
    return placed;
  }
  displace(placed: ManagedDevice): Promise<void> | undefined {
    for (const [where, one] of this.taken) if (one === placed) this.taken.delete(where);
    return Promise.resolve();
  }
}

describe('DeviceManager', () => {
  it('registers, finds, resets and removes devices by id and name', async () => {
    const manager = new DeviceManager();
    let resets = 0;
    const one = device('one', 0, { reset: () => resets++, deviceTreeNode: () => ({ name: 'one@0', properties: {} }) });
    const id = manager.register(one);
    manager.register(device('two', 16));
    expect(() => manager.register(device('one', 64))).toThrow(/already has a device named one/);
    expect(() => manager.register(device('three', 8))).toThrow(/overlaps/);
    expect([manager.find('one'), manager.find(id), manager.find('three')]).toEqual([one, one, undefined]);
    manager.reset();
    expect(resets).toBe(1);
    expect(manager.deviceTreeNodes()).toEqual([{ name: 'one@0', properties: {} }]);
    expect([await manager.remove('one'), await manager.remove('one'), await manager.remove(id)]).toEqual([true, false, false]);
    expect(manager.find(id)).toBeUndefined();
    expect(() => manager.bus.read(0, 4)).toThrow(DeviceError);
    expect(manager.register(one)).not.toBe(id);
  });

  it('routes accesses to a device alone, with the checks of the bus', () => {
    const manager = new DeviceManager();
    const one = device('one', 0x1000, { accessSizes: { min: 4, max: 4 } });
    const two = device('two', 0x1010);
    const id = manager.register(one);
    manager.register(two);
    expect(manager.read(id, 8, 4)).toBe(8);
    manager.write(id, 12, 4, 9);
    for (const [offset, size] of [
      [16, 4],
      [-4, 4],
      [2, 4],
      [0.5, 1],
    ] as const) {
      expect(() => manager.read(id, offset, size)).toThrow(DeviceError);
    }
    expect(() => manager.write(id, 0, 1, 1)).toThrow(/takes aligned accesses of 4/);
    expect(() => manager.read(99, 0, 4)).toThrow('There is no device 99');
    expect([one.log, two.log]).toEqual([['r4@8', 'w4@12=9'], []]);
  });

  it('passes interrupts on to devices that have some, and tells how devices are', () => {
    const manager = new DeviceManager();
    const vectors: number[] = [];
    const id = manager.register(
      device('one', 0, { interrupt: (vector) => vectors.push(vector), deviceStatus: { kind: 'Error', message: 'x' } }),
    );
    const plain = manager.register(device('two', 16));
    manager.handleInterrupt(id, 3);
    expect(vectors).toEqual([3]);
    expect(() => manager.handleInterrupt(plain, 0)).toThrow(expect.objectContaining({ code: 'NotSupported' }));
    expect([manager.status(id), manager.status(plain)]).toEqual([{ kind: 'Error', message: 'x' }, { kind: 'Running' }]);
    expect(() => manager.status(99)).toThrow(DeviceError);
  });

  it('gives devices without an address a place, and takes it back', async () => {
    const places = new TwoPlaces();
    const manager = new DeviceManager(undefined, places);
    const right = manager.register({ title: 'a' }, 'right');
    manager.register({ title: 'b' });
    expect(manager.all().map(({ name }) => name)).toEqual(['a@right', 'b@left']);
    expect([manager.read(right, 0x100, 4), manager.status(right).kind]).toEqual([7, 'Initialized']);
    expect(() => manager.register({ title: 'c' })).toThrow(/right is taken/);
    await manager.remove(right);
    expect([...places.taken.keys()]).toEqual(['left']);
    expect(() => new DeviceManager<Loose>().register({ title: 'd' })).toThrow(/no places/);
  });

  it('adds nothing to the bus of a machine that runs', () => {
    const places = new TwoPlaces();
    const manager = new DeviceManager(undefined, places);
    manager.fixBus();
    expect(() => manager.register(device('one', 0))).toThrow(expect.objectContaining({ kind: 'State' }));
    expect(manager.find('one')).toBeUndefined();
    expect(manager.status(manager.register({ title: 'a' })).kind).toBe('Initialized');
  });
});
