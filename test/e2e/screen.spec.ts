import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { type Page, expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { readPng } from '../support/png-reader';
import { say } from './support/both-sides';
import type { HartboxApp, TestHome } from './support/hartbox-app';
import { test } from './support/test';

const NAME = 'Desk';

interface Shown {
  width: number;
  height: number;
  /** Of the pixels, as hashOf() makes it. */
  hash: number;
  /** Pixels that are not black. */
  light: number;
}

/** What is in the window. */
function shownIn(page: Page): Promise<Shown> {
  return page.evaluate(() => {
    // One below the other.
    const canvases = [...document.querySelectorAll<HTMLCanvasElement>('.screen-stage canvas')];
    const [width, height] = [canvases[0]?.width ?? 0, canvases.reduce((sum, canvas) => sum + canvas.height, 0)];
    const copy = width > 0 ? new OffscreenCanvas(width, height).getContext('2d') : null;
    let top = 0;
    for (const canvas of canvases) {
      copy?.drawImage(canvas, 0, top);
      top += canvas.height;
    }
    const image = copy?.getImageData(0, 0, width, height);
    let [hash, light] = [0, 0];
    for (const word of new Uint32Array(image?.data.buffer ?? new ArrayBuffer(0))) {
      hash = (Math.imul(hash, 31) + word) | 0;
      if (word !== 0xff000000) light++;
    }
    return { width: image?.width ?? 0, height: image?.height ?? 0, hash, light };
  });
}

/** What is seen in a film: how wide its pictures are, and which of the console's colours most of one has. */
function seenIn(page: Page, film: Buffer): Promise<{ sizes: number[]; colours: string[] }> {
  return page.evaluate(async (encoded) => {
    const video = document.createElement('video');
    video.muted = true;
    video.src = URL.createObjectURL(new Blob([Uint8Array.from(atob(encoded), (byte) => byte.charCodeAt(0))], { type: 'video/webm' }));
    const [sizes, colours] = [new Set<number>(), new Set<string>()];
    const names: Partial<Record<string, string>> = {
      'true,false,false': '41',
      'false,true,false': '42',
      'false,false,true': '44',
      'true,false,true': '45',
    };
    const look = (): void => {
      sizes.add(video.videoWidth);
      const context = new OffscreenCanvas(1, 1).getContext('2d');
      context?.drawImage(video, 0, 0, 1, 1);
      const [red, green, blue] = [...(context?.getImageData(0, 0, 1, 1).data ?? [])].map((value) => value > 100);
      const colour = names[`${red},${green},${blue}`];
      if (colour !== undefined) colours.add(colour);
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    await new Promise((resolve, reject) => {
      video.onended = resolve;
      video.onerror = () => reject(new Error(video.error?.message));
      video.play().catch(reject);
    });
    return { sizes: [...sizes], colours: [...colours].sort() };
  }, film.toString('base64'));
}

function hashOf(pixels: Uint32Array): number {
  return pixels.reduce((hash, word) => (Math.imul(hash, 31) + word) | 0, 0);
}

/** Whether the window shows what the box says that it shows. */
async function expectSame(app: HartboxApp, home: TestHome): Promise<void> {
  const file = join(home.path, 'screen.png');
  await expect(async () => {
    await say(home, 'screenshot', 'desk', file);
    const { width, height, pixels } = readPng(await readFile(file));
    expect(await shownIn(app.page)).toMatchObject({ width, height, hash: hashOf(pixels) });
  }).toPass({ timeout: 20_000 });
}

test("shows the guest's screen as it is, types and points there, follows the window, and has the picture back after a reload", async ({
  app,
  home,
}) => {
  const { page, machine } = app;
  await new Library(home.path).save('desk', { name: NAME, screens: 1, screenSize: '640x480' });
  await page.reload();
  await app.library.card(NAME).button('Start').click();
  const tab = (name: string) => page.getByRole('tab', { name });
  const picture = page.getByRole('application', { name: `Screen of ${NAME}.` });
  await expect(tab('Screen')).toHaveAttribute('aria-selected', 'true');
  await expect.poll(async () => (await shownIn(page)).light, { timeout: 150_000 }).toBeGreaterThan(0);
  await tab('Serial').click();
  await machine.shell();
  // Without the cursor, which blinks.
  await machine.command(
    "printf '\\033[?25l\\033[44m\\033[2J\\033[H' > /dev/tty0; echo Hello > /dev/tty0; echo drawn-$((1 + 1))",
    'drawn-2',
  );
  await tab('Screen').click();
  await expect.poll(async () => (await shownIn(page)).light).toBeGreaterThan(100_000);
  await expectSame(app, home);

  // What is typed comes from the keys of the guest's own keyboard, to the shell that is on the screen.
  await picture.locator('.screen-stage').click();
  await expect(picture).toBeFocused();
  await expect(page.getByText('Keys go to the guest.')).toBeVisible();
  const keys =
    'KeyE KeyC KeyH KeyO Space Shift+KeyH KeyE KeyL KeyL KeyO Comma Space Digit4 Digit2 Shift+Digit1 Space Shift+Period Slash KeyX Enter';
  for (const key of keys.split(' ')) await page.keyboard.press(key);
  await page.keyboard.press('Control+Alt+KeyG');
  await expect(tab('Screen')).toBeFocused();
  await page.keyboard.press('ArrowRight');
  await expect(tab('Serial')).toBeFocused();
  await machine.command('until [ -s /x ]; do usleep 100000; done; echo "got <$(cat /x)>"', 'got <Hello, 42!>');
  await tab('Screen').click();
  expect((await new AxeBuilder({ page }).setLegacyMode().analyze()).violations).toEqual([]);

  const saved = join(home.path, 'saved.png');
  await app.electron.evaluate(({ dialog }, filePath) => {
    Object.assign(dialog, { showSaveDialog: () => Promise.resolve({ canceled: false, filePath }) });
  }, saved);
  await page.getByRole('button', { name: 'Save a picture' }).click();
  await expect(page.getByText(`A picture of “${NAME}” was saved to ${saved}.`)).toBeVisible();
  expect(readPng(await readFile(saved))).toMatchObject({ width: (await shownIn(page)).width });

  // A film of it goes on while the user looks elsewhere, while the window is hidden, and when the picture has another size.
  const film = join(home.path, 'film.webm');
  await app.electron.evaluate(({ dialog }, filePath) => {
    Object.assign(dialog, { showSaveDialog: () => Promise.resolve({ canceled: false, filePath }) });
  }, film);
  await page.getByRole('button', { name: 'Record a film' }).click();
  await expect(page.getByText('Recording 0:')).toBeVisible();
  await page.waitForTimeout(500);
  await tab('Serial').click();
  const colours = ['41', '42', '45'];
  await machine.command(
    `for c in ${colours.join(' ')}; do printf "\\033[\${c}m\\033[2J" > /dev/tty0; sleep 1; done; echo fil''med`,
    'filmed',
  );
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
});
