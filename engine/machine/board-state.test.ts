import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { mutatedJson } from '../../test/support/mutated-json';
import type { AccessSize } from '../bus/device';
import type { SavedState } from '../bus/device-state';
import { DeviceError, VmError } from '../errors/vm-error';
import { GuestMemory } from '../memory/guest-memory';
import { HART_LINES, HART_SLEEPING, HART_STRIDE, HARTS_BASE } from '../memory/layout';
import { createMemory, planMemory } from '../memory/memory-plan';
import { type MachineConfigInput, machineConfigSchema } from '../settings/settings';
import { Board, memoryRegions } from './board';

/** The life cycle of everything on the board but what virtio's own life-cycle test covers: saved, and restored into another board. */

const RAM = 0x8000_0000;
const MiB = 2 ** 20;
const HARTS = 2;

interface Setup {
  board: Board;
  memory: GuestMemory;
}

async function setUp(input: MachineConfigInput): Promise<Setup> {
  const config = machineConfigSchema.parse({ memory: 16 * MiB, harts: HARTS, ...input });
  const plan = planMemory(config.harts, memoryRegions(config));
  const memory = new GuestMemory(createMemory(plan), plan);
  const boot = {
    segments: [{ what: 'kernel', address: RAM, bytes: Uint8Array.of(1, 2, 3), memoryBytes: 8 }],
    entry: RAM,
    next: 0,
    deviceTree: RAM + 14 * MiB,
    append: '',
    isDefaultGuest: false,
  };
  const nothing = (): void => undefined;
  const board = await Board.create({
    config,
    memory,
    ports: ['agent'],
    boot,
    finisher: nothing,
    watchdog: nothing,
    full: async () => false,
    warn: nothing,
  });
  await board.powerOn();
  // A guest that waits: what the UART gets is in its FIFO at once, not after a while.
  for (let hart = 0; hart < HARTS; hart++) memory.words[(HARTS_BASE + hart * HART_STRIDE + HART_SLEEPING) >>> 2] = 1;
  return { board, memory };
}

/** Where registers are: guest-physical address, bytes, and the width of accesses, any unless given. */
const WINDOWS: Record<string, [address: number, bytes: number, width?: AccessSize][]> = {
  all: [
    [0x100004, 8],
    [0x101000, 0x20, 4],
    [0x200_0000, 12, 4],
    [0x200_4000, 24, 4],
    [0x1000_0000, 8, 1],
    [0x1000_1000, 0x140],
    [0x1000_2000, 0x140, 4],
    [0x1010_0000, 16],
    [0x2000_0000, 0x80],
    [0x2200_0000, 0x80],
    [0x300_0000, 0x20],
    // The bridge, the first function.
    [0x3000_0000, 0x100],
    [0x3000_8000, 0x100],
    [0x4000_0000, 0x1000],
  ],
  none: [
    [0xc00_0000, 0x180, 4],
    [0xc00_1000, 16, 4],
    [0xc00_2000, 0x200, 4],
    [0xc20_0000, 8, 4],
    [0xc20_1000, 8, 4],
    [0xc20_3000, 8, 4],
  ],
  aplic: [0xc00_0000, 0xd00_0000].flatMap((base): [number, number, 4][] => [
    [base, 0x80, 4],
    [base + 0x1bc0, 16, 4],
    ...[0x1c00, 0x1cd8, 0x1d00, 0x1dd8, 0x1e00, 0x1ed8, 0x1f00, 0x1fd8, 0x2000].map((at): [number, number, 4] => [base + at, 16, 4]),
    [base + 0x3000, 0x80, 4],
    [base + 0x4000, 64, 4],
  ]),
};
WINDOWS['aplic-imsic'] = [...WINDOWS['aplic'], [0x2400_0000, 4, 4], [0x2800_1000, 4, 4]];

interface Access {
  address: number;
  size: AccessSize;
  /** None: read. */
  value: number | undefined;
}

/** Values that mean something to a UART, to flash, and as numbers of sources or bits. */
const value = fc.oneof(
  fc.nat(0xffffffff),
  fc.nat(15),
  fc.constantFrom(0x20, 0x40, 0xd0, 0xe8, 0xff, 0x90, 0x98, 0x100, 0x401, 0x8000_0000, 0x4000_0000),
);

function accesses(windows: [number, number, AccessSize?][]): fc.Arbitrary<Access> {
  return fc
    .record({
      window: fc.constantFrom(...windows),
      at: fc.nat(0xfff),
      size: fc.constantFrom<AccessSize>(1, 2, 4),
      value: fc.option(value, { nil: undefined }),
    })
    .map(({ window: [base, bytes, width], at, size: any, value: wide }) => {
      const size = width ?? any;
      const address = base + Math.floor((at % bytes) / size) * size;
      return { address, size, value: wide === undefined ? undefined : wide % 2 ** (8 * size) };
    });
}

/** What the guest sees of an access: a value, nothing, or a fault. */
function perform({ board }: Setup, { address, size, value: written }: Access): number | string | undefined {
  try {
    if (written === undefined) return board.bus.read(address, size);
    board.bus.write(address, size, written);
    return undefined;
  } catch (error) {
    if (error instanceof DeviceError) return error.message;
    throw error;
  }
}

/** The state but for the time, which is as exact as a number is. */
function timeless(saved: Record<string, SavedState>): Record<string, SavedState> {
  const copy = structuredClone(saved);
  expect((copy['clint@2000000'].state as { mtime?: number }).mtime).toBeGreaterThanOrEqual(0);
  delete (copy['clint@2000000'].state as { mtime?: number }).mtime;
  return copy;
}

const lines = ({ memory }: Setup): number[] =>
  Array.from({ length: HARTS }, (_, hart) => memory.words[(HARTS_BASE + hart * HART_STRIDE + HART_LINES) >>> 2]);

function copyMemory(from: GuestMemory, to: GuestMemory): void {
  for (const { offset, size } of from.plan.regions) to.bytes.set(from.bytes.subarray(offset, offset + size), offset);
}

let folder: string;
beforeAll(() => {
  // Time stands still: what is compared does not depend on it.
  vi.useFakeTimers({ toFake: ['Date', 'performance', 'hrtime', 'setTimeout', 'clearTimeout'] });
  folder = mkdtempSync(join(tmpdir(), 'hartbox-board-state-'));
});
afterAll(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

describe.each(['none', 'aplic', 'aplic-imsic'] as const)('the state of a board with aia %s', (aia) => {
  const config = (name: string): MachineConfigInput => {
    const file = join(folder, `${aia}-${name}.img`);
    writeFileSync(file, new Uint8Array(4096));
    return { aia, scsi: true, drives: [{ file }], bus: aia === 'aplic-imsic' ? 'pci' : 'mmio' };
  };
  let first: Setup;
  let second: Setup;
  beforeAll(async () => {
    first = await setUp(config('first'));
    second = await setUp(config('second'));
  });
  afterAll(async () => {
    await first.board.close();
    await second.board.close();
  });
  const access = accesses([...WINDOWS['all'], ...WINDOWS[aia]]);

  it('holds all that a guest sees, whatever it has done', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(access, { minLength: 60, maxLength: 200, size: 'max' }),
        fc.array(access, { minLength: 100, size: 'max', maxLength: 200 }),
        async (before, after) => {
          await first.board.powerOn();
          await second.board.powerOn();
          for (const [i, one] of before.entries()) {
            perform(first, one);
            if (i % 16 === 0) first.board.console.write(Uint8Array.of(i));
          }
          const saved = await first.board.snapshot();
          const json: unknown = JSON.parse(JSON.stringify(saved));
          expect(json).toEqual(saved);
          copyMemory(first.memory, second.memory);
          second.board.restore(structuredClone(saved));
          expect(lines(second)).toEqual(lines(first));
          expect(timeless(await second.board.snapshot())).toEqual(timeless(saved));
          for (const one of after) expect([one, perform(second, one), lines(second)]).toEqual([one, perform(first, one), lines(first)]);
          expect(timeless(await second.board.snapshot())).toEqual(timeless(await first.board.snapshot()));
        },
      ),
      // A run takes too long for what shrinks a failure.
      { numRuns: 20, endOnFailure: true },
    );
  });

  it('is refused where it is not one, before anything has changed', { timeout: 120_000 }, async () => {
    await first.board.powerOn();
    for (const one of fc.sample(access, { numRuns: 400, seed: 1 })) perform(first, one);
    const saved = await first.board.snapshot();
    const names = fc.constantFrom(...Object.keys(saved));
    let refused = 0;
    const mutated = names.chain((name) => mutatedJson(saved[name]).map((state) => ({ ...saved, [name]: state as SavedState })));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ weight: 20, arbitrary: mutated }, { weight: 1, arbitrary: mutatedJson(saved) }),
        fc.array(access, { minLength: 20, size: 'max', maxLength: 50 }),
        async (state, after) => {
          await second.board.powerOn();
          const before = await second.board.snapshot();
          try {
            second.board.restore(state);
          } catch (error) {
            expect(error).toBeInstanceOf(VmError);
            expect(await second.board.snapshot()).toEqual(before);
            refused++;
            return;
          }
          for (const one of after) perform(second, one);
        },
      ),
      { numRuns: 150, endOnFailure: true },
    );
    expect(refused).toBeGreaterThan(75);
    for (const name of Object.keys(saved)) {
      expect(() => second.board.restore({ ...saved, [name]: { ...saved[name], version: 99 } })).toThrow(/it has version 99/);
      const { [name]: _, ...others } = saved;
      expect(() => second.board.restore(others)).toThrow(`it lacks ${name}, and has nothing`);
    }
  });
});

it('is not that of a board with other devices', async () => {
  const one = await setUp({});
  const other = await setUp({ aia: 'aplic' });
  const without = await setUp({ powerButton: false });
  const saved = await one.board.snapshot();
  expect(() => other.board.restore(saved)).toThrow(/lacks aplic@c000000, aplic@d000000, and has plic@c000000/);
  expect(() => without.board.restore(saved)).toThrow(/virtio_mmio@10005000 cannot be used here: its queues/);
  expect([one, without].map(({ board }) => board.bus.read(0x1000_5008, 4))).toEqual([18, 5]);
  expect(() => without.board.pressPowerButton()).toThrow(/powerButton is off.*hartbox stop BOX --force/);
  expect(one.board.pressPowerButton()).toBe(false);
  for (const { board } of [one, other, without]) await board.close();
});
