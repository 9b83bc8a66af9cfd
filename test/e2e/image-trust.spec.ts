import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import { qcow2Image } from '../../engine/backend/disk/qcow2/create';
import { Library } from '../../engine/runner/library';
import { test } from './support/test';

/** Disk images that somebody else made, and that name files of this computer. */
test('asks before an image may use a file outside of its folder, when a box gets it and when one starts with it', async ({ app, home }) => {
  const { page } = app;
  const secret = join(home.path, 'private', 'letters.img');
  const image = join(home.path, 'downloads', 'game.qcow2');
  await mkdir(join(home.path, 'private'));
  await mkdir(join(home.path, 'downloads'));
  await writeFile(secret, Buffer.alloc(1 << 20, 'dear diary '));
  await writeFile(image, qcow2Image({ size: 1 << 20, backing: { file: '../private/letters.img', format: 'raw' } }));
  const question = page.getByRole('alertdialog');

  await page.getByRole('link', { name: 'New box' }).click();
  await page.getByRole('radio', { name: 'Disk image' }).check();
  await page.getByRole('textbox', { name: 'Disk image' }).fill(image);
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await expect(question).toContainText(secret);
  await expect(question).toContainText(image);
  await expect(question).toContainText('The guest can read this file.');
  await expect(question.getByRole('button', { name: 'Don’t allow' })).toBeFocused();
  expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);
  await page.keyboard.press('Escape');
  await expect(question).toHaveCount(0);
  expect((await readdir(join(home.path, 'machines'))).filter((name) => !name.startsWith('.'))).toEqual(['hartbox-linux']);

  await page.getByRole('button', { name: 'Create', exact: true }).click();
  await question.getByRole('button', { name: 'Allow', exact: true }).click();
  await expect(app.library.card('game').state).toHaveText('Off');
  const list = join(home.path, 'trusted-images.json');
  expect(JSON.parse(await readFile(list, 'utf8')).trusted).toMatchObject([{ image, kind: 'backing', file: secret }]);

  // Another program put it into a box, and nothing is allowed.
  await rm(list);
  await new Library(home.path).change('hartbox-linux', (set) => ({ ...set, drives: [{ file: image }] }));
  await app.library.card('Hartbox Linux').button('Start').click();
  await expect(question).toContainText(secret);
  await question.getByRole('button', { name: 'Don’t allow' }).click();
  await expect(question).toHaveCount(0);
  await expect(app.library.card('Hartbox Linux').state).toHaveText('Off');
  await app.library.card('Hartbox Linux').button('Start').click();
  await question.getByRole('button', { name: 'Allow', exact: true }).click();
  await app.machine.shell();
  await app.machine.command('head -c 10 /dev/vda | tr d D', 'Dear Diary');
});
