import { describe, expect, it } from 'vitest';
import { MockDriver } from '../../../test/support/mock-driver';
import { HumanInput, INPUT_KINDS } from './human-input';

const [EV_KEY, EV_REL, EV_ABS, EV_LED] = [1, 2, 3, 0x11];

describe('HumanInput', () => {
  it.each(INPUT_KINDS)('%s: reports what it names, and nothing else', async (kind) => {
    const device = new HumanInput(kind);
    const driver = MockDriver.for(device).start();
    const events = driver.queues[0];
    const chains = [1, 2].map(() => events.add({ writable: [8] }));
    events.kick();
    const [type, code] = { keyboard: [EV_KEY, 30], mouse: [EV_REL, 0], tablet: [EV_ABS, 1], touchscreen: [EV_ABS, 0x39] }[kind];
    expect(device.report([{ type, code, value: -1 }])).toBe(true);
    await events.waitUsed(2);
    expect([...driver.written(chains[0])]).toEqual([type, 0, code, 0, 255, 255, 255, 255]);
    expect([...driver.written(chains[1])]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    for (const other of [
      { type: 5, code: 0, value: 1 },
      { type: EV_KEY, code: 0x2ff, value: 1 },
    ])
      expect(() => device.report([other])).toThrow('makes no events');
  });

  it('keeps which lamps are on until it is reset', async () => {
    const device = new HumanInput('keyboard');
    const driver = MockDriver.for(device).start();
    const status = driver.queues[1];
    const light = async (code: number, value: number): Promise<void> => {
      status.add({ readable: [Uint8Array.of(EV_LED, 0, code, 0, value, 0, 0, 0)] });
      status.kick();
      await status.waitUsed();
    };
    await light(1, 1);
    await light(0, 1);
    expect(device.lamps).toEqual([0, 1]);
    await light(1, 0);
    expect(device.lamps).toEqual([0]);
    driver.write('Status', 0);
    expect(device.lamps).toEqual([]);
  });
});
