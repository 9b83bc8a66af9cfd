import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import { HartboxApp } from './support/hartbox-app';
import { test } from './support/test';

test('opens on the library, where the default machine is ready to start', async ({ app }) => {
  await expect(app.library.heading).toBeVisible();
  const card = app.library.card('Hartbox Linux');
  await expect(card.state).toHaveText('Off');
  await expect(card.element).toContainText('512 MB memory');
  await expect(card.button('Start')).toBeEnabled();
});

test('keeps the page in its box: no Node, no navigation, no windows, no scripts from elsewhere', async ({ app }) => {
  await expect(app.library.heading).toBeVisible();
  const page = app.page;
  expect(
    await page.evaluate(() => [typeof Reflect.get(window, 'require'), typeof Reflect.get(window, 'process'), window.isSecureContext]),
  ).toEqual(['undefined', 'undefined', true]);
  expect(await page.evaluate(() => window.open('https://example.org') === null)).toBe(true);
  await page.evaluate(() => {
    location.href = 'https://example.org/';
  });
  await page.waitForTimeout(300);
  expect(page.url()).toBe('app://hartbox/index.html');
  // Made of text, so that Playwright's own evaluation is not what is tested.
  const ran = await page.evaluate(async () => {
    const script = document.createElement('script');
    script.textContent = 'window.injected = true';
    document.head.append(script);
    await new Promise((resolve) => setTimeout(resolve, 50));
    return Reflect.has(window, 'injected');
  });
  expect(ran).toBe(false);
  const preferences = await app.electron.evaluate(({ BrowserWindow }) => {
    const contents = BrowserWindow.getAllWindows()[0].webContents as Electron.WebContents & {
      getLastWebPreferences(): Electron.WebPreferences;
    };
    const { sandbox, contextIsolation, nodeIntegration, webSecurity } = contents.getLastWebPreferences();
    return { sandbox, contextIsolation, nodeIntegration, webSecurity };
  });
  expect(preferences).toEqual({ sandbox: true, contextIsolation: true, nodeIntegration: false, webSecurity: true });
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`has no accessibility findings in ${colorScheme}`, async ({ app, home }) => {
    await mkdir(join(home.path, 'machines', 'damaged'));
    await writeFile(home.machineFile('damaged'), '{');
    await app.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await app.page.reload();
    await expect(app.library.card('damaged').error).toBeVisible();
    const findings = await new AxeBuilder({ page: app.page }).setLegacyMode().analyze();
    expect(findings.violations).toEqual([]);
  });
}

test('works by keyboard alone', async ({ app }) => {
  // Playwright's own choice would hide what the app sets.
  await app.page.emulateMedia({ colorScheme: null });
  await expect(app.library.heading).toBeVisible();
  await app.page.keyboard.press('Tab');
  await expect(app.page.getByRole('button', { name: 'Appearance' })).toBeFocused();
  await app.page.keyboard.press('Enter');
  await app.page.keyboard.press('ArrowDown');
  await app.page.keyboard.press('ArrowDown');
  await app.page.keyboard.press('Enter');
  await expect.poll(() => app.page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches)).toBe(true);
  await app.page.keyboard.press('Tab');
  await expect(app.page.getByRole('button', { name: 'Start Hartbox Linux' })).toBeFocused();
});

test('remembers the chosen appearance', async ({ app, home }) => {
  await app.page.getByRole('button', { name: 'Appearance' }).click();
  await app.page.getByRole('menuitemradio', { name: 'Dark' }).click();
  await expect
    .poll(async () => JSON.parse(await readFile(join(home.path, 'preferences.json'), 'utf8').catch(() => '{}')))
    .toMatchObject({ theme: 'dark' });
  await app.end();
  const again = await HartboxApp.launch(home);
  try {
    await expect(again.library.heading).toBeVisible();
    expect(await again.electron.evaluate(({ nativeTheme }) => nativeTheme.themeSource)).toBe('dark');
  } finally {
    await again.end();
  }
});

test('shows a damaged configuration on its card, keeps the file, and takes it once it is repaired', async ({ app, home }) => {
  const card = app.library.card('Hartbox Linux');
  // A file that was damaged before it was ever read has no name to show.
  await expect(card.state).toHaveText('Off');
  await writeFile(home.machineFile('hartbox-linux'), '{"version":1,');
  await app.page.reload();
  await expect(card.state).toHaveText('Unusable');
  await expect(card.error).toContainText('is damaged');
  await expect(card.button('Start')).toHaveCount(0);
  expect(await readFile(home.machineFile('hartbox-linux'), 'utf8')).toBe('{"version":1,');
  await writeFile(home.machineFile('hartbox-linux'), JSON.stringify({ version: 1, machine: { name: 'Hartbox Linux', harts: 2 } }));
  await card.button('Check again').click();
  await expect(card.state).toHaveText('Off');
  await expect(card.element).toContainText('2 harts');
});

test('refuses a second start of itself and brings the first window to the front', async ({ app, home }) => {
  await expect(app.library.heading).toBeVisible();
  expect(await HartboxApp.launchExpectingExit(home)).toContain('Hartbox is already running');
  await expect(app.library.heading).toBeVisible();
});
