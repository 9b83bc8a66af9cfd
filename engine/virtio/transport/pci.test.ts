import { beforeEach, describe, expect, it } from 'vitest';
import { MockDriver } from '../../../test/support/mock-driver';
import type { PciPlace } from '../../../test/support/mock-places';
import type { AccessSize } from '../../bus/device';
import type { SavedState } from '../../bus/device-state';
import { PCI_INTX, PCI_ISR_PAGES } from '../../memory/layout';
import { VirtioDevice } from '../device';
import { VIRTIO_F_VERSION_1 } from '../features';

/** Completes all it is given, when told to. */
class EchoDevice extends VirtioDevice {
  readonly name = 'echo';
  readonly deviceId = 2;
  override readonly pciClass = 0x010000;
  readonly queueSizes = [16, 8];
  constructor() {
    super([3], new DataView(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8).buffer));
  }
  change(value: number): void {
    this.changeConfig((config) => config.setUint32(0, value, true));
  }
  protected override serve(index: number): void {
    for (let chain = this.take(index); chain; chain = this.take(index)) this.queue(index)!.complete(chain, 0);
  }
}

let messages: string[];
let device: EchoDevice;
let driver: MockDriver;
let place: PciPlace;

function setUp(withMessages: boolean): void {
  messages = [];
  device = new EchoDevice();
  const message = (address: number, data: number): void => void messages.push(`${address.toString(16)}:${data}`);
  driver = MockDriver.for(device, undefined, { bus: 'pci', ...(withMessages && { message }) });
  place = driver.place as PciPlace;
}

const config = (offset: number, size: AccessSize): number => place.bus.read(place.config + offset, size);
const setConfig = (offset: number, size: AccessSize, value: number): void => place.bus.write(place.config + offset, size, value);

/** Offsets of the capabilities with an identity, in their order. */
function capabilities(id: number): number[] {
  const found: number[] = [];
  for (let at = config(0x34, 1); at !== 0; at = config(at + 1, 1)) if (config(at, 1) === id) found.push(at);
  return found;
}

describe('virtio-pci', () => {
  beforeEach(() => setUp(false));

  it('is a modern device of its type that says where its structures are', () => {
    expect(config(0, 4)).toBe(0x10421af4);
    expect(config(8, 4)).toBe(0x01000001);
    expect(config(6, 2) & 0x10).toBe(0x10);
    const structures = capabilities(9).map((at) => [config(at + 3, 1), config(at + 4, 1), config(at + 8, 4), config(at + 12, 4)]);
    expect(structures).toEqual([
      [1, 4, 0, 0x1000],
      [3, 4, 0x1000, 0x1000],
      [4, 4, 0x2000, 0x1000],
      [2, 4, 0x3000, 0x1000],
      [5, 0, 0, 0],
    ]);
    const notify = capabilities(9)[3];
    expect([config(notify + 2, 1), config(notify + 16, 4)]).toEqual([20, 4]);
    expect(capabilities(0x11)).toEqual([]);
  });

  it('reads back what the driver has set up', () => {
    driver.start();
    driver.write('QueueSel', 1);
    expect(driver.read('QueueReady')).toBe(1);
    const low = place.bus.read(place.base + 0x20, 4);
    const high = place.bus.read(place.base + 0x24, 4);
    expect(high * 2 ** 32 + low).toBe(driver.queues[1].descriptors);
    expect(place.bus.read(place.base + 0x12, 2)).toBe(2);
    expect(place.bus.read(place.base + 0x1e, 2)).toBe(1);
    driver.write('QueueSel', 7);
    expect([driver.read('QueueSize'), driver.read('QueueReady')]).toEqual([0, 0]);
  });

  it('takes notifications at the address of each queue, of 16 bits or 32', () => {
    driver.start();
    for (const size of [2, 4] as const) {
      driver.queues[1].add({ writable: [1] });
      place.bus.write(place.base + 0x3000 + 4, size, 1);
      expect(driver.queues[1].takeUsed()).toHaveLength(1);
    }
  });

  it('shows the device configuration, and its changes by ISR and generation', () => {
    driver.start();
    expect(place.bus.read(place.base + 0x2000, 4)).toBe(0x04030201);
    const before = driver.read('ConfigGeneration');
    device.change(0xaabbccdd);
    expect(driver.line.level).toBe(true);
    expect(place.bus.read(place.base + 0x1000, 1)).toBe(2);
    expect(driver.line.level).toBe(false);
    expect(driver.read('ConfigGeneration')).not.toBe(before);
    expect(place.bus.read(place.base + 0x2000, 4)).toBe(0xaabbccdd);
  });

  it('asserts its pin until ISR is read, unless the driver has switched the pin off', () => {
    driver.start();
    const kick = (): void => {
      driver.queues[0].add({ writable: [1] });
      driver.queues[0].kick(true);
    };
    kick();
    expect(driver.line.level).toBe(true);
    expect(config(6, 2) & 8).toBe(8);
    setConfig(4, 2, 0x406);
    expect(driver.line.level).toBe(false);
    setConfig(4, 2, 6);
    expect(driver.line.level).toBe(true);
    expect(place.bus.read(place.base + 0x1000, 1)).toBe(1);
    expect([driver.line.level, config(6, 2) & 8]).toEqual([false, 0]);
  });

  it('tells harts where ISR is, wherever the driver moves it', () => {
    const page = (): number => driver.memory.words[(PCI_ISR_PAGES >>> 2) + 1];
    expect(page()).toBe((place.base + 0x1000) / 4096);
    place.place(0x5_0000_0000);
    expect(page()).toBe(0x50_0001);
    driver.start();
    driver.queues[0].add({ writable: [1] });
    driver.queues[0].kick(true);
    // As a hart does it.
    expect(Atomics.and(driver.memory.words, (PCI_INTX >>> 2) + 1, ~0xff)).toBe(1);
    setConfig(4, 2, 0);
    expect(page()).toBe(0);
  });

  it('lets drivers reach the structures through configuration space', () => {
    const at = capabilities(9)[4];
    const aim = (bar: number, offset: number, length: number): void => {
      setConfig(at + 4, 1, bar);
      setConfig(at + 8, 4, offset);
      setConfig(at + 12, 4, length);
    };
    aim(4, 0x2002, 2);
    expect(config(at + 16, 2)).toBe(0x0403);
    aim(4, 0x14, 1);
    setConfig(at + 16, 1, 1);
    expect(config(at + 16, 1)).toBe(1);
    expect(driver.read('Status')).toBe(1);
    for (const [bar, offset, length] of [
      [3, 0, 4],
      [200, 0, 4],
      [4, 1, 4],
      [4, 0x4000, 4],
      [4, 0, 3],
    ]) {
      aim(bar, offset, length);
      setConfig(at + 16, 4, 0);
      expect(config(at + 16, 4)).toBe(0);
    }
    expect(driver.read('Status')).toBe(1);
  });

  it('knows fields only by their own width', () => {
    expect(place.bus.read(place.base + 0x14, 4)).toBe(0);
    place.bus.write(place.base + 0x14, 2, 1);
    expect(driver.read('Status')).toBe(0);
  });

  it('resets a queue on its own, and takes it up again elsewhere', () => {
    driver.start();
    const old = driver.queues[0];
    driver.write('QueueSel', 0);
    driver.write('QueueReset', 1);
    expect([driver.read('QueueReset'), driver.read('QueueReady')]).toEqual([0, 0]);
    old.add({ writable: [1] });
    old.kick(true);
    expect(old.takeUsed()).toEqual([]);
    const queue = driver.setUpQueue(0, 4);
    queue.add({ writable: [1] });
    queue.kick(true);
    expect(queue.takeUsed()).toHaveLength(1);
    expect(device.status.kind).toBe('Running');
  });
});

describe('MSI-X', () => {
  const TABLE = 0x4000_0000;
  const ENABLE = 0x8000;
  const MASK_ALL = 0x4000;
  let control: number;

  beforeEach(() => {
    setUp(true);
    control = capabilities(0x11)[0] + 2;
    for (let vector = 0; vector < 3; vector++) {
      place.bus.write(TABLE + 16 * vector, 4, 0x2800_0000);
      place.bus.write(TABLE + 16 * vector + 8, 4, 10 + vector);
      place.bus.write(TABLE + 16 * vector + 12, 4, 0);
    }
    setConfig(control, 2, ENABLE);
    driver.negotiate([VIRTIO_F_VERSION_1]);
    driver.write('ConfigVector', 0);
    driver.setUpQueue(0);
    driver.write('QueueVector', 1);
    driver.setUpQueue(1);
    driver.write('QueueVector', 2);
    driver.driverOk();
  });

  function use(queue: number): void {
    driver.queues[queue].add({ writable: [1] });
    driver.queues[queue].kick(true);
  }

  it('has a vector for each queue and one for the configuration', () => {
    expect(config(control, 2) & 0x7ff).toBe(2);
    use(0);
    use(1);
    device.change(1);
    expect(messages).toEqual(['28000000:11', '28000000:12', '28000000:10']);
    expect(driver.line.level).toBe(false);
  });

  it('refuses vectors that it does not have', () => {
    driver.write('ConfigVector', 3);
    expect(driver.read('ConfigVector')).toBe(0xffff);
    driver.write('ConfigVector', 2);
    expect(driver.read('ConfigVector')).toBe(2);
  });

  it('keeps masked messages as pending bits, and sends them once when the mask goes', () => {
    place.bus.write(TABLE + 16 + 12, 4, 1);
    use(0);
    use(0);
    expect(messages).toEqual([]);
    expect(place.bus.read(TABLE + 0x800, 4)).toBe(2);
    place.bus.write(TABLE + 16 + 12, 4, 0);
    expect(messages).toEqual(['28000000:11']);
    expect(place.bus.read(TABLE + 0x800, 4)).toBe(0);
    setConfig(control, 2, ENABLE | MASK_ALL);
    use(1);
    expect(messages).toHaveLength(1);
    setConfig(control, 2, ENABLE);
    expect(messages).toEqual(['28000000:11', '28000000:12']);
  });

  it('goes back to the pin when it is switched off, and sends nothing while the function may not write to memory', () => {
    setConfig(4, 2, 2);
    use(0);
    expect(messages).toEqual([]);
    setConfig(4, 2, 6);
    setConfig(control, 2, 0);
    use(0);
    expect(messages).toEqual([]);
    expect(driver.line.level).toBe(true);
  });

  it('is part of the saved state', async () => {
    place.bus.write(TABLE + 16 + 12, 4, 1);
    use(0);
    await driver.transport.sleep();
    const state = JSON.parse(JSON.stringify(driver.transport.state.snapshot())) as SavedState;
    const { memory } = driver;
    setUp(true);
    const other = MockDriver.for(device, memory, {
      bus: 'pci',
      message: (address, data) => messages.push(`${address.toString(16)}:${data}`),
    });
    other.transport.state.restore(state);
    other.transport.wake();
    place = other.place as PciPlace;
    place.bus.write(TABLE + 16 + 12, 4, 0);
    expect(messages).toEqual(['28000000:11']);
    expect(other.read('ConfigVector')).toBe(0);
    setUp(true);
    const wrong = { ...(state.state as object), pci: { version: 1, state: '' } };
    expect(() => driver.transport.state.restore({ ...state, state: wrong })).toThrow(/another PCI function/);
  });
});
