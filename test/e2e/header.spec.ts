import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { shownIn } from './support/shown-screen';
import { test } from './support/test';

const NAME = 'A desk with quite a long name';

test("the head of a box's page fits its window with all that a box can have, in each language, and its menu offers what has no room", async ({
  app,
  home,
}) => {
  test.setTimeout(400_000);
  const { page } = app;
  await new Library(home.path).save('desk', {
    name: NAME,
    screens: 2,
    screenSize: '640x480',
    sound: true,
    clipboard: true,
    consoles: 2,
    build: 'true',
  });
  await page.reload();
  await app.library.card(NAME).button('Start').click();
  await expect.poll(async () => (await shownIn(page)).light, { timeout: 150_000 }).toBeGreaterThan(0);
  const banner = page.getByRole('banner');
  /** What is cut off or reaches out of the head. */
  const misfits = () =>
    banner.evaluate((header) => {
      const name = header.querySelector('h1')?.getBoundingClientRect();
      const { left, right } = header.getBoundingClientRect();
      const out = [...header.querySelectorAll('button')]
        .filter((button) => !button.closest('[role=tablist]'))
        .filter((button) => button.getBoundingClientRect().left < left || button.getBoundingClientRect().right > right)
        .map((button) => button.getAttribute('aria-label') ?? button.textContent);
      return [...out, ...((name?.width ?? 0) < 80 ? [`the name has ${name?.width} px`] : []), ...(right > innerWidth ? ['header'] : [])];
    });
  const pictures = process.env['HARTBOX_PICTURES'];
  for (const language of ['en', 'de', 'zh-CN'] as const) {
    await page.evaluate((code) => window.hartbox.request('app.set-language', code), language);
    await page.reload();
    await expect(page.locator(`html[lang="${language}"]`)).toBeAttached();
    await expect.poll(async () => (await shownIn(page)).light).toBeGreaterThan(0);
    for (const view of [0, 2]) {
      await page.getByRole('tab').nth(view).click();
      for (const [width, height] of [
        [1280, 760],
        [1120, 760],
        [960, 700],
        [820, 600],
        [640, 480],
      ]) {
        await app.electron.evaluate(({ BrowserWindow }, size) => BrowserWindow.getAllWindows()[0].setSize(...size), [width, height] as [
          number,
          number,
        ]);
        await expect.poll(() => page.evaluate(() => innerWidth)).toBe(width);
        await page.waitForTimeout(300);
        if (pictures) await page.screenshot({ path: join(pictures, `header-${language}-${view}-${width}.png`) });
        expect.soft(await misfits(), `${view} in ${language} at ${width}`).toEqual([]);
        await expect.soft(page.getByRole('tab', { selected: true })).toBeInViewport();
      }
    }
  }
  await page.evaluate(() => window.hartbox.request('app.set-language', 'en'));
  await page.reload();
  await page.getByRole('tab', { name: 'Screen 2' }).click();
  // What has no room is in the menu, and does there what it does in the head.
  await expect(banner.getByRole('button', { name: 'Send keys' })).toHaveCount(0);
  expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);
  await banner.getByRole('button', { name: `More actions for ${NAME}` }).click();
  if (pictures) await page.screenshot({ path: join(pictures, 'header-menu.png') });
  await page.getByRole('menuitem', { name: 'Send keys' }).hover();
  await expect(page.getByRole('menuitem', { name: 'Ctrl+Alt+F2' })).toBeVisible();
  if (pictures) await page.screenshot({ path: join(pictures, 'header-submenu.png') });
  await page.getByRole('menuitem', { name: 'Ctrl+Alt+F2' }).press('Enter');
  await expect(page.getByRole('application', { name: `Screen of ${NAME}.` })).toBeFocused();
});
