import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { HostMemory } from '../../engine/host/host-memory';
import { type Outcomes, runLitmus } from '../support/litmus';
import { litmusTests } from '../support/litmus-tests';
import { changingCode, ringProgram } from '../support/shared-programs';
import { threadedMachine } from '../support/threaded-machine';

// Litmus tests (engine/hart/memory-model.md). The workers come from the build.

const long = process.env.HARTBOX_LONG !== undefined;
const TIMES = long ? 500_000 : 2000;
/** Programs have to run for a while until they are translated. */
const TIMES_TRANSLATED = long ? 500_000 : 30_000;
/** Runs of a test that has to show what this host does out of order. */
const TRIES = 10;
const UNORDERED: HostMemory = { reorders: 'nothing', atomicsComeFirst: true };
const isX86 = process.arch === 'x64' || process.arch === 'ia32';

/** What was seen of what must not be. */
function forbidden(outcomes: Outcomes): string[] {
  return litmusTests.flatMap(({ name, forbidden: outcome }) => {
    const times = outcome === undefined ? 0 : (outcomes.get(name)?.[outcome] ?? 0);
    return times > 0 ? [`${name}: ${outcome}, ${times} times`] : [];
  });
}

function table(outcomes: Outcomes): string {
  return [...outcomes].map(([name, seen]) => `${name}: ${JSON.stringify(seen)}`).join('\n');
}

/** Run tests until each has shown its outcome; those that have not. */
async function unseen(names: readonly string[], outcome: string, jit: boolean, host?: HostMemory): Promise<string[]> {
  let left = litmusTests.filter(({ name }) => names.includes(name));
  expect(left.length).toBe(names.length);
  for (let tries = 0; tries < TRIES && left.length > 0; tries++) {
    const { outcomes } = await runLitmus(left, { times: 100_000, jit, ...(host ? { host } : {}) });
    left = left.filter(({ name }) => !outcomes.get(name)?.[outcome]);
  }
  return left.map(({ name }) => name);
}

describe('harts in threads', () => {
  it.each([false, true])(
    'see nothing that RVWMO forbids (translated: %s)',
    async (jit) => {
      const least = jit ? TIMES_TRANSLATED : TIMES;
      const { outcomes, translated } = await runLitmus(litmusTests, { times: least, jit });
      if (long) console.log(table(outcomes));
      for (const { name, harts } of litmusTests) {
        const times = Object.values(outcomes.get(name) ?? {}).reduce((sum, count) => sum + count, 0);
        expect(times, name).toBeGreaterThanOrEqual(harts.length === 2 ? least : least / 10);
      }
      expect(forbidden(outcomes)).toEqual([]);
      expect(translated > 0).toBe(jit);
    },
    long ? 3_600_000 : 60_000,
  );

  // Else the test above would prove nothing. Both take two processors that are free now and then.
  it.skipIf(!long || !isX86 || availableParallelism() < 2)(
    'see stores after later loads where nothing forbids it',
    async () => {
      for (const jit of [false, true]) expect(await unseen(['SB, plain', 'SB, fence.tso', 'SB, rw,w'], '00', jit)).toEqual([]);
    },
    3_600_000,
  );
  it.skipIf(!long || !isX86 || availableParallelism() < 2)(
    'would see what is forbidden if a fence were left out',
    async () => {
      const names = ['SB, rw,rw', 'SB, w,r', 'SB, a plain store, lr.aqrl reads'];
      for (const jit of [false, true]) expect(await unseen(names, '00', jit, UNORDERED)).toEqual([]);
    },
    3_600_000,
  );

  it.each([false, true])(
    'execute what another wrote once fence.i follows word of it, though it is executed all the time (translated: %s)',
    async (jit) => {
      const { harts, next, errors } = threadedMachine(changingCode(long ? 500_000 : 10_000, 2), { harts: 3, jit });
      try {
        await harts.launch();
        await harts.start();
        expect((await next(long ? 1_200_000 : 50_000)).value).toBe(0);
        expect(errors).toEqual([]);
      } finally {
        await harts.stop();
      }
    },
    long ? 1_200_000 : 60_000,
  );

  it.each([false, true])(
    'and the device thread miss nothing that the other puts into a ring, nor a notification (translated: %s)',
    async (jit) => {
      const program = ringProgram(long ? 1_000_000 : 10_000);
      const machine = threadedMachine(program.code, { harts: 1, jit, doorbell: () => program.serve(machine.memory) });
      try {
        await machine.harts.launch();
        await machine.harts.start();
        expect((await machine.next(long ? 1_200_000 : 50_000)).value).toBe(0);
        expect(program.differences()).toBe(0);
        expect(machine.errors).toEqual([]);
      } finally {
        await machine.harts.stop();
      }
    },
    long ? 1_200_000 : 60_000,
  );
});
