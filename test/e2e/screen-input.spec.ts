import { expect } from '@playwright/test';
import { Library } from '../../engine/runner/library';
import { test } from './support/test';

const NAME = 'Desk';

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
      '(dd bs=24 count=12 2> /dev/null < /dev/input/$m | hexdump -v -e \'12/2 "%d " "\\n"\' > /tmp/heard) & echo list\'\'ens',
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
