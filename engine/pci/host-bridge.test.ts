import { beforeEach, describe, expect, it } from 'vitest';
import { testGuestMemory } from '../../test/support/guest-memory';
import { MOCK_PCI_MAP, MockWires } from '../../test/support/mock-places';
import { MmioBus } from '../bus/mmio-bus';
import { PCI_INTX } from '../memory/layout';
import { PciHostBridge } from './host-bridge';
import { type BarRegion, PciFunction } from './pci-function';

const ECAM = 0x3000_0000;
const config = (device: number, offset: number): number => ECAM + device * 0x8000 + offset;

let bus: MmioBus;
let bridge: PciHostBridge;
let wires: MockWires;
let words: Int32Array;
let log: string[];

beforeEach(() => {
  const { memory } = testGuestMemory();
  words = new Int32Array(memory.buffer);
  wires = new MockWires(memory, 4);
  bridge = new PciHostBridge({ map: MOCK_PCI_MAP, wires });
  bus = new MmioBus();
  for (const device of bridge.devices) bus.add(device);
  log = [];
});

function region(kind: BarRegion['kind'], size: number, name: string = kind): BarRegion {
  return {
    kind,
    size,
    read: (offset, width) => {
      log.push(`${name} r${width}@${offset}`);
      return offset;
    },
    write: (offset, width, value) => void log.push(`${name} w${width}@${offset}=${value}`),
  };
}

function plug(...regions: [number, BarRegion][]): { device: number; pci: PciFunction } {
  const { device } = bridge.freeSlot();
  const pci = new PciFunction({ name: `function ${device}`, vendor: 0x1234, device: 0x5678, classCode: 0x010203, interrupts: true });
  for (const [index, one] of regions) pci.addRegion(index, one);
  bridge.attach(device, pci);
  return { device, pci };
}

describe('the configuration space', () => {
  it('shows the bridge as device 0, functions in their places, and all ones where there is nothing', () => {
    const { device } = plug();
    expect(device).toBe(1);
    expect(bus.read(config(0, 0), 4)).toBe(0x00081b36);
    expect(bus.read(config(1, 0), 4)).toBe(0x56781234);
    expect(bus.read(config(1, 8), 4)).toBe(0x01020300);
    expect(bus.read(config(1, 0x3d), 1)).toBe(1);
    for (const nowhere of [config(2, 0), config(1, 0x1000), config(1, 0x7000), ECAM + 0x10_8000]) {
      expect([bus.read(nowhere, 1), bus.read(nowhere, 2), bus.read(nowhere, 4)]).toEqual([0xff, 0xffff, 0xffffffff]);
      bus.write(nowhere, 4, 1);
    }
  });

  it('lets drivers write only what they may', () => {
    plug();
    bus.write(config(1, 0), 4, 0);
    bus.write(config(1, 4), 4, 0xffffffff);
    bus.write(config(1, 0x3c), 2, 0xffff);
    expect(bus.read(config(1, 0), 4)).toBe(0x56781234);
    expect(bus.read(config(1, 4), 4)).toBe(0x0407);
    expect(bus.read(config(1, 0x3c), 2)).toBe(0x01ff);
  });

  it('tells the size and kind of BARs to who writes ones, and keeps addresses', () => {
    plug([0, region('memory32', 0x1000)], [1, region('io', 0x20)], [2, { ...region('memory64', 0x4000), prefetchable: true }]);
    for (let bar = 0; bar < 6; bar++) bus.write(config(1, 0x10 + 4 * bar), 4, 0xffffffff);
    const bars = (): number[] => [0, 1, 2, 3, 4, 5].map((bar) => bus.read(config(1, 0x10 + 4 * bar), 4));
    expect(bars()).toEqual([0xfffff000, 0xffffffe1, 0xffffc00c, 0xffffffff, 0, 0]);
    bus.write(config(1, 0x18), 4, 0x1234_5678);
    bus.write(config(1, 0x1c), 4, 7);
    expect(bars().slice(2, 4)).toEqual([0x1234_400c, 7]);
  });
});

describe('regions', () => {
  it('answer where their BARs say, while the driver lets them, and follow when they move', () => {
    plug([0, region('memory32', 0x1000)], [2, region('memory64', 0x1000)], [4, region('io', 0x20)]);
    bus.write(config(1, 0x10), 4, 0x5000_0000);
    bus.write(config(1, 0x18), 4, 0x1000_0000);
    bus.write(config(1, 0x1c), 4, 5);
    bus.write(config(1, 0x20), 4, 0x100);
    expect(bus.read(0x5000_0010, 4)).toBe(0xffffffff);
    bus.write(config(1, 4), 2, 3);
    expect(bus.read(0x5000_0010, 4)).toBe(0x10);
    bus.write(0x5_1000_0020, 2, 9);
    expect(bus.read(0x300_0104, 1)).toBe(4);
    expect(log.splice(0)).toEqual(['memory32 r4@16', 'memory64 w2@32=9', 'io r1@4']);
    bus.write(config(1, 0x10), 4, 0x6000_0000);
    expect(bus.read(0x5000_0010, 4)).toBe(0xffffffff);
    expect(bus.read(0x6000_0010, 4)).toBe(0x10);
    bus.write(config(1, 4), 2, 1);
    expect(bus.read(0x6000_0010, 4)).toBe(0xffffffff);
    expect(bus.read(0x300_0104, 1)).toBe(4);
  });

  it('are unreachable outside the windows, and once their function is unplugged or reset', () => {
    const { device } = plug([0, region('memory32', 0x1000)]);
    bus.write(config(device, 0x10), 4, 0x9000_0000);
    bus.write(config(device, 4), 2, 2);
    expect(() => bus.read(0x9000_0000, 4)).toThrow(/No device answers/);
    bus.write(config(device, 0x10), 4, 0x5000_0000);
    expect(bus.read(0x5000_0000, 4)).toBe(0);
    bridge.devices[0].reset?.();
    expect(bus.read(0x5000_0000, 4)).toBe(0xffffffff);
    expect(bus.read(config(device, 0x10), 4)).toBe(0);
    bus.write(config(device, 0x10), 4, 0x5000_0000);
    bus.write(config(device, 4), 2, 2);
    expect(bus.read(0x5000_0000, 4)).toBe(0);
    expect(bridge.detach(device)).toBe(true);
    expect(bridge.detach(device)).toBe(false);
    expect(bus.read(0x5000_0000, 4)).toBe(0xffffffff);
    expect(bus.read(config(device, 0), 2)).toBe(0xffff);
  });
});

it('has 31 places, of which every fourth shares a wire', () => {
  for (let device = 1; device <= 31; device++) {
    const slot = bridge.freeSlot();
    expect(slot.device).toBe(device);
    plug();
  }
  expect(() => bridge.freeSlot()).toThrow(/31 places/);
  expect(() => bridge.attach(3, new PciFunction({ name: 'another', vendor: 1, device: 1, classCode: 0 }))).toThrow(/is function 3 already/);
});

it('asserts a wire as long as one of its functions wants that and is not masked', () => {
  const slot = bridge.freeSlot();
  const level = (): boolean => wires.lines[1 + 1].level;
  const set = (device: number, value: number): void => {
    words[(PCI_INTX >>> 2) + device] = value;
    slot.line.setLevel(true);
  };
  set(1, 1);
  expect(level()).toBe(true);
  set(5, 2);
  set(1, 0);
  expect(level()).toBe(true);
  set(5, 2 | (1 << 31));
  expect(level()).toBe(false);
  set(2, 1);
  expect(level()).toBe(false);
});

it('describes itself with its windows, and the wire of each device and pin', () => {
  const node = bridge.devices[0].deviceTreeNode?.();
  expect(node?.name).toBe('pci@30000000');
  const map = node?.properties['interrupt-map'] as unknown[];
  expect(map).toHaveLength(16 * 6);
  // Device 1, INTA: the second wire. Device 3, INTB: the first again.
  expect(map.slice(4 * 6, 5 * 6)).toEqual([0x800, 0, 0, 1, { ref: 'mock' }, 2]);
  expect(map.slice(13 * 6, 14 * 6)).toEqual([0x1800, 0, 0, 2, { ref: 'mock' }, 1]);
  expect(node?.properties['msi-parent']).toBeUndefined();
  const withMessages = new PciHostBridge({ map: MOCK_PCI_MAP, wires, messages: { parent: 'imsic', send: () => undefined } });
  expect(withMessages.devices[0].deviceTreeNode?.().properties['msi-parent']).toEqual([{ ref: 'imsic' }]);
});
