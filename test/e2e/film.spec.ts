import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { HartboxApp } from './support/hartbox-app';
import { expectSame, seenIn, shownIn } from './support/shown-screen';
import { test } from './support/test';

const NAME = 'Desk';

/** Other tests have WebGL; what Chromium chooses by itself without a graphics processor is canvases in memory. */
const WAYS = {
  WebGL: {},
  'canvases in memory': { asItIs: true, switches: ['--lang=en-US', '--force-renderer-accessibility'] },
};

for (const [way, options] of Object.entries(WAYS))
  test(`films a screen that is drawn by ${way}, also while nobody sees it, and when it has another size`, async ({ home }) => {
    await new Library(home.path).save('desk', { name: NAME, screens: 1, screenSize: '640x480' });
    const app = await HartboxApp.launch(home, {}, options);
    try {
      const { page, machine } = app;
      await app.library.card(NAME).button('Start').click();
      const tab = (name: string) => page.getByRole('tab', { name });
      await tab('Serial').click();
      await machine.shell();
      const clear = (colour: string): string => `printf "\\033[?25l\\033[%sm\\033[2J" ${colour} > /dev/tty0`;
      await machine.command(`${clear('44')}; echo pain''ted`, 'painted');
      await tab('Screen').click();
      await expect.poll(async () => (await shownIn(page)).light).toBeGreaterThan(100_000);

      const film = join(home.path, 'film.webm');
      await app.electron.evaluate(({ dialog }, filePath) => {
        Object.assign(dialog, { showSaveDialog: () => Promise.resolve({ canceled: false, filePath }) });
      }, film);
      await page.getByRole('button', { name: 'Record a film' }).click();
      await expect(page.getByText('Recording 0:')).toBeVisible();
      await page.waitForTimeout(500);
      await tab('Serial').click();
      await machine.command(`for c in 41 42 45; do ${clear('$c')}; sleep 1; done; echo fil''med`, 'filmed');
      await app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].hide());
      await page.waitForTimeout(1000);
      await app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].show());
      await tab('Screen').click();
      await app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].setSize(760, 560));
      await expect.poll(async () => (await shownIn(page)).width).toBeLessThan(761);
      await expectSame(app, home);
      await page.waitForTimeout(1000);
      await page.getByRole('button', { name: 'End the recording' }).click();
      await expect(page.getByText(`A film of “${NAME}” was saved to ${film}.`)).toBeVisible();

      // The app plays no films.
      const devtools = await page.context().newCDPSession(page);
      await devtools.send('Page.setBypassCSP', { enabled: true });
      await page.reload();
      await expect(tab('Screen')).toHaveAttribute('aria-selected', 'true');
      await expectSame(app, home);
      expect(await seenIn(page, await readFile(film))).toEqual({
        sizes: expect.arrayContaining([(await shownIn(page)).width]),
        colours: ['41', '42', '44', '45'],
      });
    } finally {
      await app.end();
    }
  });
