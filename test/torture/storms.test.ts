import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VirtualMachine } from '../../engine/machine/virtual-machine';
import { writeBareMetal } from '../support/bare-metal';
import { attack, type AttackOptions, prepareBox } from './attack';
import { STORMS, VARIATION_NAMES, type VariationName } from './storms';

const isLong = process.env['HARTBOX_LONG'] !== undefined;

let folder: string;
let home: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-storms-'));
  home = await prepareBox(folder);
  for (const { name, write } of STORMS) writeBareMetal(kernelOf(name), write);
});
afterAll(() => {
  for (const path of [folder, home]) rmSync(path, { recursive: true, force: true });
});

function kernelOf(storm: string): string {
  return join(folder, `${storm.replaceAll(/\W+/g, '-')}.elf`);
}

type Variation = Pick<AttackOptions, 'args' | 'harts' | 'end'> & Partial<AttackOptions>;

const statistics = (): string[] => ['--stats-json', join(folder, 'statistics.json'), '--profile', join(folder, 'x.cpuprofile')];

const VARIATIONS: Record<VariationName, () => Variation> = {
  'one hart, MMIO, a time-out': () => ({ harts: 1, args: ['--bus', 'mmio'], end: 'timeout' }),
  'two harts, PCI, SIGINT, nobody reads its output': () => ({
    harts: 2,
    args: ['--bus', 'pci'],
    end: 'SIGINT',
    stdout: 'none',
    stderr: 'none',
  }),
  'four harts, MMIO, a pause, all statistics': () => ({ harts: 4, args: ['--bus', 'mmio', ...statistics()], end: 'stop', pause: true }),
  'sixteen harts, PCI, a pause, SIGTERM': () => ({ harts: 16, args: ['--bus', 'pci'], end: 'SIGTERM', pause: true }),
  'a trace of traps that is read slowly': () => ({ harts: 2, args: ['--trace', 'trap'], end: 'SIGINT', stderr: 'slow' }),
  'a trace of all that nobody reads': () => ({
    harts: 1,
    args: ['--bus', 'pci', '--trace', 'mmio,virtio,trap'],
    end: 'timeout',
    stderr: 'none',
  }),
  'a trace of device accesses that is read slowly': () => ({
    harts: 4,
    args: ['--trace', 'mmio,virtio'],
    end: 'SIGTERM',
    stderr: 'slow',
    pause: true,
  }),
  'a trace of instructions that is read slowly': () => ({ harts: 2, args: ['--trace', 'exec,trap'], end: 'SIGINT', stderr: 'slow' }),
};

/** In the long mode every storm sees all of them; else its worst, and one more by turns. */
const cases = STORMS.flatMap(({ name: storm, worst }, i) =>
  VARIATION_NAMES.map((variation) => ({ storm, variation })).filter(
    ({ variation }, j) => isLong || variation === worst || j === i % VARIATION_NAMES.length,
  ),
);

describe.each(cases)('$storm', ({ storm, variation }) => {
  it(`leave the engine sound: ${variation}`, async () => {
    const { args, ...options } = VARIATIONS[variation]();
    const outcome = await attack({ storm: isLong ? 20_000 : 1000, home, ...options, args: ['--kernel', kernelOf(storm), ...args] });
    console.log(storm, variation, JSON.stringify({ ...outcome, stderr: outcome.stderr.slice(-200), memory: (outcome.memory ?? 0) >> 20 }));
    expect(outcome.faults).toEqual([]);
  });
});

describe('a hart that says what it does', () => {
  it('says little more once it is to stop', async () => {
    const machine = await VirtualMachine.create(
      { memory: 32 << 20, harts: 2, kernel: kernelOf('flash commands'), source: 'elf', firmware: 'none' },
      { trace: ['mmio'] },
    );
    let lines = 0;
    machine.on('trace', () => void lines++);
    await machine.start();
    while (lines < 2000) await delay(5);
    const before = lines;
    await machine.pause();
    const after = lines - before;
    await machine.stop();
    // Of each hart, what was on its way and what it did up to its next look: some hundreds at most.
    expect(after).toBeLessThan(1000);
  });
});
