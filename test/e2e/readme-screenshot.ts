import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect } from '@playwright/test';
import { test } from './support/test';

const picture = fileURLToPath(new URL('../../resources/screenshot.png', import.meta.url));

/** `HARTBOX_SCREENSHOT=1 npx playwright test` makes resources/screenshot.png, which the README shows. */
test('make the picture for the README', async ({ app }) => {
  await app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].setContentSize(1040, 520));
  await app.library.card('Hartbox Linux').button('Start').click();
  await app.machine.shell();
  await app.machine.command('clear; uname -srm', /Linux \S+ riscv64/);
  await app.machine.command('cat /proc/cpuinfo', 'mmu');
  await app.machine.command('free -m', 'Swap:');
  await app.machine.command('ls /', 'tmp');
  await app.machine.shell();
  await app.page.screenshot({ path: picture });
  expect((await stat(picture)).size).toBeLessThan(200_000);
});
