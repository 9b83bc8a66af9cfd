import { join } from 'node:path';
import { expect } from '@playwright/test';
import { killHartboxes } from '../support/hartbox-process';
import { ask, everythingIn, isAlive, listed, say, statesOfApp, statesOfCommandLine } from './support/both-sides';
import type { HartboxApp, TestHome } from './support/hartbox-app';
import { restingGuest } from './support/resting-guest';
import { test } from './support/test';

const BOXES = process.env['HARTBOX_LONG'] ? 50 : 6;

test.use({ guest: false });
test.afterEach(async ({ home }) => {
  // What a test that failed has left running in the background.
  for (const { id, state } of await listed(home).catch(() => [])) if (state !== 'stopped') await say(home, 'stop', '--force', id);
  killHartboxes();
});

/** Command line, app and window say the same of all boxes. */
async function expectEverywhere(app: HartboxApp, home: TestHome, state: string, shown: string): Promise<void> {
  const all = Object.fromEntries(ids.map((id) => [id, state]));
  await expect.poll(() => statesOfApp(app), { timeout: 60_000 }).toEqual(all);
  await expect.poll(() => statesOfCommandLine(home), { timeout: 60_000 }).toEqual(all);
  // Without being asked: the window has heard of it.
  for (const id of ids) await expect(app.library.card(nameOf(id)).state).toHaveText(shown);
}

const ids = Array.from({ length: BOXES }, (_, n) => `box-${n + 1}`);
const nameOf = (id: string): string => id.replace('box-', 'Box ');

/** Each two of the boxes at once: one from the command line, the other from the app. */
async function byTurns(
  ofCommandLine: (id: string) => Promise<unknown>,
  ofApp: (id: string) => Promise<unknown>,
  swapped = false,
): Promise<void> {
  for (let n = 0; n < BOXES; n += 2) {
    const [one, other] = swapped ? [ids[n + 1], ids[n]] : [ids[n], ids[n + 1]];
    await Promise.all([ofCommandLine(one), ofApp(other)]);
  }
}

test(`${BOXES} boxes of app and command line are seen, changed, paused and stopped by the other`, async ({ app, home }) => {
  test.setTimeout(120_000 + BOXES * 30_000);
  await expect(app.library.heading).toBeVisible();
  await ask(app, 'box.remove', 'hartbox-linux');
  const guest = await restingGuest(home);

  await byTurns(
    (id) => say(home, 'create', nameOf(id), '--source', 'elf', '--kernel', guest.kernel, '--memory', '16M'),
    (id) => ask(app, 'box.create', { name: nameOf(id), ...guest }, null),
  );
  await expectEverywhere(app, home, 'off', 'Off');

  await byTurns(
    (id) => say(home, 'start', id),
    (id) => ask(app, 'vm.start', id),
  );
  await expectEverywhere(app, home, 'running', 'Running');
  const running = await listed(home);
  expect(Object.fromEntries(running.map(({ id, program }) => [id, program]))).toEqual(
    Object.fromEntries(ids.map((id, n) => [id, n % 2 === 0 ? 'hartbox start' : 'the Hartbox app'])),
  );
  const pids = running.flatMap(({ pid }) => pid ?? []);
  expect(new Set(pids).size).toBe(BOXES);
  // Neither starts what the other runs.
  await expect(say(home, 'start', ids[1])).rejects.toThrow('already being run by the Hartbox app');
  await expect(ask(app, 'vm.start', ids[0])).rejects.toThrow('cannot be started while it is running');

  // What the other side changes is in force, or waits for a restart, and everybody knows which.
  const changeFromApp = async (id: string, changes: Record<string, unknown>): Promise<void> => {
    const { revision } = await ask(app, 'box.settings', id);
    // Somebody else may have been quicker.
    if ((await ask(app, 'box.change', id, changes, revision)).stale) await changeFromApp(id, changes);
  };
  await byTurns(
    (id) => say(home, 'set', id, 'memory=32M', 'priority=low', 'notes=by the command line'),
    (id) => changeFromApp(id, { memory: 32 << 20, priority: 'low', notes: 'by the app' }),
    true,
  );
  await expect.poll(async () => (await ask(app, 'library.list')).map(({ pending }) => pending)).toEqual(ids.map(() => ['memory']));
  for (const [n, id] of ids.entries()) {
    const { values } = await ask(app, 'box.settings', id);
    expect(values).toMatchObject({ memory: 32 << 20, priority: 'low', notes: n % 2 === 0 ? 'by the app' : 'by the command line' });
    expect(JSON.parse(await say(home, 'get', id, '--json'))).toMatchObject({
      memory: { value: 32 << 20 },
      notes: { value: values['notes'] },
    });
  }
  // Both change one box at once: nothing is lost.
  await Promise.all(ids.slice(0, 4).flatMap((id) => [say(home, 'set', id, 'notes=both'), changeFromApp(id, { tags: ['both'] })]));
  for (const id of ids.slice(0, 4)) expect((await ask(app, 'box.settings', id)).values).toMatchObject({ notes: 'both', tags: ['both'] });

  await byTurns(
    (id) => say(home, 'pause', id),
    (id) => ask(app, 'vm.pause', id),
    true,
  );
  await expectEverywhere(app, home, 'paused', 'Paused');
  await byTurns(
    (id) => say(home, 'resume', id),
    (id) => ask(app, 'vm.resume', id),
    true,
  );
  await expectEverywhere(app, home, 'running', 'Running');
  await byTurns(
    (id) => say(home, 'stop', '--force', id),
    (id) => ask(app, 'vm.force-off', id),
    true,
  );
  await expectEverywhere(app, home, 'off', 'Off');
  await expect.poll(() => pids.filter(isAlive)).toEqual([]);

  // Both start one box at the same moment: it runs once, and both know where.
  for (const id of ids.slice(0, 3)) {
    const [ofCommandLine] = await Promise.allSettled([say(home, 'start', id), ask(app, 'vm.start', id)]);
    await expect.poll(() => statesOfCommandLine(home)).toMatchObject({ [id]: 'running' });
    await expect.poll(() => statesOfApp(app)).toMatchObject({ [id]: 'running' });
    await expect(app.library.card(nameOf(id)).state).toHaveText('Running');
    const { program, pid = 0 } = (await listed(home)).find((box) => box.id === id) ?? {};
    expect(program).toBe(ofCommandLine.status === 'fulfilled' ? 'hartbox start' : 'the Hartbox app');
    await (program === 'hartbox start' ? ask(app, 'vm.force-off', id) : say(home, 'stop', '--force', id));
    await expect.poll(() => isAlive(pid)).toBe(false);
  }
  await expectEverywhere(app, home, 'off', 'Off');

  await expect.poll(() => app.enginePids()).toEqual([]);
  const left = [...(await everythingIn(join(home.path, 'machines'))), ...(await everythingIn(join(home.path, 'run')))];
  expect(left.filter((name) => !/^\.no-default$|^box-\d+$|config\.json$/.test(name))).toEqual([]);

  await byTurns(
    (id) => say(home, 'delete', '--yes', id),
    (id) => ask(app, 'box.remove', id),
    true,
  );
  await expect.poll(() => statesOfApp(app)).toEqual({});
  await expect(app.page.getByRole('article')).toHaveCount(0);
  expect(await listed(home)).toEqual([]);
});
