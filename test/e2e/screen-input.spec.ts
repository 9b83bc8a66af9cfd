import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { encodeMessage, words } from '../../engine/display/agent/protocol';
import { test } from './support/test';

const NAME = 'Desk';

/** What a shell's printf writes as this message of spice-vdagent. */
function printed(type: number, ...parts: Uint8Array[]): string {
  const bytes = encodeMessage({ type, data: Buffer.concat(parts) });
  return [...bytes].map((byte) => `\\${byte.toString(8)}`).join('');
}

test('catches the mouse for a guest that has one, and lets go of it by the chord that was chosen', async ({ app, home }) => {
  const { page, machine } = app;
  await new Library(home.path).save('desk', { name: NAME, screens: 1, screenSize: '640x480', input: ['keyboard', 'tablet', 'mouse'] });
  await page.reload();
  await app.library.card(NAME).button('Start').click();
  const tab = (name: string) => page.getByRole('tab', { name });
  const stage = page.locator('.screen-stage');
  await tab('Serial').click();
  await machine.shell();
  // What the mouse says: type, code and value of each event.
  await machine.command(
    'for e in /sys/class/input/event*; do read -r n < $e/device/name; [ "$n" = "Hartbox Mouse" ] && m=$(basename $e); done; ' +
      'exec 4< /dev/input/$m; (dd bs=24 count=12 2> /dev/null <&4 | hexdump -v -e \'12/2 "%d " "\\n"\' > /tmp/heard) & exec 4<&-; echo list\'\'ens',
    'listens',
  );
  await tab('Screen').click();
  await expect(stage).toBeVisible();

  await page.getByRole('button', { name: 'View', exact: true }).click();
  await expect(page.getByRole('menuitemradio', { name: 'Free, as a tablet' })).toHaveAttribute('aria-checked', 'true');
  await page.getByRole('menuitemradio', { name: 'Caught, for games and 3D' }).click();
  await page.getByRole('menuitemradio', { name: 'Ctrl+Shift+F12' }).click();
  await page.keyboard.press('Escape');
  await expect(page.getByText('Click the picture: the mouse is the guest’s then')).toBeVisible();

  const isCaught = () => page.evaluate(() => document.pointerLockElement?.className.includes('screen-stage') ?? false);
  await stage.click({ position: { x: 100, y: 100 } });
  await expect.poll(isCaught).toBe(true);
  await expect(page.getByText('Keys and mouse go to the guest.')).toBeVisible();
  await expect(page.getByText('Ctrl+Shift+F12 releases them')).toBeVisible();
  const { x, y } = (await stage.boundingBox()) ?? { x: 0, y: 0 };
  await page.mouse.down({ button: 'right' });
  await page.mouse.up({ button: 'right' });
  // Several may become one.
  for (let step = 1; step <= 30; step++) await page.mouse.move(x + 100 + 3 * step, y + 100 + 2 * step);
  await page.keyboard.press('Control+Shift+F12');
  await expect.poll(isCaught).toBe(false);
  await tab('Serial').click();
  // Its right button goes down and up, and then it goes to the right and down.
  await machine.command(
    'until [ -s /tmp/heard ]; do usleep 100000; done; cut -d" " -f9-11 /tmp/heard | tr "\\n" ";"',
    /1 273 1;0 0 0;1 273 0;0 0 0;2 0 \d+;2 1 \d+;/,
  );
});

test('shares the clipboard with the guest that has the keyboard, and sends it files that are dropped on its screen', async ({
  app,
  home,
}) => {
  const { page, machine } = app;
  await new Library(home.path).save('desk', { name: NAME, screens: 1, screenSize: '640x480', clipboard: true });
  await page.reload();
  await app.library.card(NAME).button('Start').click();
  const tab = (name: string) => page.getByRole('tab', { name });
  const stage = page.locator('.screen-stage');
  const read = () => app.electron.evaluate(({ clipboard }) => clipboard.readText());
  const write = (text: string) => app.electron.evaluate(({ clipboard }, what) => clipboard.writeText(what), text);
  await write('from the host');
  await tab('Serial').click();
  await machine.shell();
  await tab('Screen').click();
  await expect(stage).toBeVisible();
  const drop = async (file: string): Promise<void> => {
    const { x, y } = (await stage.boundingBox()) ?? { x: 0, y: 0 };
    const devtools = await page.context().newCDPSession(page);
    const data = { items: [], files: [file], dragOperationsMask: 1 };
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
      await devtools.send('Input.dispatchDragEvent', { type, x: x + 50, y: y + 50, data });
  };
  const file = join(home.path, 'to the guest.txt');
  await writeFile(file, 'dropped');
  await drop(file);
  await expect(page.getByText('Nobody in the guest shares the clipboard or takes files')).toBeVisible();

  // An agent of a few lines: it says that it is there and knows of selections, keeps what it hears, and speaks when the test says so.
  await tab('Serial').click();
  await machine.command(
    `p=$(grep -l spice /sys/class/virtio-ports/*/name | cut -d/ -f5); exec 3<>/dev/$p; (cat <&3 > /tmp/heard) & printf '${printed(6, words(0, 1 << 6))}' >&3; echo is-th''ere`,
    'is-there',
  );
  await tab('Screen').click();
  await stage.click();
  await page.getByRole('button', { name: 'Clipboard' }).click();
  await expect(page.getByText('Shared by itself while keys go to the guest.')).toBeVisible();
  await page.keyboard.press('Escape');
  await tab('Serial').click();
  await machine.command(
    `printf '${printed(8, words(0, 1))}' >&3; until grep -q 'from the host' /tmp/heard; do usleep 100000; done; echo got-te''xt`,
    'got-text',
  );
  // It copies something while the user is at its screen, and not before.
  const [grab, answer] = [printed(7, words(0, 1)), printed(4, words(0, 1), Buffer.from('from the guest'))];
  await machine.command(`printf '${grab}' >&3; echo cop''ied`, 'copied');
  await machine.command(
    `(until [ -e /tmp/go ]; do usleep 100000; done; printf '${grab}' >&3; for i in 1 2 3; do sleep 1; printf '${answer}' >&3; done) 2> /dev/null & echo re''ady`,
    'ready',
  );
  expect(await read()).toBe('from the host');
  await tab('Screen').click();
  await stage.click();
  // Its screen has a shell too.
  await page.keyboard.type('touch /tmp/go\n');
  await expect.poll(read, { timeout: 20_000 }).toBe('from the guest');

  await tab('Serial').click();
  const accepted = (status: number): string => printed(11, words(1, status));
  await machine.command(
    `(until grep -q vdagent-file-xfer /tmp/heard; do usleep 100000; done; printf '${accepted(0)}' >&3; until grep -q dropped /tmp/heard; do usleep 100000; done; printf '${accepted(3)}' >&3) & echo aw''aits`,
    'awaits',
  );
  await tab('Screen').click();
  await expect(stage).toBeVisible();
  await drop(file);
  await expect(page.getByText(`The files are in the downloads of “${NAME}”.`)).toBeVisible({ timeout: 20_000 });

  // What an input method of this computer makes is pasted there. The agent says what was copied before, that it has the text, and that a program wants it.
  await page.getByRole('button', { name: 'Send keys' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'Write with this computer’s input method' }).click();
  await tab('Serial').click();
  await machine.command(
    `(until [ -e /tmp/insert ]; do usleep 100000; done; for i in 1 2 3 4 5 6; do printf '${answer}' >&3; usleep 500000; printf '${printed(8, words(1, 1))}' >&3; done) 2> /dev/null & echo wai''ts`,
    'waits',
  );
  await tab('Screen').click();
  await stage.click();
  await page.keyboard.type('touch /tmp/insert\n');
  // What is under way is seen, and is not the guest's yet.
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Input.imeSetComposition', { text: 'zi under way', selectionStart: 12, selectionEnd: 12 });
  await expect(page.getByText('zi under way')).toBeVisible();
  await page.keyboard.insertText('composed 字');
  await expect(page.getByText('zi under way')).toBeHidden();
  await tab('Serial').click();
  await machine.command("until grep -q composed /tmp/heard; do usleep 100000; done; echo pas''ted", 'pasted');
});
