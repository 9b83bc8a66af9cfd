import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { type Page, expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { readPng } from '../support/png-reader';
import { say } from './support/both-sides';
import { HartboxApp } from './support/hartbox-app';
import { test as base } from './support/test';
import { inWindow, pictureIn } from './support/windows';

/** Drawn by what Chromium chooses by itself: without a graphics processor a canvas in memory, as other tests have WebGL. */
const test = base.extend({
  app: async ({ home }, use) => {
    const app = await HartboxApp.launch(home, {}, { asItIs: true, switches: ['--lang=en-US', '--force-renderer-accessibility'] });
    await use(app);
    await app.end();
  },
});

const NAME = 'Desk';
const TAKE_OUT = 'Move the screen to a window of its own';
const PUT_BACK = 'Put the screen back into the app’s window';

test('shows two screens of a box in two windows, each with its size, keys and toolbar, and none suffers when the other ends', async ({
  app,
  home,
}) => {
  test.setTimeout(400_000);
  const { electron, machine, page } = app;
  // Linux's console grows no larger than its first picture.
  await new Library(home.path).save('desk', { name: NAME, screens: 2, screenSize: '1600x900', sound: true });
  await page.reload();
  await app.library.card(NAME).button('Start').click();
  const tab = (name: string) => page.getByRole('tab', { name, exact: true });
  await tab('Serial').click();
  await machine.shell(180_000);
  await machine.command("printf '\\033[?25l\\033[44m\\033[2J' > /dev/tty0; echo pain''ted", 'painted');

  await tab('Screen 2').click();
  const takeOut = async (): Promise<Page> => {
    const opened = electron.waitForEvent('window');
    await page.getByRole('button', { name: TAKE_OUT }).click();
    return opened;
  };
  let own = await takeOut();
  await expect(own).toHaveTitle(`${NAME} – Screen 2 – Hartbox`);
  await expect(tab('Screen 2')).toHaveCount(0);
  await expect(tab('Screen 1')).toHaveAttribute('aria-selected', 'true');
  const FIRST = new RegExp(`^${NAME} – Hartbox`);
  const SECOND = /Screen 2/;
  const setSize = (title: RegExp, ...size: [number, number]) => inWindow(app, title, (window, to) => window.setSize(...to), size);
  await setSize(FIRST, 1000, 700);
  await setSize(SECOND, 720, 560);
  await expect.poll(() => page.evaluate(() => innerWidth)).toBe(1000);
  await expect.poll(() => own.evaluate(() => innerWidth)).toBe(720);
  /** What a window has room for, even numbers. */
  const room = (of: Page) =>
    of.evaluate(() => {
      const { width, height } = document.querySelector('.screen-place')?.getBoundingClientRect() ?? { width: 0, height: 0 };
      return `${2 * Math.floor(width / 2)}x${2 * Math.floor(height / 2)}`;
    });
  // Of a guest that is slow to start a notice tells, until it has.
  await expect(page.getByText('Nothing has come from the guest')).toHaveCount(0, { timeout: 60_000 });
  const rooms = [await room(page), await room(own)];
  expect(rooms[0]).not.toBe(rooms[1]);
  // Once they stay as they are; in another tab nothing is asked for.
  await page.waitForTimeout(2000);
  await tab('Serial').click();
  // The guest sees two monitors, each as large as its window.
  await machine.command(
    `modes() { echo $(head -qn 1 /sys/class/drm/card0-Virtual-1/modes /sys/class/drm/card0-Virtual-2/modes); }; until [ "$(modes)" = "${rooms.join(' ')}" ]; do usleep 100000; modes; done; echo fit''ting`,
    'fitting',
  );
  await tab('Screen 1').click();

  const isPainted = async (title: RegExp, screen: number, timeout = 20_000): Promise<void> => {
    const file = join(home.path, 'screen.png');
    await expect(async () => {
      await say(home, 'screenshot', 'desk', file, '--screen', `${screen}`);
      const { width, height } = readPng(await readFile(file));
      expect(await pictureIn(app, title)).toEqual({ size: `${width}x${height}`, pixel: [0, 0, 170] });
    }).toPass({ timeout });
  };
  const bothPainted = async (timeout?: number): Promise<void> => {
    await isPainted(FIRST, 0, timeout);
    await isPainted(SECOND, 1, timeout);
  };
  await bothPainted();
  if (process.env['HARTBOX_LOOK'])
    for (const theme of ['light', 'dark'] as const) {
      for (const one of [page, own]) await one.emulateMedia({ colorScheme: theme });
      await own.waitForTimeout(300);
      await page.screenshot({ path: `${process.env['HARTBOX_LOOK']}/first-${theme}.png` });
      await own.screenshot({ path: `${process.env['HARTBOX_LOOK']}/own-${theme}.png` });
    }
  expect((await new AxeBuilder({ page: own }).setLegacyMode().analyze()).violations).toEqual([]);

  // How loud the box is, which is heard in the first window, can be said in both.
  const volume = async (of: Page, to?: number): Promise<void> => {
    await of.getByRole('button', { name: 'Sound' }).click();
    const slider = of.getByRole('slider', { name: 'Volume' });
    if (to === undefined) await expect(slider).toHaveValue('30');
    else await slider.fill(`${to}`);
    await of.keyboard.press('Escape');
  };
  await volume(own, 30);
  await expect.poll(async () => (await new Library(home.path).settings('desk')).values.volume).toBe(30);
  await volume(page);
  await volume(page, 70);
  await volume(own, 30);
  await expect.poll(async () => (await new Library(home.path).settings('desk')).values.volume).toBe(30);
  await volume(page);

  // It is confined as the other is.
  const reach = (): Promise<unknown> =>
    own.evaluate(async () => [
      typeof Reflect.get(globalThis, 'process'),
      window.open('about:blank'),
      await fetch('https://example.org').then(
        () => 'somewhere',
        () => 'nowhere',
      ),
    ]);
  expect(await reach()).toEqual(['undefined', null, 'nowhere']);
  const powers = await inWindow(app, SECOND, ({ webContents }) => {
    const { sandbox, contextIsolation, nodeIntegration } = Reflect.get(webContents, 'getLastWebPreferences').call(
      webContents,
    ) as Electron.WebPreferences;
    return { sandbox, contextIsolation, nodeIntegration };
  });
  expect(powers).toEqual({ sandbox: true, contextIsolation: true, nodeIntegration: false });

  // Keys and buttons from there reach the guest.
  const stage = own.locator('.screen-stage');
  await tab('Serial').click();
  await machine.command(
    'for e in /sys/class/input/event*; do read -r n < $e/device/name; [ "$n" = "Hartbox Tablet" ] && t=$(basename $e); done; ' +
      "cat /dev/input/$t > /tmp/heard & echo list''ens",
    'listens',
  );
  await stage.click();
  await expect(own.getByText('Keys go to the guest.')).toBeVisible();
  // Playwright presses no Shift by itself.
  await own.keyboard.type('touch /typed\n');
  await machine.command(
    'heard() { hexdump -v -e \'12/2 "%d " "\\n"\' /tmp/heard | cut -d" " -f9-11 | tr "\\n" ";"; }; until [ -e /typed ] && heard | grep -q "1 272 0"; do usleep 100000; done; heard',
    /1 272 1;0 0 0;.*1 272 0;/s,
  );
  await tab('Screen 1').click();

  // What does not belong to a screen is shown by the app's window.
  await own.getByRole('button', { name: `More actions for ${NAME}` }).click();
  await own.getByRole('menuitem', { name: 'Log' }).click();
  await expect(page.getByRole('heading', { name: 'Log' })).toBeVisible();
  await expect(stage).toBeVisible();
  await page.getByRole('button', { name: NAME }).first().click();
  // What is chosen in one window is so in the other.
  await own.getByRole('button', { name: 'View', exact: true }).click();
  await own.getByRole('menuitemradio', { name: 'Ctrl+Shift+F12' }).click();
  await own.keyboard.press('Escape');
  await page.locator('.screen-stage').click();
  await expect(page.getByText('Ctrl+Shift+F12 releases them')).toBeVisible();

  const fullScreen = () =>
    electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().map((one) => [one.getTitle(), one.isFullScreen()].join()));
  await own.getByRole('button', { name: 'Full screen' }).click();
  await expect.poll(fullScreen).toEqual(expect.arrayContaining([expect.stringMatching(/Screen 2.*true/), `${NAME} – Hartbox,false`]));
  await expect(own.getByText('Toolbar: at the upper edge of the screen')).toBeVisible();
  await own.mouse.move(300, 0);
  await own.getByRole('button', { name: 'Leave full screen' }).click();
  await expect.poll(fullScreen).toEqual(expect.arrayContaining([expect.stringMatching(/Screen 2.*false/)]));
  await bothPainted();

  await own.reload();
  await bothPainted(10_000);
  const pidOf = (title: RegExp) => inWindow(app, title, ({ webContents }) => webContents.getOSProcessId());
  const crash = (title: RegExp) => inWindow(app, title, ({ webContents }) => webContents.forcefullyCrashRenderer());
  const first = await pidOf(FIRST);
  await crash(SECOND);
  await expect.poll(() => pidOf(FIRST)).toBe(first);
  await bothPainted(15_000);
  expect(await pidOf(FIRST)).toBe(first);

  // Where it was it is again, and closing it puts the screen back.
  const bounds = { x: 90, y: 70, width: 700, height: 520 };
  const boundsOf = () => inWindow(app, SECOND, (window) => window.getBounds());
  await inWindow(app, SECOND, (window, to) => window.setBounds(to), bounds);
  await expect.poll(boundsOf).toEqual(bounds);
  await inWindow(app, SECOND, (window) => window.close());
  await expect(tab('Screen 2')).toBeVisible();
  await tab('Screen 2').click();
  own = await takeOut();
  await expect(own).toHaveTitle(SECOND);
  await expect.poll(boundsOf).toEqual(bounds);
  await isPainted(SECOND, 1);

  // The app's window may crash too.
  const second = await pidOf(SECOND);
  await crash(FIRST);
  await bothPainted(15_000);
  expect(await pidOf(SECOND)).toBe(second);
  await own.getByRole('button', { name: PUT_BACK }).click();
  await expect.poll(() => electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length)).toBe(1);
});
