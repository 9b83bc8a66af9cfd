import { fileURLToPath } from 'node:url';
import { type Browser, type Page, chromium, expect } from '@playwright/test';
import { serveAsset } from '../../main/asset-protocol';
import type { Bridge } from '../../main/contract';
import { systemBrowser } from '../support/system-browser';
import type { HartboxApp } from './support/hartbox-app';
import { LibraryPage } from './support/library-page';
import { MachinePage } from './support/machine-page';
import { test } from './support/test';

const pages = fileURLToPath(new URL('../../out/renderer', import.meta.url));
const ADDRESS = 'https://hartbox.test';

/**
 * The window's page in a browser, with the app behind it: requests and notices go through the app's own page. Ports to boxes cannot.
 * Electron's Chromium is as old as the Electron that can be had; this one is the system's.
 */
async function openBeside(browser: Browser, app: HartboxApp): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.route(`${ADDRESS}/**`, async (route) => {
    const request = route.request();
    const answer = await serveAsset(pages, { url: request.url().replace(ADDRESS, 'app://hartbox'), method: request.method() });
    await route.fulfill({
      status: answer.status,
      headers: Object.fromEntries(answer.headers),
      body: Buffer.from(await answer.arrayBuffer()),
    });
  });
  await page.exposeFunction('askTheApp', (name: string, args: unknown[]) =>
    app.page.evaluate(([asked, given]) => window.hartbox.request(asked as 'app.info', ...(given as [])), [name, args] as const),
  );
  await app.page.exposeFunction('tellTheBrowser', (name: string, notice: unknown) =>
    page.evaluate(([told, content]) => window.dispatchEvent(new CustomEvent(`notice:${told}`, { detail: content })), [
      name,
      notice,
    ] as const),
  );
  await app.page.evaluate(() => {
    const tell = (window as unknown as { tellTheBrowser: (name: string, notice: unknown) => void }).tellTheBrowser;
    for (const name of ['vm.changed', 'vm.removed'] as const) window.hartbox.on(name, (notice) => tell(name, notice));
  });
  await page.addInitScript(() => {
    const ask = (window as unknown as { askTheApp: (name: string, args: unknown[]) => Promise<never> }).askTheApp;
    const bridge: Bridge = {
      request: (name, ...args) => ask(name, args),
      on: (name, listener) => {
        const receive = (event: Event): void => listener((event as CustomEvent).detail as never);
        window.addEventListener(`notice:${name}`, receive);
        return () => window.removeEventListener(`notice:${name}`, receive);
      },
      pathOf: () => '',
    };
    Object.assign(window, { hartbox: bridge });
  });
  await page.goto(`${ADDRESS}/`);
  return { page, complaints };
}

test("the window's page does in the system's Chromium what it does in Electron", async ({ app }) => {
  test.skip(systemBrowser === undefined, 'needs the Debian package chromium');
  test.setTimeout(180_000);
  await expect(app.library.heading).toBeVisible();
  const browser = await chromium.launch({
    executablePath: systemBrowser,
    args: ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
  });
  try {
    const { page, complaints } = await openBeside(browser, app);
    const library = new LibraryPage(page);
    await expect(library.heading).toBeVisible();
    const id = await page.locator('[data-box]').first().getAttribute('data-box');
    await page.getByRole('button', { name: 'Start', exact: true }).first().click();
    await expect(page.getByText('Running', { exact: true })).toBeVisible({ timeout: 60_000 });
    for (const path of [
      'new',
      'doctor',
      'preferences',
      'overview',
      'systems',
      'log',
      `box/${id}/inside`,
      `box/${id}/network`,
      `box/${id}/settings`,
      `box/${id}/log`,
      `box/${id}`,
    ]) {
      await page.evaluate((hash) => location.assign(hash), `#/${path}`);
      await expect(page.locator('h1, h2').first()).toBeVisible();
      await page.waitForTimeout(300);
    }
    await new MachinePage(page).back.click();
    await expect(library.heading).toBeVisible();
    expect(complaints).toEqual([]);
  } finally {
    await browser.close();
  }
});
