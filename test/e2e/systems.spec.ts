import { createHash } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import { type FileServer, startFileServer } from '../support/file-server';
import { HartboxApp } from './support/hartbox-app';
import { test } from './support/test';

/** A catalogue of two: a disk that a server on this computer has, and one that the harts cannot run. */
async function catalogue(server: FileServer, file: string): Promise<void> {
  const disk = Buffer.alloc(3 << 20, 'not a system');
  server.files.set('/small.img', disk);
  server.files.set('/SUMS', Buffer.from(`${createHash('sha256').update(disk).digest('hex')}  small.img\n`));
  const entry = {
    id: 'small',
    name: 'Small system',
    kind: 'download',
    icon: 'disk',
    downloadBytes: disk.length,
    diskBytes: disk.length,
    url: `${server.url}/small.img`,
    checksums: { url: `${server.url}/SUMS`, algorithm: 'sha256' },
    seed: 'cloud-init',
    box: { memory: 2 ** 28, firmware: 'uboot' },
  };
  const future = { ...entry, id: 'future', name: 'Future system', needs: { profile: 'RVA23', extensions: ['v'] } };
  await writeFile(file, JSON.stringify({ version: 1, images: [entry, future] }));
}

test.describe('systems of the catalogue', () => {
  let server: FileServer;
  let app: HartboxApp;
  test.beforeEach(async ({ home }) => {
    server = await startFileServer();
    const file = join(home.path, 'catalogue.json');
    await catalogue(server, file);
    app = await HartboxApp.launch(home, { HARTBOX_CATALOGUE: file, HARTBOX_DEBIAN_MIRROR: 'http://127.0.0.1:9/debian' });
  });
  test.afterEach(async () => {
    await app.end();
    await server.close();
  });

  test('are offered with what they take; one can be given up, fetched, and deleted again', async ({ home }) => {
    const { page } = app;
    await page.getByRole('link', { name: 'New box' }).click();
    await page.getByRole('radio', { name: /^System Debian/ }).check();
    const small = page.getByRole('radio', { name: 'Small system' });
    await expect(small).toBeChecked();
    await expect(page.getByText('3 MB to fetch, 3 MB on disk')).toBeVisible();
    await expect(page.getByRole('radio', { name: 'Future system' })).toBeDisabled();
    await expect(page.getByText('needs harts with RVA23, and these do without v')).toBeVisible();
    await expect(page.getByRole('textbox', { name: 'Name' })).toHaveValue('Small system');
    for (const theme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: theme });
      await page.screenshot({ path: test.info().outputPath(`systems-${theme}.png`) });
      expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);
    }

    // What cannot be: said, and nothing is made.
    await page.getByRole('textbox', { name: 'User' }).fill('root');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await expect(page.getByText(/This user cannot be set up in the new box/)).toBeVisible();
    await page.getByRole('textbox', { name: 'User' }).fill('alice');
    // The rest is as this computer has it, and follows the name of the box.
    await page.getByRole('button', { name: /^More Disk/ }).click();
    await expect(page.getByLabel('Host name')).toHaveValue('small-system');
    await expect(page.getByLabel('Time zone')).toHaveValue(Intl.DateTimeFormat().resolvedOptions().timeZone);
    await expect(page.getByLabel('Locale')).toHaveValue('en_US.UTF-8');
    await expect(page.getByRole('textbox', { name: 'Size of the new disk' })).toHaveValue('20');
    await expect(page.getByRole('button', { name: /Recommended: .* Memory$/ })).toHaveCount(0);
    await page.screenshot({ path: test.info().outputPath('more.png'), fullPage: true });
    expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);
    await page.getByRole('button', { name: 'Cancel' }).click();

    // Given up half way: the server sends a part, and no more.
    server.faults.push(undefined, undefined, (_, response) => {
      response.writeHead(200, { 'content-length': 3 << 20 });
      response.write(Buffer.alloc(1 << 20, 'not a system'));
    });
    await page.getByRole('link', { name: 'New box' }).click();
    await page.getByRole('radio', { name: /^System Debian/ }).check();
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await expect(page.getByText('Making “Small system”…')).toBeVisible();
    await expect(page.getByText(/^Downloading/)).toBeVisible();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await expect(page.getByText('Making “Small system”…')).toHaveCount(0);
    expect((await readdir(join(home.path, 'machines'))).filter((name) => !name.startsWith('.'))).toEqual(['hartbox-linux']);

    await page.getByRole('link', { name: 'New box' }).click();
    await page.getByRole('radio', { name: /^System Debian/ }).check();
    await page.getByRole('textbox', { name: 'User' }).fill('alice');
    await page.getByRole('textbox', { name: 'Password' }).fill('secret');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await expect(page.getByText('“Small system” is made.')).toBeVisible();
    await expect(app.library.card('Small system').state).toHaveText('Off');
    expect((await readdir(join(home.path, 'machines', 'small-system'))).sort()).toEqual(
      expect.arrayContaining(['config.json', 'disk.qcow2', 'seed.iso']),
    );

    await page.getByRole('button', { name: 'Preferences' }).click();
    await page.getByRole('menuitem', { name: 'Systems' }).click();
    await expect(page.getByText('Small system', { exact: true })).toBeVisible();
    await expect(page.getByText(/^3 MB · of /)).toBeVisible();
    await page.screenshot({ path: test.info().outputPath('kept.png') });
    expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);
    await page.getByRole('button', { name: 'Delete Small system' }).click();
    // By itself, for boxes to come.
    await page.getByRole('button', { name: 'Get Small system' }).click();
    await expect(page.getByText('“Small system” is ready for boxes.')).toBeVisible();
    await page.getByRole('button', { name: 'Update Small system' }).click();
    await expect(page.getByRole('button', { name: 'Delete Small system' })).toBeEnabled();
    for (const [language, title, preferences] of [
      ['Deutsch', 'Systeme', 'Preferences'],
      ['简体中文', '系统', 'Einstellungen'],
    ] as const) {
      await page.goBack();
      await page.getByRole('button', { name: preferences, exact: true }).click();
      await page.getByRole('menuitemradio', { name: language }).click();
      await page.getByRole('menuitem', { name: title }).click();
      await expect(page.getByRole('heading', { name: title })).toBeVisible();
      for (const theme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme: theme });
        await page.screenshot({ path: test.info().outputPath(`kept-${title}-${theme}.png`) });
        expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);
      }
    }
  });
});
