import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { type Locator, expect } from '@playwright/test';
import type { HartboxApp, TestHome } from './support/hartbox-app';
import { test } from './support/test';

const ID = 'hartbox-linux';

async function file(home: TestHome): Promise<Record<string, Record<string, unknown>>> {
  return JSON.parse(await readFile(home.machineFile(ID), 'utf8')) as Record<string, Record<string, unknown>>;
}

/** The settings of the default box, on this page of them. */
async function open(app: HartboxApp, page: string): Promise<void> {
  await expect(app.library.card('Hartbox Linux').state).toHaveText('Off');
  await app.page.getByRole('button', { name: 'More actions for Hartbox Linux' }).click();
  await app.page.getByRole('menuitem', { name: 'Settings' }).click();
  await pageButton(app, page).click();
}

function pageButton(app: HartboxApp, name: string): Locator {
  return app.page.getByRole('navigation').getByRole('button', { name: new RegExp(`^${name}`) });
}

test('changes settings, and says in the file only what was set', async ({ app, home }) => {
  const { page } = app;
  await open(app, 'System');
  await page.getByRole('textbox', { name: 'Harts' }).fill('3');
  await pageButton(app, 'This computer').click();
  await page.getByRole('radio', { name: 'Low' }).check();
  await pageButton(app, 'General').click();
  await page.getByRole('textbox', { name: 'Tags' }).fill('one,two');
  await page.getByRole('textbox', { name: 'Tags' }).press('Enter');
  await expect(page.getByText('3 unsaved changes')).toBeVisible();
  await page.keyboard.press('Control+S');
  await expect(page.getByText('3 unsaved changes')).toBeHidden();
  expect(await file(home)).toMatchObject({ hardware: { harts: 3 }, host: { priority: 'low' }, app: { tags: ['one', 'two'] } });
  await pageButton(app, 'System').click();
  await page
    .getByRole('button', { name: /Harts$/ })
    .first()
    .click();
  await page.getByRole('button', { name: 'Discard', exact: true }).click();
  await expect(page.getByRole('textbox', { name: 'Harts' })).toHaveValue('3');
});

test('finds options on all pages, by name, key and meaning', async ({ app }) => {
  const { page } = app;
  await open(app, 'General');
  await page.keyboard.press('Control+F');
  await page.keyboard.type('interrupt');
  await expect(page.getByRole('radio', { name: 'APLIC and IMSIC' })).toBeVisible();
  await page.getByRole('textbox', { name: 'Search settings' }).fill('flashVars');
  await expect(page.getByRole('textbox', { name: 'Firmware variables' })).toBeVisible();
  await page.getByRole('textbox', { name: 'Search settings' }).fill('nothing like that');
  await expect(page.getByText('No setting matches “nothing like that”.')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('heading', { name: 'General' })).toBeVisible();
});

test('is the same as JSON text, which says where it is wrong', async ({ app, home }) => {
  const { page } = app;
  await open(app, 'Edit as JSON');
  const text = page.getByRole('textbox', { name: 'Edit as JSON' });
  await expect(text).toHaveValue(/"name": "Hartbox Linux"/);
  await text.fill('{\n  "version": 2,\n  "hardware": { "harts": 4 },\n  "app": { "name": "By text" }\n}');
  await expect(page.getByText('All right.')).toBeVisible();
  await pageButton(app, 'System').click();
  await expect(page.getByRole('textbox', { name: 'Harts' })).toHaveValue('4');
  await page.getByRole('textbox', { name: 'Harts' }).fill('5');
  await pageButton(app, 'Edit as JSON').click();
  await expect(text).toHaveValue(/"harts": 5/);
  await text.fill('{\n  "version": 2,\n  "hardware": { "hart": 4 }\n}');
  await expect(page.getByRole('button', { name: /^Line 3, column 17/ })).toContainText('did you mean harts?');
  await text.fill('{\n  "version": 2,,\n}');
  await expect(page.getByRole('button', { name: /^Line 2, column 16/ })).toContainText('A name in quotes is expected here.');
  await pageButton(app, 'System').click();
  await page.getByRole('button', { name: 'Back to the JSON text' }).click();
  await text.fill('{ "version": 2, "hardware": { "harts": 4 }, "app": { "name": "By text" } }');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'By text' })).toBeVisible();
  expect(await file(home)).toMatchObject({ hardware: { harts: 4 }, app: { name: 'By text' } });
});

test('asks before changes are lost: on leaving, and when the window closes', async ({ app, home }) => {
  const { page } = app;
  await open(app, 'System');
  await page.getByRole('textbox', { name: 'Harts' }).fill('2');
  await page.getByRole('button', { name: 'All boxes' }).click();
  const dialog = page.getByRole('alertdialog');
  await expect(dialog).toContainText('Harts');
  await dialog.getByRole('button', { name: 'Stay' }).click();
  await expect(page.getByRole('textbox', { name: 'Harts' })).toHaveValue('2');
  await app.closeWindow();
  await expect(dialog).toBeVisible();
  await dialog.getByRole('button', { name: 'Stay' }).click();
  await app.closeWindow();
  const closed = app.electron.waitForEvent('close', { timeout: 20_000 });
  await dialog.getByRole('button', { name: 'Save', exact: true }).click();
  await closed;
  expect(await file(home)).toMatchObject({ hardware: { harts: 2 } });
});

test('follows a file that another program changes, and asks where both changed the same', async ({ app, home }) => {
  const { page } = app;
  await open(app, 'System');
  const harts = page.getByRole('textbox', { name: 'Harts' });
  const change = async (hardware: object): Promise<void> =>
    writeFile(home.machineFile(ID), JSON.stringify({ ...(await file(home)), hardware }));
  await change({ harts: 4 });
  await expect(harts).toHaveValue('4');
  await expect(page.getByText('Taken over from there: Harts.')).toBeVisible();
  await harts.fill('2');
  await change({ harts: 8 });
  await expect(page.getByRole('alert')).toContainText('you have changed the same here: Harts.');
  await expect(harts).toHaveValue('2');
  await page.getByRole('button', { name: 'Keep mine' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect.poll(async () => (await file(home))['hardware']['harts']).toBe(2);
});

test('makes, adds, orders and removes drives', async ({ app, home }) => {
  const { page } = app;
  const iso = join(home.path, 'disc.iso');
  await writeFile(iso, 'no disc really');
  await app.electron.evaluate(({ dialog }, path) => {
    dialog.showOpenDialog = async () => ({ canceled: false, filePaths: [path] });
  }, iso);
  await open(app, 'Drives');
  await page.getByRole('button', { name: 'New disk…' }).click();
  await page.getByRole('textbox', { name: 'Size of the new disk' }).fill('1');
  await page.getByRole('button', { name: 'Make disk' }).click();
  await expect(page.getByText('disk.qcow2')).toBeVisible();
  await page.getByRole('button', { name: 'Add disc…' }).click();
  await page.getByRole('button', { name: 'Move disc.iso up' }).click();
  await expect(page.getByRole('button', { name: 'Move disc.iso down' })).toBeFocused();
  await page.getByRole('button', { name: 'Options of disk.qcow2' }).click();
  await page.getByRole('switch', { name: 'Read-only' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect
    .poll(async () => (await file(home))['hardware']['drives'])
    .toEqual([
      { file: iso, media: 'cdrom' },
      { file: 'disk.qcow2', readonly: true },
    ]);
  await page.getByRole('button', { name: 'Remove disc.iso' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect.poll(async () => (await file(home))['hardware']['drives']).toHaveLength(1);
});

test('says what waits for a restart of a box that runs', async ({ app }) => {
  const { page } = app;
  await app.library.card('Hartbox Linux').button('Start').click();
  await app.machine.shell();
  await page.getByRole('button', { name: 'More actions for Hartbox Linux' }).click();
  await page.getByRole('menuitem', { name: 'Settings' }).click();
  await page.getByRole('textbox', { name: 'Notes' }).fill('remember');
  await pageButton(app, 'System').click();
  await page.getByRole('textbox', { name: 'Harts' }).fill('2');
  await expect(page.getByText('After a restart')).toBeVisible();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByText('In effect now: Notes.')).toBeVisible();
  await expect(page.getByText('Waits until the box is switched off and on again: Harts.')).toBeVisible();
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`has no accessibility findings in ${colorScheme}`, async ({ app }) => {
    const { page } = app;
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await open(app, 'General');
    for (const name of ['General', 'Start', 'System', 'Drives', 'Terminal', 'This computer', 'Edit as JSON']) {
      await pageButton(app, name).click();
      const advanced = page.getByRole('button', { name: 'Advanced', expanded: false });
      if (name !== 'Edit as JSON' && (await advanced.count()) > 0) await advanced.click();
      if (name === 'System') await page.getByRole('textbox', { name: 'Harts' }).fill('99');
      expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations, name).toEqual([]);
    }
  });
}
