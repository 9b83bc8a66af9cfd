import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import { test } from './support/test';

/** Of each page a state that says whether it is there; `:id` is that of a box that runs. */
const PAGES = [
  // While it starts, at first.
  '/box/:id',
  '/',
  '/new',
  '/doctor',
  '/preferences',
  '/overview',
  '/systems',
  '/deleted',
  '/log',
  '/box/:id/inside',
  '/box/:id/log',
  '/box/:id/network',
  '/box/:id/settings',
];

test('every page is without accessibility findings in each language, and fits its window', async ({ app }) => {
  test.setTimeout(400_000);
  const { page } = app;
  await expect(app.library.heading).toBeVisible();
  const id = (await page.locator('[data-box]').first().getAttribute('data-box')) ?? '';
  await page.evaluate((box) => window.hartbox.request('vm.start', box), id);
  const pictures = process.env['HARTBOX_PICTURES'];
  for (const language of ['en', 'de', 'zh-CN'] as const) {
    await page.evaluate((code) => window.hartbox.request('app.set-language', code), language);
    await page.reload();
    await expect(page.locator(`html[lang="${language}"]`)).toBeAttached();
    for (const path of PAGES) {
      await page.evaluate((hash) => location.assign(hash), `#${path.replace(':id', id)}`);
      await expect(page.locator('h1, h2').first()).toBeVisible();
      await page.waitForTimeout(pictures ? 900 : 150);
      // Colours do not depend on the language.
      for (const colorScheme of language === 'en' ? (['light', 'dark'] as const) : (['light'] as const)) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        if (pictures)
          await page.screenshot({
            path: join(pictures, `${path.replaceAll('/', '_').replace(':id', 'box')}-${language}-${colorScheme}.png`),
          });
        const { violations } = await new AxeBuilder({ page }).setLegacyMode().analyze();
        expect
          .soft(
            violations.map(({ id: rule, nodes }) => `${rule}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`),
            `${path} in ${language}, ${colorScheme}`,
          )
          .toEqual([]);
        expect
          .soft(
            await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
            `${path} in ${language} is no wider than the window`,
          )
          .toBe(true);
      }
    }
  }
});
