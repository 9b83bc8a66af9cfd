import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { readPng } from '../support/png-reader';
import { say } from './support/both-sides';
import { test } from './support/test';
import { inWindow, pictureIn } from './support/windows';

const NAME = 'Desk';
/** How often the window gets another size. */
const RESIZES = process.env['HARTBOX_LONG'] ? 200 : 12;
/** A picture is to be back so soon, in milliseconds: at once, where nothing else runs beside it. */
const SOON_MS = 10_000;

const [FIRST, SECOND] = [new RegExp(`^${NAME} – Hartbox`), /Screen 2/];
/** The blue of Linux's console, as the guest paints it. */
const BLUE = [0, 0, 170];

test('keeps picture and pointer of a guest in two windows through sizes, full screen, hiding, reloads and crashes', async ({
  app,
  home,
}) => {
  test.setTimeout(RESIZES * 2000 + 400_000);
  const { electron, machine, page } = app;
  // Linux's console grows no larger than its first picture.
  await new Library(home.path).save('desk', { name: NAME, screens: 2, screenSize: '1600x900' });
  await page.reload();
  await app.library.card(NAME).button('Start').click();
  const tab = (name: string) => page.getByRole('tab', { name });
  await expect(page).toHaveTitle(FIRST);
  await expect.poll(async () => (await pictureIn(app, FIRST)).size, { timeout: 60_000 }).toMatch(/\dx/);
  await tab('Serial').click();
  await machine.shell(180_000);
  // The console is painted anew whenever it has another size.
  await machine.command("(while usleep 200000; do printf '\\033[?25l\\033[44m\\033[2J' > /dev/tty0; done) & echo pain''ts", 'paints');
  await tab('Screen 2').click();
  const opened = electron.waitForEvent('window');
  await page.getByRole('button', { name: 'Move the screen to a window of its own' }).click();
  const own = await opened;
  const file = join(home.path, 'screen.png');
  /** Each window has the size of the guest's picture, and its picture. */
  const areThere = async (timeout = 20_000): Promise<void> => {
    for (const [screen, title] of [FIRST, SECOND].entries())
      await expect(async () => {
        await say(home, 'screenshot', 'desk', file, '--screen', `${screen}`);
        const { width, height, pixels } = readPng(await readFile(file));
        const { size, pixel } = await pictureIn(app, title);
        expect(size).toBe(`${width}x${height}`);
        // While it takes another size it may be black for a moment.
        if ((pixels[0] & 0xff0000) > 0) expect(pixel).toEqual(BLUE);
      }).toPass({ timeout });
  };
  await areThere();
  const memory = () =>
    electron.evaluate(({ app: all }) => all.getAppMetrics().reduce((sum, { memory: { workingSetSize } }) => sum + workingSetSize, 0));
  const resize = (count: number) =>
    electron.evaluate(async ({ BrowserWindow }, times) => {
      for (let i = 0; i < times; i++) {
        for (const window of BrowserWindow.getAllWindows())
          window.setSize(640 + Math.floor(Math.random() * 600), 480 + Math.floor(Math.random() * 400));
        await new Promise((resolve) => setTimeout(resolve, i % 4 === 0 ? 500 : 60));
      }
    }, count);
  await resize(6);
  await areThere();
  const before = await memory();
  await resize(RESIZES);
  await areThere();
  // In KiB. A picture as large as the window may be has 4 MB, in each process.
  expect((await memory()) - before).toBeLessThan(150 * 1024);

  for (const [title, of] of [
    [FIRST, page],
    [SECOND, own],
  ] as const) {
    await of.getByRole('button', { name: 'Full screen' }).click();
    await expect.poll(() => inWindow(app, title, (window) => window.isFullScreen())).toBe(true);
    await areThere();
    await inWindow(app, title, (window) => window.setFullScreen(false));
    await inWindow(app, title, (window) => window.hide());
    await page.waitForTimeout(300);
    await inWindow(app, title, (window) => window.show());
    await areThere();
    await of.reload();
    await areThere(SOON_MS);
  }

  await tab('Serial').click();
  await machine.command(
    'for e in /sys/class/input/event*; do read -r n < $e/device/name; [ "$n" = "Hartbox Tablet" ] && t=$(basename $e); done; echo is-$t',
    /is-event\d/,
  );
  const hears = async (click: () => Promise<void>): Promise<void> => {
    await tab('Serial').click();
    // It is open before anybody clicks.
    await machine.command(
      'clear; exec 4< /dev/input/$t; (dd bs=24 count=6 2> /dev/null <&4 | hexdump -v -e \'12/2 "%d " "\\n"\' > /tmp/heard) & exec 4<&-; echo list\'\'ens',
      'listens',
    );
    await click();
    await tab('Serial').click();
    await machine.command('until [ -s /tmp/heard ]; do usleep 100000; done; cut -d" " -f9-11 /tmp/heard | tr "\\n" ";"', /1 272 1;0 0 0;/);
    await machine.command('rm /tmp/heard; clear', '');
  };
  await hears(async () => {
    await tab('Screen').click();
    await page.locator('.screen-stage').click();
  });
  await hears(() => own.locator('.screen-stage').click());
  await tab('Screen').click();

  for (const title of [SECOND, FIRST]) {
    await inWindow(app, title, ({ webContents }) => webContents.forcefullyCrashRenderer());
    await areThere(SOON_MS);
  }
});
