import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import { endWithUs } from '../../resources/setup/child-processes.mjs';
import { electronArguments, electronPath } from '../../resources/setup/electron.mjs';
import { HartboxApp, type TestHome } from './support/hartbox-app';
import { test } from './support/test';

const NAME = 'Hartbox Linux';

const place = (app: HartboxApp): Promise<Electron.Rectangle> =>
  app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].getNormalBounds());

async function preferencesOf(home: TestHome): Promise<{ window: Electron.Rectangle }> {
  return JSON.parse(await readFile(join(home.path, 'preferences.json'), 'utf8')) as { window: Electron.Rectangle };
}

test('opens where it was closed, if that is on a display, and leaves no half-written file', async ({ home }) => {
  await writeFile(join(home.path, 'preferences.json.part-1-0a1b2c3d'), '');
  const bounds = { x: 70, y: 50, width: 940, height: 660 };
  const first = await HartboxApp.launch(home);
  await expect(first.library.heading).toBeVisible();
  await first.electron.evaluate(({ BrowserWindow }, to) => BrowserWindow.getAllWindows()[0].setBounds(to), bounds);
  await expect.poll(() => place(first)).toEqual(bounds);
  // At once, before the place counts as one where the window stays.
  const ended = first.electron.waitForEvent('close');
  await first.closeWindow();
  await ended;
  expect((await preferencesOf(home)).window).toEqual({ ...bounds, maximized: false });
  expect((await readdir(home.path)).filter((name) => name.startsWith('preferences'))).toEqual(['preferences.json']);

  const second = await HartboxApp.launch(home);
  await expect(second.library.heading).toBeVisible();
  await expect.poll(() => place(second)).toEqual(bounds);
  await second.end();

  await writeFile(join(home.path, 'preferences.json'), JSON.stringify({ window: { ...bounds, x: 9000, maximized: false } }));
  const third = await HartboxApp.launch(home);
  await expect(third.library.heading).toBeVisible();
  const { x, width, height } = await place(third);
  expect(x).toBeLessThan(1280);
  expect([width, height]).toEqual([bounds.width, bounds.height]);
  await third.end();
});

test('shuts down a paused machine when the window is closed', async ({ app }) => {
  await app.library.card(NAME).button('Start').click();
  await app.machine.shell();
  await app.page.evaluate(() => window.hartbox.request('vm.pause', 'hartbox-linux'));
  await expect(app.machine.state).toHaveText('Paused');
  await app.closeWindow();
  const closed = app.electron.waitForEvent('close', { timeout: 60_000 });
  await app.page.getByRole('alertdialog').getByRole('button', { name: 'Shut down and quit' }).click();
  await closed;
});

test('lets the user decide again about a machine that does not end; forced off, it is off and has not failed', async ({ app }) => {
  await app.library.card(NAME).button('Start').click();
  await app.machine.shell();
  const [engine] = await app.enginePids();
  process.kill(engine, 'SIGSTOP');
  await app.closeWindow();
  const dialog = app.page.getByRole('alertdialog');
  await dialog.getByRole('button', { name: 'Shut down and quit' }).click();
  await expect(dialog).toContainText('Shutting down');
  await expect(dialog).toContainText(`${NAME} is still not off`, { timeout: 30_000 });
  await expect(dialog.getByRole('button', { name: 'Keep waiting' })).toBeVisible();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog).toBeHidden();
  await app.page.getByRole('banner').getByRole('button', { name: 'Force off' }).click();
  await dialog.getByRole('button', { name: 'Force off' }).click();
  await expect(app.machine.state).toHaveText('Off', { timeout: 30_000 });
  await expect(app.machine.error).toHaveCount(0);
});

test('speaks the languages that it offers', async ({ app, home }) => {
  const { page } = app;
  await expect(app.library.heading).toBeVisible();
  const languages = [
    { name: 'English', code: 'en', preferences: 'Preferences', heading: 'Boxes', open: /^Open / },
    { name: 'Deutsch', code: 'de', preferences: 'Einstellungen', heading: 'Boxen', open: /öffnen$/ },
    { name: '简体中文', code: 'zh-CN', preferences: '偏好设置', heading: '虚拟机', open: /^打开 / },
  ];
  let label = 'Preferences';
  for (const language of languages) {
    await page.getByRole('button', { name: label, exact: true }).click();
    await page.getByRole('menuitemradio', { name: language.name }).click();
    await page.keyboard.press('Escape');
    label = language.preferences;
    await expect(page.getByRole('heading', { name: language.heading, exact: true })).toBeVisible();
    expect(await page.evaluate(() => document.documentElement.lang)).toBe(language.code);
    await page.getByRole('button', { name: language.open }).click();
    await page.goBack();
    await expect(page.getByRole('button', { name: language.open })).toBeFocused();
  }
  await expect.poll(async () => preferencesOf(home)).toMatchObject({ language: 'zh-CN' });
});

test.describe('without a folder for its data', () => {
  test.skip(process.platform !== 'linux', 'There is no folder in which nobody can make another.');

  const start = async (env: Record<string, string | undefined>) => {
    const child = endWithUs(
      spawn(await electronPath(), ['.', ...(await electronArguments())], {
        env: { ...process.env, HARTBOX_HOME: '/proc/hartbox', LANGUAGE: 'de', ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      }),
    );
    let output = '';
    child.stderr.on('data', (data: Buffer) => {
      output += data.toString();
    });
    return { child, output: () => output };
  };

  test('says so and ends where there is no display', async () => {
    const { child, output } = await start({ DISPLAY: undefined, WAYLAND_DISPLAY: undefined });
    expect(await once(child, 'exit')).toEqual([1, null]);
    expect(output()).toContain('/proc/hartbox');
    expect(output()).toContain('HARTBOX_HOME');
  });

  test('says so in a dialog, and ends when it is told to', async () => {
    const { child, output } = await start({});
    await expect.poll(output).toContain('/proc/hartbox');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(child.exitCode).toBeNull();
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  });
});

test('loads no driver for drawing by GTK, and hands that on to nobody', async ({ app }) => {
  test.skip(process.platform !== 'linux', 'GTK is there on Linux alone.');
  await expect(app.library.heading).toBeVisible();
  const { pid, left } = await app.electron.evaluate(() => ({ pid: process.pid, left: process.env['GDK_GL'] }));
  expect(await readFile(`/proc/${pid}/maps`, 'utf8')).not.toMatch(/\/(?:swrast|libgallium)[^/]*\.so/);
  expect(left).toBe(process.env['GDK_GL']);
});
