import { EventEmitter } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { boxView } from '../test/support/box-view';
import { Builds } from './builds';
import type { VmState } from './contract';

let folder: string;
let builds: Builds;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-builds-'));
  writeFileSync(join(folder, 'main.c'), '1');
});
afterEach(() => {
  builds.end();
  rmSync(folder, { recursive: true, force: true });
});

/** A box whose build notes that it ran, and fails where there is a file `wrong`. */
function setUp({ answer = 0 } = {}) {
  const done: string[] = [];
  const become = (state: VmState): void => void machines.emit('changed', boxView({ id: 'one', state }));
  const machines = Object.assign(new EventEmitter(), {
    note: vi.fn(),
    pause: () => Promise.resolve(void done.push('pause')),
    resume: () => Promise.resolve(void done.push('resume')),
    startAnew: () => {
      done.push('start');
      for (const state of ['off', 'starting', 'running'] as const) become(state);
      return Promise.resolve();
    },
  });
  const script = `const fs = require('fs'); fs.appendFileSync('ran.o', 'x'); process.exitCode = fs.existsSync('wrong') ? 3 : 0`;
  const values = {
    name: 'Kit',
    build: `"${process.execPath}" -e "${script}"`,
    buildFolder: folder,
    buildWatch: true,
    drives: [],
    load: [],
  };
  const questions: { message: string; detail: string }[] = [];
  builds = new Builds({
    machines: machines as never,
    settings: () => Promise.resolve({ values: values as never }),
    dialog: {
      showMessageBox: ((_window: unknown, question: { message: string; detail: string }) => {
        questions.push(question);
        return Promise.resolve({ response: answer, checkboxChecked: false });
      }) as never,
    },
    window: () => ({}) as never,
    locale: () => 'en',
  });
  return { done, become, machines, values, questions };
}
const ran = (): number => (existsSync(join(folder, 'ran.o')) ? readFileSync(join(folder, 'ran.o')).length : 0);

it('a build runs when the user has agreed to its command, once for each, and the box starts anew', async () => {
  const { done, questions, values } = setUp();
  await builds.build('one');
  expect([ran(), done]).toEqual([1, ['start']]);
  expect(questions).toMatchObject([
    { message: 'Run the build command of “Kit” on this computer?', detail: expect.stringContaining(folder) },
  ]);
  await builds.build('one');
  expect([ran(), done, questions.length]).toEqual([2, ['start', 'pause', 'start'], 1]);
  values.build += ' ';
  await builds.build('one');
  expect(questions.length).toBe(2);
});

it('nothing runs when the user refuses', async () => {
  const { done } = setUp({ answer: 1 });
  await builds.build('one');
  expect([ran(), done]).toEqual([0, []]);
});

it('a box whose build fails goes on, and the next save is built again', async () => {
  const { done, machines } = setUp();
  await builds.build('one');
  writeFileSync(join(folder, 'wrong'), '');
  await vi.waitFor(
    () => expect(machines.note).toHaveBeenCalledWith('one', { warning: expect.objectContaining({ code: 'build-failed' }) }),
    5000,
  );
  expect(done).toEqual(['start', 'pause', 'resume']);
  await expect(builds.build('one')).rejects.toMatchObject({ code: 'build-failed' });
  rmSync(join(folder, 'wrong'));
  await vi.waitFor(() => expect(done.at(-1)).toBe('start'), 5000);
});

it('what was switched off stays off', async () => {
  const { become } = setUp();
  await builds.build('one');
  become('off');
  writeFileSync(join(folder, 'main.c'), '22');
  await delay(1000);
  expect(ran()).toBe(1);
});
