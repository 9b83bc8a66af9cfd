import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import { test } from './support/test';

// No mirror: the Doctor asks none that is far away.
test.use({ guest: false });

test('the Doctor says what it found, in the language of the user, and saves a report without names', async ({ app, home }) => {
  await expect(app.library.heading).toBeVisible();
  await app.page.getByRole('button', { name: 'Preferences' }).click();
  await app.page.getByRole('menuitem', { name: 'Doctor' }).click();
  await expect(app.page.getByRole('heading', { name: 'Doctor' })).toBeVisible();
  const found = (id: string) => app.page.locator(`[data-finding=${id}]`);
  await expect(found('mirror-needed')).toContainText('http://127.0.0.1:9/debian');
  await expect(found('electron')).toHaveCount(0);
  await app.page.getByLabel('Show what is fine').check();
  await expect(found('electron')).toContainText('Electron ');
  await expect(found('data-folder')).toContainText(home.path);
  // SwiftShader is what tests draw with.
  await expect(found('webgl-software')).toBeVisible();
  for (const colorScheme of ['light', 'dark'] as const) {
    await app.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    expect((await new AxeBuilder({ page: app.page }).setLegacyMode().analyze()).violations).toEqual([]);
  }

  const file = join(home.path, 'report.txt');
  await app.electron.evaluate(({ dialog }, filePath) => {
    dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath });
  }, file);
  await app.page.getByRole('button', { name: 'Save report…' }).click();
  await expect(app.page.getByText(`The report is in ${file}`)).toBeVisible();
  const report = await readFile(file, 'utf8');
  expect(report).toContain('[warning] mirror-needed: ');
  expect(report).not.toContain(userInfo().homedir);

  await app.page.evaluate(() => window.hartbox.request('app.set-language', 'de'));
  await app.page.reload();
  await expect(found('guest-missing')).toContainText('Das eingebaute Linux ist noch nicht da.');
  await app.page.getByRole('button', { name: 'Alle Boxen' }).click();
  await expect(app.page).toHaveURL(/#\/$/);
});
