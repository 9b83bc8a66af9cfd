import { test as base } from '@playwright/test';
import { ensureDisplay } from './display';
import { HartboxApp, TestHome } from './hartbox-app';

interface Fixtures {
  /** Whether the default guest is there; without it there is no mirror either that it could come from. */
  guest: boolean;
  /** A data directory of the test's own. */
  home: TestHome;
  /** The app on `home`; ended after the test, whatever runs in it. */
  app: HartboxApp;
}

/** Playwright's test with the app in it. Each worker has a display of its own where there is none: two apps on one would take the focus from each other. */
export const test = base.extend<Fixtures, { display: undefined }>({
  display: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the parameters.
    async ({}, use) => {
      const end = await ensureDisplay();
      await use(undefined);
      end();
    },
    { scope: 'worker', auto: true },
  ],
  guest: [true, { option: true }],
  home: async ({ guest }, use) => {
    const home = await TestHome.create({ guest });
    await use(home);
    await home.remove();
  },
  app: async ({ guest, home }, use, info) => {
    const app = await HartboxApp.launch(home, guest ? {} : { HARTBOX_DEBIAN_MIRROR: 'http://127.0.0.1:9/debian' });
    await use(app);
    if (info.status !== info.expectedStatus) await info.attach('window', { body: await app.page.screenshot(), contentType: 'image/png' });
    await app.end();
  },
});
