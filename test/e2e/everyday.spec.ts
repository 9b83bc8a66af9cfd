import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import { HartboxApp } from './support/hartbox-app';
import { test } from './support/test';

const NAME = 'Hartbox Linux';

/** What is wrong with the page for who cannot see it well, in both themes. */
async function findings(app: HartboxApp, name: string): Promise<unknown[]> {
  const found = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await app.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    found.push(...(await new AxeBuilder({ page: app.page }).setLegacyMode().analyze()).violations);
    const folder = process.env['HARTBOX_PICTURES'];
    if (folder) await app.page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
  }
  return found;
}

test('goes everywhere by the command palette, shows how far a start is, and keeps logs', async ({ app, home }) => {
  const { page } = app;
  await expect(app.library.heading).toBeVisible();
  const palette = page.getByRole('combobox', { name: 'Commands' });
  await page.keyboard.press('Control+k');
  await expect(palette).toBeFocused();
  await palette.fill('disk and');
  await expect(page.getByRole('option', { selected: true })).toContainText('Disk and memory');
  expect(await findings(app, 'palette')).toEqual([]);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Disk and memory' })).toBeVisible();

  // A setting by its name, of the box that was looked at last; and Escape leads back.
  await page.keyboard.press('F1');
  await palette.fill(`start ${NAME}`);
  await page.keyboard.press('Escape');
  await expect(palette).toHaveCount(0);
  await page.keyboard.press('Control+Shift+P');
  await palette.fill(`start: ${NAME}`);
  await page.keyboard.press('Enter');
  // Opened while the box's page comes, and closed on that: what had the focus before is gone, and the terminal has it.
  await page.keyboard.press('Control+Shift+P');
  const boot = page.locator('[data-boot]');
  await expect(boot).toContainText(/Firmware|Kernel starts|First programs start/);
  await expect(palette).toBeFocused();
  await expect(boot).toHaveCount(0);
  await page.keyboard.press('Escape');
  await expect(app.machine.input).toBeFocused();
  await app.machine.shell();

  // In a terminal Ctrl+K is the guest's.
  await app.machine.input.focus();
  await page.keyboard.press('Control+k');
  await expect(palette).toHaveCount(0);
  await page.keyboard.press('Control+Shift+P');
  await palette.fill('log: hartbox');
  await page.keyboard.press('Enter');
  const log = page.getByRole('log');
  await page.getByRole('radio', { name: 'Console' }).check();
  await expect(log).toContainText('Welcome to Hartbox: Linux 6.');
  await page.getByRole('searchbox', { name: 'Search' }).fill('opensbi v');
  await expect(log.locator('p')).toHaveCount(1);
  expect(await findings(app, 'log')).toEqual([]);
  const file = join(home.path, 'saved.log');
  await app.electron.evaluate(({ dialog }, filePath) => {
    dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath });
  }, file);
  await page.getByRole('button', { name: 'Save…' }).click();
  await expect(page.getByText(`The log is in ${file}`)).toBeVisible();
  expect(await readFile(file, 'utf8')).toContain('Welcome to Hartbox: Linux 6.');
  await page.getByRole('radio', { name: 'Engine' }).check();
  await page.getByRole('searchbox', { name: 'Search' }).fill('');

  await page.keyboard.press('Control+k');
  await palette.fill('harts');
  await page.getByRole('option', { name: /Harts/ }).filter({ hasText: 'Setting of' }).first().click();
  await expect(page.getByRole('textbox', { name: 'Search settings' })).toHaveValue('Harts');

  // The next start knows how long the last one took.
  await page.evaluate(() => window.hartbox.request('vm.reset', 'hartbox-linux'));
  await page.keyboard.press('Control+k');
  await palette.fill('boxes');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('article', { name: NAME, exact: true }).locator('[data-boot]')).toContainText(/Firmware|Kernel|First/);
});

test('does by itself what the preferences say, and nothing for who calls from outside', async ({ home }) => {
  const config = join(home.path, 'config');
  const app = await HartboxApp.launch(home, { XDG_CONFIG_HOME: config });
  const { page } = app;
  await expect(app.library.heading).toBeVisible();
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Commands' }).fill('pref');
  await page.keyboard.press('Enter');
  await page.getByLabel('Start when you log in').check();
  await expect.poll(() => readFile(join(config, 'autostart', 'hartbox.desktop'), 'utf8').catch(() => '')).toContain('"--hidden"');
  await page.getByLabel('Start when you log in').uncheck();
  await expect.poll(() => readFile(join(config, 'autostart', 'hartbox.desktop'), 'utf8').catch(() => 'gone')).toBe('gone');
  await page.getByLabel('Show running boxes in the tray').check();
  await page.getByLabel('When the window is closed while boxes run').selectOption('force-off');
  await expect(page.getByRole('button', { name: 'Look now' })).toBeDisabled();
  await page.getByLabel('Address at which updates are looked for').fill('http://127.0.0.1:9/');
  await page.getByLabel('Address at which updates are looked for').blur();
  await page.getByRole('button', { name: 'Look now' }).click();
  await expect(page.getByRole('alert')).toContainText('https://');
  expect(await findings(app, 'preferences')).toEqual([]);
  await page.emulateMedia({ forcedColors: 'active', contrast: 'more' });
  const folder = process.env['HARTBOX_PICTURES'];
  if (folder) await page.screenshot({ path: join(folder, 'preferences-forced.png') });
  await page.emulateMedia({ forcedColors: 'none', contrast: 'no-preference' });

  // Links and words of another start: nothing starts, and nothing is changed.
  const before = await page.evaluate(() => window.hartbox.request('library.list'));
  await app.electron.evaluate(({ app: electron }) => {
    const event = { preventDefault: () => undefined };
    electron.emit(
      'second-instance',
      event,
      ['hartbox', 'hartbox://start/hartbox-linux', '--start', 'hartbox-linux', 'start', 'hartbox-linux'],
      '/',
    );
    electron.emit('open-url', event, 'hartbox://start/hartbox-linux');
    electron.emit('open-url', event, 'hartbox://delete?box=hartbox-linux');
  });
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  expect(await page.evaluate(() => window.hartbox.request('library.list'))).toEqual(before);
  expect(await app.electron.evaluate(({ app: electron }) => electron.isDefaultProtocolClient('hartbox'))).toBe(false);

  // Once decided it is done without a question.
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Commands' }).fill(`start: ${NAME}`);
  await page.keyboard.press('Enter');
  await expect(app.machine.state).toHaveText('Running', { timeout: 60_000 });
  const closed = app.electron.waitForEvent('close', { timeout: 60_000 });
  await app.closeWindow();
  await closed;
});
