import { EventEmitter } from 'node:events';
import { beforeEach, expect, it } from 'vitest';
import { keepAwake } from './keep-awake';
import type { Machines } from './machines';

let machines: EventEmitter & { reportStatistics(id: string, every: number): void };
let asked: string[];
/** Assertions that are held. */
let held: Set<number>;

beforeEach(() => {
  asked = [];
  held = new Set();
  machines = Object.assign(new EventEmitter(), { reportStatistics: (id: string) => void asked.push(id) });
});

function on(platform: NodeJS.Platform): void {
  let count = 0;
  const blocker = {
    start: () => {
      held.add(++count);
      return count;
    },
    stop: (id: number) => held.delete(id),
  };
  keepAwake(machines as unknown as Machines, blocker, platform);
}
const enters = (id: string, state: string) => machines.emit('changed', { id, state });
const executes = (id: string, instructions: number) =>
  machines.emit('statistics', id, { seconds: 10, harts: [{ instructions: instructions / 2 }, { instructions: instructions / 2 }] });

it('keeps macOS from napping while a guest works, and only then', () => {
  on('darwin');
  enters('one', 'running');
  enters('two', 'running');
  expect([asked, held.size]).toEqual([['one', 'two'], 0]);
  executes('one', 5e9);
  executes('two', 5e9);
  expect(held.size).toBe(1);
  executes('one', 2e7);
  expect(held.size).toBe(1);
  enters('two', 'paused');
  expect(held.size).toBe(0);
  enters('two', 'running');
  expect(held.size).toBe(0);
  executes('two', 5e9);
  expect(held.size).toBe(1);
  enters('two', 'failed');
  expect(held.size).toBe(0);
  // After the next start there is another engine to ask.
  enters('two', 'running');
  expect(asked).toEqual(['one', 'two', 'two']);
});

it('leaves other systems alone', () => {
  on('linux');
  enters('one', 'running');
  executes('one', 5e9);
  expect([asked, held.size]).toEqual([[], 0]);
});
