import { type Locator, type Page, expect } from '@playwright/test';
import type { HartboxApp } from './support/hartbox-app';
import { test } from './support/test';

const NAME = 'Hartbox Linux';

/** What is at the top in the middle of the terminal. */
function atCentre(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const { x, y, width, height } = document.querySelector('.xterm-screen')?.getBoundingClientRect() ?? new DOMRect();
    return document.elementFromPoint(x + width / 2, y + height / 2)?.closest('.xterm') !== null;
  });
}

test('keeps the last words of a machine in sight, to read, find and copy, with what to do below', async ({ app }) => {
  const { page, machine } = app;
  await app.library.card(NAME).open.click();
  await expect(machine.startButton).toBeFocused();
  await page.keyboard.press('Enter');
  await machine.shell();
  await expect(machine.input).toBeFocused();
  await machine.command('echo last-$((6 * 7))-words', 'last-42-words');

  // Who searches is not disturbed.
  await page.keyboard.press('Control+Shift+F');
  const find = page.getByRole('textbox', { name: 'Find in terminal' });
  await page.evaluate(() => window.hartbox.request('vm.pause', 'hartbox-linux'));
  await expect(page.getByRole('button', { name: 'Resume' })).toBeVisible();
  await expect(find).toBeFocused();
  await find.fill('42-words');
  await expect(page.getByRole('search')).toContainText('1 of 1');
  await page.keyboard.press('Escape');
  await expect(machine.input).toBeFocused();
  await page.keyboard.press('F6');
  await expect(page.getByRole('button', { name: 'Resume' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(machine.state).toHaveText('Running');
  await expect(machine.input).toBeFocused();

  const [pid] = await app.enginePids();
  await page.keyboard.press('Control+Shift+F');
  await page.keyboard.press('Escape');
  await page.keyboard.press('End');
  process.kill(pid, 'SIGKILL');
  await expect(machine.state).toHaveText('Failed');
  await expect(page.getByRole('button', { name: 'Start again' })).toBeVisible();
  await expect(machine.error).toHaveCount(1);
  await expect(machine.screen).toContainText('last-42-words');
  expect(await atCentre(page)).toBe(true);
  await page.locator('.xterm-screen').click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Select all' }).click();
  await page.locator('.xterm-screen').click({ button: 'right' });
  await expect(page.getByRole('menuitem', { name: 'Paste' })).toHaveCount(0);
  await page.getByRole('menuitem', { name: 'Copy', exact: true }).click();
  await expect.poll(() => app.electron.evaluate(({ clipboard }) => clipboard.readText())).toContain('last-42-words');
  await page.getByRole('button', { name: 'Find' }).click();
  await find.fill('last-42-words');
  await expect(page.getByRole('search')).toContainText('1 of 1');
});

/** Where the text of a line begins on screen. */
async function placeOf(page: Page, screen: Locator, text: string): Promise<{ x: number; y: number }> {
  const lines = await screen.getByRole('listitem').allTextContents();
  const row = lines.findIndex((line) => line.startsWith(text));
  const box = await page.locator('.xterm-screen').boundingBox();
  if (!box || row < 0) throw new Error(`There is no line "${text}" in ${JSON.stringify(lines)}.`);
  return { x: box.x + 12, y: box.y + ((row + 0.5) * box.height) / lines.length };
}

/** Answer the app's native questions with their first button, and keep addresses from leaving the test. */
async function answerNatively(app: HartboxApp): Promise<() => Promise<{ asked: string[]; opened: string[] }>> {
  await app.electron.evaluate(({ dialog, shell }) => {
    const seen = { asked: [] as string[], opened: [] as string[] };
    Object.assign(globalThis, { seen });
    Object.assign(dialog, {
      showMessageBox: (_window: unknown, options: Electron.MessageBoxOptions) => {
        seen.asked.push(`${options.message} ${options.detail}`);
        return Promise.resolve({ response: 0, checkboxChecked: false });
      },
    });
    Object.assign(shell, {
      openExternal: (url: string) => {
        seen.opened.push(url);
        return Promise.resolve();
      },
    });
  });
  return () => app.electron.evaluate(() => Reflect.get(globalThis, 'seen') as { asked: string[]; opened: string[] });
}

test('says where links lead, and follows only those to the web, with Ctrl, once the user has agreed', async ({ app }) => {
  const { page, machine } = app;
  const seen = await answerNatively(app);
  page.on('dialog', (dialog) => {
    throw new Error(`The page asked: ${dialog.message()}`);
  });
  await app.library.card(NAME).button('Start').click();
  await machine.shell();
  const marked = (url: string, text: string): string => `\\033]8;;${url}\\033\\\\${text}\\033]8;;\\033\\\\\\n`;
  await machine.command(
    `clear; printf '${marked('https://real.example/path', 'https://other.example')}${marked('file:///etc/passwd', 'local')}http://plain.example/x\\n'; echo done-$((1 + 1))`,
    'done-2',
  );
  const hover = async (text: string): Promise<{ x: number; y: number }> => {
    const place = await placeOf(page, machine.screen, text);
    await page.mouse.move(place.x + 60, place.y + 60);
    await page.mouse.move(place.x, place.y);
    return place;
  };
  const place = await hover('https://other.example');
  await expect(page.getByText('https://real.example/path')).toBeVisible();
  await page.mouse.click(place.x, place.y);
  await page.waitForTimeout(300);
  expect(await seen()).toEqual({ asked: [], opened: [] });
  await page.keyboard.down('Control');
  await page.mouse.click(place.x, place.y);
  await page.keyboard.up('Control');
  await expect.poll(async () => (await seen()).opened).toEqual(['https://real.example/path']);
  expect((await seen()).asked[0]).toMatch(/Open real\.example in the browser\?.*https:\/\/real\.example\/path/s);

  await hover('http://plain.example');
  await expect(page.getByText('Ctrl and click to open')).toBeVisible();
  const local = await hover('local');
  await expect(page.getByText('Ctrl and click to open')).toBeHidden();
  await page.keyboard.down('Control');
  await page.mouse.click(local.x, local.y);
  await page.keyboard.up('Control');
  // Neither does the main process take them from the page.
  const answers = await page.evaluate(() =>
    Promise.all(
      ['file:///etc/passwd', 'https://bank.example@evil.example/', `https://${'a'.repeat(5000)}.example`].map((url) =>
        window.hartbox.request('app.open-link', url),
      ),
    ),
  );
  expect(answers.map(({ ok }) => ok)).toEqual([false, false, false]);
  expect((await seen()).opened).toHaveLength(1);
});
