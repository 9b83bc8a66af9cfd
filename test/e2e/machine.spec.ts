import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { HartboxApp } from './support/hartbox-app';
import { test } from './support/test';

const NAME = 'Hartbox Linux';

test('boots the default machine, works in its terminal, and powers it off', async ({ app }) => {
  await app.library.card(NAME).button('Start').click();
  await app.machine.shell();
  await app.machine.command('uname -m', 'riscv64');
  await app.machine.command('echo $((6 * 7))-done', '42-done');

  // The window's size reaches the guest, at first and when it changes.
  const columns = async (): Promise<number> => {
    const mark = `cols${Date.now()}`;
    await app.machine.command(`echo ${mark}=$(stty size | cut -d' ' -f2)=`, new RegExp(`${mark}=\\d+=`));
    return Number(new RegExp(`${mark}=(\\d+)=`).exec((await app.machine.screen.textContent()) ?? '')?.[1]);
  };
  const before = await columns();
  expect(before).toBeGreaterThan(80);
  await app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].setSize(800, 600));
  await expect.poll(columns, { timeout: 20_000 }).toBeLessThan(before);

  // What is on the screen stays while one looks elsewhere.
  await app.machine.back.click();
  await expect(app.library.card(NAME).state).toHaveText('Running');
  await app.library.card(NAME).button('Open').click();
  await expect(app.machine.screen).toContainText('42-done');
  await app.machine.command('echo still-here', 'still-here');

  await app.machine.shutDown.click();
  await expect(app.machine.state).toHaveText('Off', { timeout: 30_000 });
  await expect.poll(() => app.enginePids()).toEqual([]);
});

test("harts run with the flags that this Electron's V8 takes, and without where it dies of them, which the window says", async ({
  app,
  home,
}) => {
  const kept = () => readdir(join(home.path, 'engine')).catch(() => []);
  // On a host that is busy a trial sees too little for its verdict to be kept, and the next start makes another.
  for (let starts = 1; (await kept()).length === 0; starts++) {
    expect(starts).toBeLessThan(5);
    if (starts === 1) await app.library.card(NAME).button('Start').click();
    else await app.machine.startButton.click();
    await app.machine.shell();
    await app.machine.shutDown.click();
    await expect(app.machine.state).toHaveText('Off', { timeout: 30_000 });
  }
  const [name] = await kept();
  const { verdict } = JSON.parse(await readFile(join(home.path, 'engine', name), 'utf8'));
  expect(verdict.failure).toBeUndefined();
  expect(verdict.flags).toContain('--no-liftoff');
  await app.end();

  // There is no WebAssembly then.
  const again = await HartboxApp.launch(home, { HARTBOX_V8_FLAGS: '--jitless' });
  try {
    await again.library.card(NAME).button('Start').click();
    await again.machine.shell();
    await again.machine.command('uname -m', 'riscv64');
    await expect(again.page.getByText(/Harts run slowly on this JavaScript engine \(V8 \d+/)).toBeVisible();
  } finally {
    await again.end();
  }
});

test('copies, pastes and finds in the terminal, and has no accessibility findings', async ({ app }) => {
  await app.library.card(NAME).button('Start').click();
  await app.machine.shell();
  await app.electron.evaluate(({ clipboard }) => clipboard.writeText('echo pasted-$((40 + 2))'));
  await app.machine.input.focus();
  await app.page.keyboard.press('Control+Shift+V');
  await app.page.keyboard.press('Enter');
  await expect(app.machine.screen).toContainText('pasted-42');
  await app.page.keyboard.press('Control+Shift+F');
  await app.page.getByRole('textbox', { name: 'Find in terminal' }).fill('pasted-42');
  await expect(app.page.getByRole('search')).toContainText('1 of 1');
  await app.page.keyboard.press('Escape');
  await app.page.keyboard.press('Control+Shift+C');
  await expect.poll(() => app.electron.evaluate(({ clipboard }) => clipboard.readText())).toBe('pasted-42');
  await app.page.keyboard.press('F6');
  await expect(app.machine.back).toBeFocused();
  const findings = await new AxeBuilder({ page: app.page }).setLegacyMode().analyze();
  expect(findings.violations).toEqual([]);
});

test('pauses and resumes', async ({ app }) => {
  await app.library.card(NAME).button('Start').click();
  await app.machine.shell();
  await app.page.getByRole('button', { name: `More actions for ${NAME}` }).click();
  await app.page.getByRole('menuitem', { name: 'Pause' }).click();
  await expect(app.machine.state).toHaveText('Paused');
  await app.page.getByRole('button', { name: 'Resume' }).click();
  await expect(app.machine.state).toHaveText('Running');
  await app.machine.command('echo awake-$((1 + 1))', 'awake-2');
});

test('forces a machine off after asking', async ({ app }) => {
  await app.library.card(NAME).button('Start').click();
  await app.machine.shell();
  await app.page.getByRole('button', { name: `More actions for ${NAME}` }).click();
  await app.page.getByRole('menuitem', { name: 'Force off' }).click();
  await app.page.getByRole('alertdialog').getByRole('button', { name: 'Force off' }).click();
  await expect(app.machine.state).toHaveText('Off', { timeout: 3000 });
});

test('shows the death of an engine process on its machine alone, which then starts again', async ({ app, home }) => {
  await new Library(home.path).save('other', { name: 'Other', memory: 128 * 2 ** 20 });
  await app.page.reload();
  await app.library.card('Other').button('Start').click();
  await app.machine.shell();
  await app.machine.back.click();
  const [other] = await app.enginePids();
  await app.library.card(NAME).button('Start').click();
  await app.machine.shell();
  const pid = (await app.enginePids()).find((candidate) => candidate !== other);
  expect(pid).toBeDefined();
  process.kill(pid as number, 'SIGKILL');
  await expect(app.machine.state).toHaveText('Failed');
  await expect(app.machine.error).toContainText('ended unexpectedly');
  await app.machine.error.getByText('Details').click();
  await expect(app.machine.error).toContainText('ended by force');
  await app.machine.back.click();
  await expect(app.library.card('Other').state).toHaveText('Running');
  await expect(app.library.card(NAME).error).toContainText('ended unexpectedly');
  await app.library.card(NAME).button('Start again').click();
  await app.machine.shell();
  await app.machine.command('echo back-$((2 + 3))', 'back-5');
});

test('says so when another process already runs the machine', async ({ app, home }) => {
  await expect(app.library.card(NAME).state).toHaveText('Off');
  const lock = await new Library(home.path).lock('hartbox-linux', 'another program');
  try {
    await app.library.card(NAME).button('Start').click();
    await expect(app.machine.state).toHaveText('Failed');
    await expect(app.machine.error).toContainText(`already being run by another program (process ${process.pid})`);
  } finally {
    await lock.release();
  }
  await app.machine.startButton.click();
  await app.machine.shell();
});

test('says what is wrong with a corrupt kernel', async ({ app, home }) => {
  const kernel = `${home.path}/broken-kernel`;
  await writeFile(kernel, 'this is no kernel\n');
  await new Library(home.path).save('broken-kernel', { name: 'Broken kernel', kernel });
  await app.page.reload();
  await app.library.card('Broken kernel').button('Start').click();
  // The first start tries V8's flags, which takes its time on a busy computer.
  await expect(app.machine.state).toHaveText('Failed', { timeout: 60_000 });
  await expect(app.machine.error).toContainText('broken-kernel');
  await expect(app.machine.error).not.toContainText(/\n\s+at /);
  await app.machine.back.click();
  await expect(app.library.card('Broken kernel').error).toBeVisible();
  await expect(app.library.card(NAME).state).toHaveText('Off');
});

test('asks before closing on a running machine', async ({ app }) => {
  await app.library.card(NAME).button('Start').click();
  await app.machine.shell();
  await app.closeWindow();
  const dialog = app.page.getByRole('alertdialog');
  await expect(dialog).toContainText(`${NAME} is still running`);
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog).toBeHidden();
  await app.machine.command('echo alive-$((3 + 4))', 'alive-7');

  await app.closeWindow();
  await dialog.getByRole('button', { name: 'Keep running' }).click();
  const isVisible = (): Promise<boolean> => app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].isVisible());
  await expect.poll(isVisible).toBe(false);
  expect(await app.enginePids()).toHaveLength(1);
  await app.electron.evaluate(({ app: electron }) => void electron.emit('activate'));
  await expect.poll(isVisible).toBe(true);

  await app.closeWindow();
  const closed = app.electron.waitForEvent('close', { timeout: 40_000 });
  await dialog.getByRole('button', { name: 'Shut down and quit' }).click();
  await closed;
});

for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
  test(`shuts its machines down and ends at a ${signal}`, async ({ app, home }) => {
    await app.library.card(NAME).button('Start').click();
    await app.machine.shell();
    const [engine] = await app.enginePids();
    const ended = once(app.electron.process(), 'exit');
    const told = performance.now();
    process.kill(await app.electron.evaluate(() => process.pid), signal);
    expect(await ended).toEqual([0, null]);
    expect(performance.now() - told).toBeLessThan(8000);
    expect(() => process.kill(engine, 0)).toThrow('ESRCH');
    await (await new Library(home.path).lock('hartbox-linux', 'the test')).release();
  });
}

test('has its machines shut down before a session ends under Windows, though it stands still meanwhile', async ({ app, home }) => {
  await app.library.card(NAME).button('Start').click();
  await app.machine.shell();
  const [engine] = await app.enginePids();
  const ended = once(app.electron.process(), 'exit');
  // What Electron does there; app and engines would be killed when its listeners have returned.
  const left = await app.electron.evaluate(({ BrowserWindow }, pid) => {
    BrowserWindow.getAllWindows()[0].emit('session-end', {});
    const { existsSync, readFileSync } = process.getBuiltinModule('node:fs');
    const status = `/proc/${pid}/status`;
    // A child of which its parent has not heard yet.
    return existsSync(status) && !readFileSync(status, 'utf8').includes('zombie');
  }, engine);
  expect(left).toBe(false);
  expect(await ended).toEqual([0, null]);
  expect(() => process.kill(engine, 0)).toThrow('ESRCH');
  await (await new Library(home.path).lock('hartbox-linux', 'the test')).release();
});

test.describe('with no default guest and no mirror', () => {
  test.use({ guest: false });

  test('says why the default guest cannot be fetched, and offers to try again', async ({ app }) => {
    await app.library.card(NAME).button('Start').click();
    await expect(app.machine.state).toHaveText('Failed', { timeout: 60_000 });
    await expect(app.machine.error).toContainText(/mirror/i);
    await app.machine.back.click();
    await expect(app.library.card(NAME).button('Start again')).toBeEnabled();
  });

  test('shows the preparation on the card, where it can be cancelled', async ({ home }) => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const app = await HartboxApp.launch(home, {
      HARTBOX_DEBIAN_MIRROR: `http://127.0.0.1:${(silent.address() as AddressInfo).port}/debian`,
    });
    try {
      const card = app.library.card(NAME);
      await card.button('Start').click();
      await expect(app.page.getByRole('heading', { name: 'Getting Linux ready' })).toBeVisible();
      await app.machine.back.click();
      await expect(card.state).toHaveText('Preparing');
      await expect(card.element.getByRole('progressbar')).toBeVisible();
      await card.button('Cancel').click();
      await expect(card.state).toHaveText('Off');
      await expect(card.button('Start')).toBeEnabled();
    } finally {
      await app.end();
      silent.closeAllConnections();
      silent.close();
    }
  });
});
