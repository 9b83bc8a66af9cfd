import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import type { HartboxApp } from './support/hartbox-app';
import { test } from './support/test';

const NAME = 'Hartbox Linux';

async function choose(app: HartboxApp, command: string): Promise<void> {
  await expect(app.library.card(NAME).state).toHaveText('Off');
  await app.page.getByRole('button', { name: `More actions for ${NAME}`, exact: true }).click();
  await app.page.getByRole('menuitem', { name: command, exact: true }).click();
}

test('deletes a box, and brings it back', async ({ app, home }) => {
  const { page } = app;
  await choose(app, 'Delete');
  await expect(page.getByText(`“${NAME}” was deleted.`)).toBeVisible();
  await expect(page.getByRole('article')).toHaveCount(0);
  expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByText(`“${NAME}” is back.`)).toBeVisible();
  await expect(app.library.card(NAME).state).toHaveText('Off');
  await access(home.machineFile('hartbox-linux'));
});

test('keeps deleted boxes, to restore or to delete them for good', async ({ app, home }) => {
  const { page } = app;
  await choose(app, 'Clone');
  await expect(page.getByText(`“${NAME}” was cloned.`)).toBeVisible();
  for (const id of await readdir(join(home.path, 'machines'))) {
    if (!id.startsWith('.')) await page.evaluate((box) => window.hartbox.request('box.remove', box), id);
  }
  await expect(page.getByRole('article')).toHaveCount(0);
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill('deleted boxes');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Deleted boxes' })).toBeVisible();
  await expect(page.locator('[data-trashed]')).toHaveCount(2);
  expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);

  await page.getByRole('button', { name: `Restore ${NAME}`, exact: true }).focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('[data-trashed]')).toHaveCount(1);
  await access(home.machineFile('hartbox-linux'));
  // The keyboard is at the next box.
  await expect(page.locator('[data-restore]')).toBeFocused();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alertdialog')).toContainText('for good?');
  expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('alertdialog')).toHaveCount(0);
  expect(await readdir(join(home.path, 'trash'))).toHaveLength(1);
  await page.keyboard.press('Enter');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete for good' }).click();
  await expect(page.getByText('No deleted boxes.')).toBeVisible();
  expect(await readdir(join(home.path, 'trash'))).toEqual([]);
});

test('copies a box', async ({ app }) => {
  await choose(app, 'Clone');
  await expect(app.page.getByText(`“${NAME}” was cloned.`)).toBeVisible();
  await expect(app.page.getByRole('article')).toHaveCount(2);
});

test('writes a box into a file, and makes one of it', async ({ app, home }) => {
  const { page } = app;
  const file = join(home.path, 'box.hartbox');
  await app.electron.evaluate(({ dialog }, path) => {
    dialog.showSaveDialog = async () => ({ canceled: false, filePath: path });
    dialog.showOpenDialog = async () => ({ canceled: false, filePaths: [path] });
  }, file);
  await choose(app, 'Export…');
  await expect(page.getByText(`“${NAME}” was exported to ${file}.`)).toBeVisible();
  await access(file);
  await page.getByRole('button', { name: 'Import…' }).click();
  await expect(page.getByText('The box was imported.')).toBeVisible();
  await expect(page.getByRole('article')).toHaveCount(2);
});

test('says what fills the disk, and leads to where it lies and where it is freed', async ({ app, home }) => {
  const { page } = app;
  await mkdir(join(home.path, 'images', 'debian-trixie'), { recursive: true });
  await writeFile(join(home.path, 'images', 'debian-trixie', 'disk.img'), Buffer.alloc(64 << 20, 1));
  await app.electron.evaluate(({ shell }) => {
    shell.openPath = async (path) => {
      (globalThis as { opened?: string }).opened = path;
      return '';
    };
  });
  await page.getByRole('button', { name: 'Preferences' }).click();
  await page.getByRole('menuitem', { name: 'Disk and memory' }).click();
  await expect(page.locator('[data-part=systems]')).toContainText('64 MB');
  await expect(page.locator('[data-part=guest]')).toContainText(/\d+ MB/);
  // All of it counts.
  await expect(page.locator('[data-sum=disk]')).toContainText(/(6[5-9]|[7-9]\d|[1-9]\d\d) MB/);
  await expect(page.getByRole('columnheader', { name: 'Memory' })).toBeVisible();
  expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);
  const images = join(home.path, 'images');
  await page.getByRole('button', { name: `Open ${images}`, exact: true }).click();
  await expect.poll(() => app.electron.evaluate(() => (globalThis as { opened?: string }).opened)).toBe(images);
  await page.getByRole('link', { name: 'Manage: Systems' }).click();
  await expect(page.getByRole('heading', { name: 'Systems' })).toBeVisible();
});
