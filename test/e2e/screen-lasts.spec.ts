import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { readPng } from '../support/png-reader';
import { say } from './support/both-sides';
import type { HartboxApp } from './support/hartbox-app';
import { test } from './support/test';

const NAME = 'Desk';
/** How often the window gets another size. */
const RESIZES = process.env['HARTBOX_LONG'] ? 200 : 12;
/** A picture is to be back so soon, in milliseconds: at once, where nothing else runs beside it. */
const SOON_MS = 10_000;

/** In the page: the size of the picture, and whether it is blue, as the guest has painted it. */
function sizeShown(): string {
  const canvas = document.querySelector<HTMLCanvasElement>('.screen-stage canvas');
  const copy = canvas ? new OffscreenCanvas(1, 1).getContext('2d') : null;
  if (canvas) copy?.drawImage(canvas, 0, 0, 1, 1);
  const isPainted = (copy?.getImageData(0, 0, 1, 1).data[2] ?? 0) > 100;
  return canvas ? `${canvas.width} × ${canvas.height}${isPainted ? '' : ', black'}` : 'none';
}

/** Also of a page that is there again after a crash, to which Playwright has no line. */
function sizeOf({ electron }: HartboxApp): Promise<string> {
  return electron.evaluate(
    ({ BrowserWindow }, code) => BrowserWindow.getAllWindows()[0].webContents.executeJavaScript(code) as Promise<string>,
    `(${sizeShown.toString()})()`,
  );
}

test('keeps picture and pointer of a guest through sizes, full screen, hiding, a reload and a crash of the page', async ({ app, home }) => {
  test.setTimeout(RESIZES * 2000 + 120_000);
  const { electron, machine, page } = app;
  await new Library(home.path).save('desk', { name: NAME, screens: 1, screenSize: '640x480' });
  await page.reload();
  await app.library.card(NAME).button('Start').click();
  const tab = (name: string) => page.getByRole('tab', { name });
  // Linux's console grows no larger than its first picture, for which the window asks.
  await expect.poll(() => sizeOf(app), { timeout: 60_000 }).toMatch(/ × /);
  await tab('Serial').click();
  await machine.shell();
  // The console is painted anew whenever it has another size.
  await machine.command("(while usleep 200000; do printf '\\033[?25l\\033[44m\\033[2J' > /dev/tty0; done) & echo pain''ts", 'paints');
  await tab('Screen').click();
  const file = join(home.path, 'screen.png');
  /** The window has the size of the guest's picture, and its picture. */
  const isThere = (timeout = 20_000) =>
    expect(async () => {
      await say(home, 'screenshot', 'desk', file);
      const { width, height, pixels } = readPng(await readFile(file));
      // While it takes another size it may be black for a moment.
      const isPainted = ((pixels[0] >> 16) & 0xff) > 100;
      expect(await sizeOf(app)).toBe(`${width} × ${height}${isPainted ? '' : ', black'}`);
    }).toPass({ timeout });
  await isThere();
  const memory = () =>
    electron.evaluate(({ app: all }) => all.getAppMetrics().reduce((sum, { memory: { workingSetSize } }) => sum + workingSetSize, 0));
  const resize = (count: number) =>
    electron.evaluate(async ({ BrowserWindow }, times) => {
      const [window] = BrowserWindow.getAllWindows();
      for (let i = 0; i < times; i++) {
        window.setSize(640 + Math.floor(Math.random() * 600), 480 + Math.floor(Math.random() * 400));
        await new Promise((resolve) => setTimeout(resolve, i % 4 === 0 ? 500 : 60));
      }
    }, count);
  await resize(6);
  await isThere();
  const before = await memory();
  await resize(RESIZES);
  await isThere();
  // In KiB. A picture as large as the window may be has 4 MB, in each process.
  expect((await memory()) - before).toBeLessThan(150 * 1024);

  await page.getByRole('button', { name: 'Full screen' }).click();
  await expect.poll(() => electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].isFullScreen())).toBe(true);
  await isThere();
  await electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].setFullScreen(false));
  await electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].hide());
  await page.waitForTimeout(300);
  await electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].show());
  await isThere();

  await page.reload();
  await expect(tab('Screen')).toBeVisible();
  await isThere(SOON_MS);

  await tab('Serial').click();
  await machine.command(
    'for e in /sys/class/input/event*; do read -r n < $e/device/name; [ "$n" = "Hartbox Tablet" ] && t=$(basename $e); done; ' +
      '(dd bs=24 count=6 2> /dev/null < /dev/input/$t | hexdump -v -e \'12/2 "%d " "\\n"\' > /tmp/heard) & echo list\'\'ens',
    'listens',
  );
  await tab('Screen').click();
  await page.locator('.screen-stage').click();
  await tab('Serial').click();
  await machine.command('until [ -s /tmp/heard ]; do usleep 100000; done; cut -d" " -f9-11 /tmp/heard | tr "\\n" ";"', /1 272 1;0 0 0;/);
  await tab('Screen').click();

  await electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].webContents.forcefullyCrashRenderer());
  await expect
    .poll(() => electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.webContents.isCrashed()), { timeout: 20_000 })
    .toBe(false);
  await isThere(SOON_MS);
});
