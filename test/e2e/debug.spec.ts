import { connect } from 'node:net';
import { expect } from '@playwright/test';
import { test } from './support/test';

const NAME = 'Hartbox Linux';

test('tells how to attach a debugger to a box that runs, and lets that copy it', async ({ app }) => {
  await app.library.card(NAME).button('Start').click();
  await app.machine.shell();
  await app.page.getByRole('button', { name: `More actions for ${NAME}` }).click();
  await app.page.getByRole('menuitem', { name: 'Debug…' }).click();
  const dialog = app.page.getByRole('alertdialog', { name: `Debug ${NAME}` });
  await expect(dialog).toContainText('gdb-multiarch -ex "set architecture riscv:rv64"');
  await dialog.getByRole('button', { name: 'Copy the line for GDB' }).click();
  await expect(dialog.getByRole('button', { name: 'Copied' })).toBeVisible();
  const line = await app.electron.evaluate(({ clipboard }) => clipboard.readText());
  const [, host, port] = /target remote ([\d.]+):(\d+)"$/.exec(line) ?? [];
  if (process.env['HARTBOX_PICTURES']) {
    for (const theme of ['light', 'dark'] as const) {
      await app.page.emulateMedia({ colorScheme: theme });
      await app.page.screenshot({ path: `${process.env['HARTBOX_PICTURES']}/debug-${theme}.png` });
    }
  }
  // Who attaches there finds the guest, and leaves it as it was.
  const greeting = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), host, () => socket.write('+$qqemu.Supported#1d'));
    socket.on('error', reject);
    socket.on('data', (data) => {
      if (!data.includes('sstepbits')) return;
      resolve(data.toString());
      socket.destroy();
    });
  });
  expect(greeting).toContain('PhyMemMode');
  await dialog.getByRole('button', { name: 'Close' }).click();
  await app.machine.command('echo still $((20 + 3))', 'still 23');
});
