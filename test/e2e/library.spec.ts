import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
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
  expect(page.url()).toBe('app://hartbox/index.html#/');
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
  await expect(app.page.getByRole('button', { name: 'Go to… Ctrl+K' })).toBeFocused();
  await app.page.keyboard.press('Enter');
  await expect(app.page.getByRole('combobox', { name: 'Commands' })).toBeFocused();
  await app.page.keyboard.press('Escape');
  await expect(app.page.getByRole('button', { name: 'Go to… Ctrl+K' })).toBeFocused();
  await app.page.keyboard.press('Tab');
  await expect(app.page.getByRole('button', { name: 'Preferences' })).toBeFocused();
  await app.page.keyboard.press('Enter');
  await app.page.keyboard.press('ArrowDown');
  await app.page.keyboard.press('ArrowDown');
  await app.page.keyboard.press('Enter');
  await expect.poll(() => app.page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches)).toBe(true);
  await app.page.keyboard.press('Escape');
  await expect(app.page.getByRole('button', { name: 'Preferences' })).toBeFocused();
  await app.page.keyboard.press('Tab');
  await expect(app.page.getByRole('button', { name: 'Cards' })).toBeFocused();
  await app.page.keyboard.press('Tab');
  await expect(app.page.getByRole('button', { name: 'Import…' })).toBeFocused();
  await app.page.keyboard.press('Tab');
  await expect(app.page.getByRole('link', { name: 'New box' })).toBeFocused();
  await app.page.keyboard.press('Tab');
  await expect(app.library.card('Hartbox Linux').open).toBeFocused();
  await app.page.keyboard.press('Tab');
  await expect(app.library.card('Hartbox Linux').button('Start')).toBeFocused();
  await app.page.keyboard.press('Shift+Tab');
  await app.page.keyboard.press('Enter');
  await expect(app.machine.startButton).toBeFocused();
  expect(await app.page.title()).toBe('Hartbox Linux – Hartbox');
  await app.page.keyboard.press('Shift+Tab');
  await app.page.keyboard.press('Shift+Tab');
  await expect(app.machine.back).toBeFocused();
  await app.page.keyboard.press('Enter');
  await expect(app.library.card('Hartbox Linux').open).toBeFocused();
  expect(await app.page.title()).toBe('Hartbox');
});

test('remembers the chosen appearance', async ({ app, home }) => {
  await app.page.getByRole('button', { name: 'Preferences' }).click();
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

test('shows a damaged configuration on its card, keeps the file, and takes it as soon as it is repaired', async ({ app, home }) => {
  const card = app.library.card('Hartbox Linux');
  // A file that was damaged before it was ever read has no name to show.
  await expect(card.state).toHaveText('Off');
  await writeFile(home.machineFile('hartbox-linux'), '{"version":1,');
  await app.page.reload();
  await expect(card.state).toHaveText('Unusable');
  await expect(card.error).toContainText('are damaged');
  await expect(card.button('Start')).toHaveCount(0);
  await card.button('Check again').click();
  await expect(card.error).toContainText('are damaged');
  expect(await readFile(home.machineFile('hartbox-linux'), 'utf8')).toBe('{"version":1,');
  await writeFile(home.machineFile('hartbox-linux'), JSON.stringify({ version: 1, machine: { name: 'Hartbox Linux', harts: 2 } }));
  // The library looks by itself; a click on "Check again" may come too late.
  await expect(card.state).toHaveText('Off');
  await expect(card.element).toContainText('2 harts');
});

test('refuses a second start of itself and brings the first window to the front', async ({ app, home }) => {
  await expect(app.library.heading).toBeVisible();
  expect(await HartboxApp.launchExpectingExit(home)).toContain('Hartbox is already running');
  await expect(app.library.heading).toBeVisible();
});

test('fills hundreds of cards only where they are seen, or where the keyboard goes', async ({ home }) => {
  const store = new Library(home.path);
  for (let n = 1; n <= 99; n++) await store.save(`box-${n}`, { name: `Box ${`${n}`.padStart(2, '0')}` });
  const app = await HartboxApp.launch(home, {}, { assistive: false });
  const { library, page } = app;
  // Its button for more, which all have.
  const filled = (name: string): Promise<number> => library.card(name).element.getByRole('button').count();
  await expect(page.getByRole('article')).toHaveCount(100);
  await expect.poll(() => filled('Box 01')).toBe(3);
  await expect.poll(() => filled('Box 90')).toBe(0);

  await library.card('Box 01').open.focus();
  await page.keyboard.press('End');
  await expect(library.card('Hartbox Linux').open).toBeFocused();
  await expect.poll(() => filled('Box 90')).toBe(3);
  await expect.poll(() => filled('Box 02')).toBe(0);
  // The keyboard left a card that is out of sight now.
  await expect.poll(() => filled('Box 01')).toBe(0);
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await expect(app.machine.back).toBeVisible();
  await app.end();
});

test('shows many machines as cards or in a list, finds and orders them, all by keyboard', async ({ app, home }) => {
  const { library, page } = app;
  await expect(library.heading).toBeVisible();
  const store = new Library(home.path);
  for (let n = 1; n <= 9; n++) await store.save(`box-${n}`, { name: `Box ${n}` });
  await page.reload();
  const names = (): Promise<string[]> => page.getByRole('article').getByRole('heading').allTextContents();
  await expect.poll(names).toEqual([...Array.from({ length: 9 }, (_, index) => `Box ${index + 1}`), 'Hartbox Linux']);

  // Arrows go along rows and between them; Tab goes on from there.
  await library.card('Box 1').open.focus();
  await page.keyboard.press('ArrowRight');
  await expect(library.card('Box 2').open).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowUp');
  await expect(library.card('Box 2').open).toBeFocused();
  await page.keyboard.press('End');
  await expect(library.card('Hartbox Linux').open).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(library.card('Hartbox Linux').button('Start')).toBeFocused();

  await page.getByRole('button', { name: 'List' }).click();
  const box = await library.card('Box 5').element.boundingBox();
  expect(box?.height).toBeLessThan(50);
  await library.card('Box 4').open.focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Box 5', exact: true })).toBeVisible();
  await app.machine.back.click();
  await expect(library.card('Box 5').open).toBeFocused();

  // The same name as its menu, by mouse and by key.
  await page.keyboard.press('F2');
  await page.keyboard.type('Ältere Box');
  await page.keyboard.press('Enter');
  await expect(library.card('Ältere Box').open).toBeFocused();
  await expect.poll(() => readFile(home.machineFile('box-5'), 'utf8')).toContain('Ältere Box');
  await library.card('Box 6').element.click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Rename' }).click();
  await expect(page.getByRole('textbox', { name: 'Name of Box 6' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(library.card('Box 6').element).toBeVisible();

  await page.keyboard.press('Control+F');
  await page.keyboard.type('altere');
  await expect.poll(names).toEqual(['Ältere Box']);
  await page.keyboard.press('Enter');
  await expect(library.card('Ältere Box').open).toBeFocused();
  await page.keyboard.press('Control+F');
  await page.keyboard.type('nothing like it');
  await expect(page.getByText('No box is called “nothing like it”')).toBeVisible();
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: 'Order: Name' }).click();
  await page.getByRole('menuitemradio', { name: 'State' }).click();
  await writeFile(home.machineFile('box-9'), '{');
  await page.reload();
  await expect.poll(async () => (await names())[0]).toBe('Box 9');
  const findings = await new AxeBuilder({ page }).setLegacyMode().analyze();
  expect(findings.violations).toEqual([]);
});
