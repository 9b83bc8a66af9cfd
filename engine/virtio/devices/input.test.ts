import { describe, expect, it } from 'vitest';
import { MockDriver } from '../../../test/support/mock-driver';
import { VmError } from '../../errors/vm-error';
import { STATUS_NEEDS_RESET } from '../transport/transport';
import { EV_ABS, EV_KEY, EV_LED, EV_REL, EV_REP, type InputEvent, type InputProfile, VirtioInput } from './input';
import { PowerButton } from './power-button';

/** A device with a bit of everything. */
const PROFILE: InputProfile = {
  name: 'Tüftelbrett',
  serial: 'T-1',
  ids: { bus: 6, vendor: 0x627, product: 1, version: 0x203 },
  properties: [1],
  events: { [EV_KEY]: [30, 116, 0x110], [EV_REL]: [0, 1, 8], [EV_LED]: [0, 1, 2], [EV_REP]: [0, 1] },
  axes: { 0: { min: 0, max: 32767 }, 1: { min: -1, max: 70000, fuzz: 2, flat: 3, resolution: 4 } },
};

function setUp(profile = PROFILE): { device: VirtioInput; driver: MockDriver; lamps: InputEvent[] } {
  const lamps: InputEvent[] = [];
  const device = new VirtioInput({ profile, onStatus: (event) => lamps.push(event) });
  return { device, driver: MockDriver.for(device), lamps };
}

/** What the driver reads after it has selected something: as many bytes as `size` says. */
function ask({ transport }: MockDriver, select: number, subselect = 0): number[] {
  transport.write(0x100, 1, select);
  transport.write(0x101, 1, subselect);
  return Array.from({ length: transport.read(0x102, 1) }, (_, i) => transport.read(0x108 + i, 1));
}

function events(driver: MockDriver, chains: ReturnType<MockDriver['queues'][number]['add']>[]): number[][] {
  return chains.map((chain) => {
    const view = Buffer.from(driver.written(chain));
    return [view.readUInt16LE(0), view.readUInt16LE(2), view.readInt32LE(4)];
  });
}

describe('the configuration space of VirtioInput', () => {
  it('tells what the profile says, and has nothing for what it does not', () => {
    const { driver } = setUp();
    expect(Buffer.from(ask(driver, 0x01)).toString()).toBe('Tüftelbrett');
    expect(Buffer.from(ask(driver, 0x02)).toString()).toBe('T-1');
    expect(ask(driver, 0x03)).toEqual([6, 0, 0x27, 6, 1, 0, 3, 2]);
    expect(ask(driver, 0x10)).toEqual([2]);
    const keys = ask(driver, 0x11, EV_KEY);
    expect(keys).toHaveLength(0x110 / 8 + 1);
    expect(keys.flatMap((byte, at) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => byte & (1 << bit)).map((bit) => 8 * at + bit))).toEqual([
      30, 116, 0x110,
    ]);
    expect(ask(driver, 0x11, EV_REL)).toEqual([3, 1]);
    expect(ask(driver, 0x11, EV_ABS)).toEqual([3]);
    expect(ask(driver, 0x11, EV_LED)).toEqual([7]);
    expect(ask(driver, 0x11, EV_REP)).toEqual([3]);
    expect(ask(driver, 0x12, 0)).toEqual([0, 0, 0, 0, 0xff, 0x7f, 0, 0, ...Array.from({ length: 12 }, () => 0)]);
    expect(ask(driver, 0x12, 1)).toEqual([0xff, 0xff, 0xff, 0xff, 0x70, 0x11, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]);
    for (const [select, subselect] of [
      [0, 0],
      [1, 1],
      [0x11, 4],
      [0x11, 0],
      [0x12, 2],
      [0x13, 0],
      [0xff, 0xff],
    ])
      expect(ask(driver, select, subselect)).toEqual([]);
    // Nothing is left of a longer answer.
    expect(driver.transport.read(0x108, 4)).toBe(0);
  });

  it('takes bytes only, and writes to nothing but the selectors', () => {
    const { driver } = setUp();
    ask(driver, 0x01);
    driver.transport.write(0x102, 1, 99);
    driver.transport.write(0x108, 1, 99);
    driver.transport.write(0x100, 2, 0x0203);
    expect(driver.transport.read(0x100, 4)).toBe(0x000c_0001);
    driver.start();
    expect(ask(driver, 0x01)).toHaveLength(12);
    driver.write('Status', 0);
    expect(driver.transport.read(0x100, 4)).toBe(0);
  });

  it('refuses profiles of which it cannot tell', () => {
    expect(() => setUp({ name: 'ü'.repeat(65), events: {} })).toThrow(/at most 128 bytes/);
    expect(() => setUp({ name: '', events: { [EV_KEY]: [1024] } })).toThrow(/0 to 1023; 1024 is none/);
  });
});

describe('VirtioInput', () => {
  it('hands reports to the driver, one event a buffer, with a SYN_REPORT behind each', async () => {
    const { device, driver } = setUp();
    driver.start();
    const queue = driver.queues[0];
    const chains = [0, 1, 2, 3].map(() => queue.add({ writable: [8] }));
    queue.kick();
    expect(
      device.report([
        { type: EV_REL, code: 0, value: -5 },
        { type: EV_KEY, code: 0x110, value: 1 },
      ]),
    ).toBe(true);
    expect(await queue.waitUsed(3)).toMatchObject([{ written: 8 }, { written: 8 }, { written: 8 }]);
    expect(events(driver, chains.slice(0, 3))).toEqual([
      [EV_REL, 0, -5],
      [EV_KEY, 0x110, 1],
      [0, 0, 0],
    ]);
    expect(driver.line.level).toBe(true);
  });

  it('keeps events until there are buffers, and loses whole reports when there are too many', async () => {
    const { device, driver } = setUp();
    const key = (value: number): InputEvent => ({ type: EV_KEY, code: 30, value });
    expect(device.report([key(1)])).toBe(false);
    driver.start();
    let kept = 0;
    while (device.report([key(kept & 1)])) kept++;
    expect(kept).toBe(512);
    const queue = driver.queues[0];
    const chains = [0, 1, 2, 3].map(() => queue.add({ writable: [8] }));
    queue.kick();
    await queue.waitUsed(4);
    expect(events(driver, chains)).toEqual([
      [EV_KEY, 30, 0],
      [0, 0, 0],
      [EV_KEY, 30, 1],
      [0, 0, 0],
    ]);
    driver.start();
    const after = driver.queues[0].add({ writable: [8] });
    driver.queues[0].kick();
    device.report([key(2)]);
    await driver.queues[0].waitUsed();
    expect(events(driver, [after])).toEqual([[EV_KEY, 30, 2]]);
  });

  it('makes no events that its profile does not name', () => {
    const { device } = setUp();
    for (const [type, code] of [
      [EV_KEY, 31],
      [EV_ABS, 2],
      [5, 0],
    ])
      expect(() => device.report([{ type, code, value: 0 }])).toThrow(VmError);
  });

  it('tells the host of lamps that it has', () => {
    const { driver, lamps } = setUp();
    driver.start();
    const queue = driver.queues[1];
    for (const bytes of [
      [EV_LED, 0, 1, 0, 1, 0, 0, 0],
      [EV_LED, 0, 9, 0, 1, 0, 0, 0],
      [EV_REP, 0, 1, 0, 0xfa, 0, 0, 0],
    ])
      queue.add({ readable: [Uint8Array.from(bytes)] });
    queue.kick();
    expect(queue.takeUsed()).toHaveLength(3);
    expect(lamps).toEqual([
      { type: EV_LED, code: 1, value: 1 },
      { type: EV_REP, code: 1, value: 250 },
    ]);
  });

  it.each([
    ['an event', 0, { writable: [7] }],
    ['a status', 1, { readable: [new Uint8Array(7)] }],
  ])('asks to be reset after a buffer that is too small for %s', (_, index, chain) => {
    const { device, driver } = setUp();
    driver.start();
    driver.queues[index].add(chain);
    driver.queues[index].kick();
    device.report([{ type: EV_KEY, code: 30, value: 1 }]);
    expect(driver.read('Status') & STATUS_NEEDS_RESET).not.toBe(0);
  });
});

describe('PowerButton', () => {
  it('is pressed and released', async () => {
    const button = new PowerButton();
    const driver = MockDriver.for(button);
    expect(button.press()).toBe(false);
    driver.start();
    const queue = driver.queues[0];
    const chains = [0, 1, 2, 3].map(() => queue.add({ writable: [8] }));
    queue.kick();
    expect(button.press()).toBe(true);
    await queue.waitUsed(4);
    expect(events(driver, chains)).toEqual([
      [EV_KEY, 116, 1],
      [0, 0, 0],
      [EV_KEY, 116, 0],
      [0, 0, 0],
    ]);
    expect(Buffer.from(ask(driver, 1)).toString()).toBe('Hartbox Power Button');
  });
});
