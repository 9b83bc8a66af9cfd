import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MmioBus } from '../bus/mmio-bus';
import { DeviceError } from '../errors/vm-error';
import { createMemory, planMemory } from '../memory/memory-plan';
import { hartLine, MEIP, SEIP } from './hart-lines';
import { Imsics } from './imsics';
import { InterruptControllers, type InterruptPlan } from './interrupt-controllers';

const APLIC = { machine: 0xc000000, supervisor: 0xd000000 };
const IMSIC = { machine: 0x24000000, supervisor: 0x28000000 };
const PLANS: Record<string, InterruptPlan> = {
  plic: { kind: 'plic', base: 0xc000000, sources: 95 },
  aplic: { kind: 'aplic', domains: APLIC, sources: 96 },
  'aplic-imsic': { kind: 'aplic', domains: APLIC, sources: 96, imsics: IMSIC },
};

function setUp(plan: InterruptPlan, harts = 3) {
  const memory = createMemory(planMemory(harts, [{ base: 0x80000000, size: 4096 }]));
  const controllers = new InterruptControllers(memory, harts, plan);
  const bus = new MmioBus();
  for (const device of controllers.devices) bus.add(device);
  return { memory, words: new Int32Array(memory.buffer), controllers, bus };
}

describe('InterruptControllers', () => {
  it.each(Object.keys(PLANS))('bear accesses of any size anywhere in their ranges (%s)', (name) => {
    const { bus, controllers } = setUp(PLANS[name]);
    const ranges = bus.ranges();
    const address = fc
      .tuple(fc.nat(ranges.length - 1), fc.oneof(fc.nat(0x7fff), fc.nat(0x6000_0000)))
      .map(([range, offset]) => ranges[range].base + (offset % ranges[range].size));
    const access = fc.record({ address, size: fc.constantFrom(1 as const, 2 as const, 4 as const), value: fc.option(fc.nat(0xffff_ffff)) });
    fc.assert(
      fc.property(fc.array(access, { minLength: 20, maxLength: 100 }), fc.integer({ min: 1, max: 95 }), (accesses, source) => {
        for (const { address, size, value } of accesses) {
          controllers.wires.line(source).setLevel(address % 3 === 0);
          try {
            if (value === null) expect(bus.read(address, size)).toBeLessThanOrEqual(0xffff_ffff);
            else bus.write(address, size, value % 2 ** (8 * size));
            expect([size, address % 4]).toEqual([4, 0]);
          } catch (error) {
            if (!(error instanceof DeviceError)) throw error;
            expect(size < 4 || address % 4 !== 0).toBe(true);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('take messages at the pages of the harts, and nowhere else', () => {
    const { memory, controllers, words, bus } = setUp(PLANS['aplic-imsic']);
    expect(controllers.messageParent).toBe('imsic_s');
    // eidelivery, and identities 1 to 31 enabled, in all files: what the harts do through their CSRs.
    for (const level of ['machine', 'supervisor'] as const) {
      const files = new Imsics({ memory, base: IMSIC[level], harts: 3, level });
      const none = Array.from({ length: 8 }, () => 0);
      const file = { pending: none, enabled: none.with(0, 0xffff_fffe), eidelivery: 1, eithreshold: 0 };
      files.state.restore({ version: 1, state: { harts: [file, file, file] } });
    }
    const lines = (): boolean[][] => [0, 1, 2].map((hart) => [hartLine(words, hart, MEIP), hartLine(words, hart, SEIP)]);
    for (const address of [0x24003000, 0x24004000, 0x28000004, 0x23ffffff, 0x80000000, 2 ** 44 * 4096]) controllers.sendMessage(address, 3);
    for (const data of [0, 256, 0xffff_ffff]) controllers.sendMessage(0x28000000, data);
    expect(lines()).toEqual([0, 1, 2].map(() => [false, false]));
    controllers.sendMessage(0x28002000, 3);
    bus.write(0x24000000, 4, 9);
    expect(lines()).toEqual([
      [true, false],
      [false, false],
      [false, true],
    ]);
    expect(bus.read(0x24000000, 4)).toBe(0);
  });
});
