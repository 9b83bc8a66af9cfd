import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import type { HartboxApp } from './support/hartbox-app';
import { test } from './support/test';

const NAME = 'Hartbox Linux';

/** What is wrong with the page for who cannot see it well, in both themes. */
async function findings(app: HartboxApp, name: string): Promise<unknown[]> {
  const found = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await app.page.emulateMedia({ colorScheme });
    found.push(...(await new AxeBuilder({ page: app.page }).setLegacyMode().analyze()).violations);
    const folder = process.env['HARTBOX_PICTURES'];
    if (folder) await app.page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
  }
  return found;
}

test('shows what goes on in a box, where it is busy and how it is made, and what all boxes take', async ({ app }) => {
  const { page } = app;
  await app.library.card(NAME).button('Start').click();
  await app.machine.shell();
  await app.machine.command('dd if=/dev/urandom of=/dev/null bs=1M & echo on-$((1 + 1))', 'on-2');

  await page.getByRole('button', { name: 'See inside', exact: true }).click();
  const chart = (name: string) => page.locator(`[data-chart=${name}]`);
  // One of its harts has all to do.
  await expect(chart('harts')).toContainText(/(9\d|100)%/);
  await expect(chart('memory')).toContainText(/in use\d+ MB/);
  await expect(chart('harts').locator('path[d*=L]').first()).toBeAttached();
  await expect(page.locator('[data-fact=Translated]')).toContainText(/\d+%/);

  await page.getByRole('button', { name: 'Look for them' }).click();
  await expect(page.locator('[data-spot]').first()).toContainText(/kernel.*(chacha|random)/);

  await expect(page.locator('[data-range]').filter({ hasText: 'RAM' })).toContainText('0x080000000');
  await page.getByRole('radio', { name: 'Memory map' }).focus();
  await page.keyboard.press('ArrowRight');
  const tree = page.getByRole('region', { name: 'Device tree' });
  await expect(tree).toContainText('memory@80000000 {');
  await page.getByRole('searchbox', { name: 'Search' }).fill('riscv,isa');
  await expect(tree).toContainText('rv64imafdc');
  await expect(tree).not.toContainText('memory@80000000');
  expect(await findings(app, 'inside')).toEqual([]);

  // What was before anybody looked is there too: as one who has just come sees it.
  await page.reload();
  const line = chart('harts').locator('path[d*=L]').first();
  await expect(line).toBeAttached();
  expect((await line.getAttribute('d'))?.split('L').length).toBeGreaterThan(3);

  await page.getByRole('button', { name: `Back to ${NAME}` }).click();
  await app.machine.command('kill %1; echo off-$((2 + 2))', 'off-4');
  await app.machine.back.click();
  await page.getByRole('button', { name: 'Preferences' }).click();
  await page.getByRole('menuitem', { name: 'Disk and memory' }).click();
  await expect(page.locator('[data-sum=memory]')).toContainText('512 MB');
  await expect(page.locator('[data-use=hartbox-linux]')).toContainText('config.json');
  expect(await findings(app, 'overview')).toEqual([]);
});
