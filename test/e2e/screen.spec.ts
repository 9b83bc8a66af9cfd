import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { readPng } from '../support/png-reader';
import { expectSame, shownIn } from './support/shown-screen';
import { test } from './support/test';

const NAME = 'Desk';

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

  await app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].setSize(760, 560));
  await expect.poll(async () => (await shownIn(page)).width).toBeLessThan(761);
  await expectSame(app, home);
  await page.reload();
  await expect(tab('Screen')).toHaveAttribute('aria-selected', 'true');
  await expectSame(app, home);
});
