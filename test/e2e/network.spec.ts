import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@playwright/test';
import type { HartboxApp } from './support/hartbox-app';
import { test } from './support/test';

const NAME = 'Hartbox Linux';
const SECTION_HEADER = '0a0d0d0a';

/** What the browser was to open, with the questions that were asked before; all are answered with yes. */
async function watchBrowser(app: HartboxApp): Promise<() => Promise<string[]>> {
  await app.electron.evaluate(({ dialog, shell }) => {
    const seen: string[] = [];
    Object.assign(globalThis, { seen });
    Object.assign(dialog, {
      showMessageBox: (_window: unknown, { detail }: Electron.MessageBoxOptions) => {
        seen.push(detail ?? '');
        return Promise.resolve({ response: 0, checkboxChecked: false });
      },
    });
    Object.assign(shell, {
      openExternal: (url: string) => {
        seen.push(url);
        return Promise.resolve();
      },
    });
  });
  return () => app.electron.evaluate(() => Reflect.get(globalThis, 'seen') as string[]);
}

/** What is wrong with the page for who cannot see it well, in both themes. */
async function findings(app: HartboxApp): Promise<unknown[]> {
  const found = [];
  for (const theme of ['light', 'dark'] as const) {
    await app.page.emulateMedia({ colorScheme: theme });
    found.push(...(await new AxeBuilder({ page: app.page }).setLegacyMode().analyze()).violations);
    const folder = process.env['HARTBOX_PICTURES'];
    if (folder) await app.page.screenshot({ path: join(folder, `network-${theme}.png`) });
  }
  return found;
}

test('shows the network of a box, forwards ports into it, captures it, and lets go of the cable', async ({ app, home }) => {
  const { page } = app;
  await app.library.card(NAME).button('Start').click();
  await app.machine.shell();
  await app.machine.command('mkdir /tmp/w; echo by-the-guest >/tmp/w/index.html; httpd -p 80 -h /tmp/w; echo up-$((1 + 1))', 'up-2');

  await page.getByRole('button', { name: 'Network', exact: true }).click();
  const adapter = page.getByRole('listitem').filter({ hasText: 'net0' });
  await expect(adapter).toContainText('nat');
  await expect(adapter).toContainText('connected');
  await expect(adapter.locator('[data-addresses]')).toHaveText(/^\d+\.\d+\.\d+\.15\b/);

  // Only what is wrong is marked, and says what.
  await page.getByRole('button', { name: 'Forward port' }).click();
  await expect(page.getByLabel('Port in the box')).toHaveAttribute('aria-invalid', 'true');
  await expect(page.getByLabel('Port in the box')).toBeFocused();
  await expect(page.getByLabel('Port here')).toHaveAttribute('aria-invalid', 'false');
  await expect(page.getByRole('alert')).toHaveText('Which port of the box?');

  // By the keyboard alone.
  await page.getByLabel('Port in the box').fill('80');
  await page.keyboard.press('Enter');
  const forward = page.locator('[data-forward]');
  await expect(forward).toContainText(/leads to port\s*80/);
  const [, port] = /127\.0\.0\.1:(\d+)/.exec((await forward.textContent()) ?? '') ?? [];

  const file = join(home.path, 'seen.pcapng');
  await app.electron.evaluate(({ dialog }, path) => {
    dialog.showSaveDialog = async () => ({ canceled: false, filePath: path });
  }, file);
  await page.getByRole('button', { name: 'Capture…' }).click();
  await expect(page.getByText(`All packets are captured to ${file}`)).toBeVisible();

  // A connection that stays is seen as long as it does.
  const socket = connect(Number(port), '127.0.0.1', () => socket.write('GET / HTTP/1.0\r\n'));
  socket.on('error', () => undefined);
  const flow = page.locator('[data-flow]').filter({ hasText: 'tcp' });
  await expect(flow.filter({ hasText: 'Open' })).toHaveCount(1);
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('by-the-guest\n');
  expect(await findings(app)).toEqual([]);
  socket.destroy();

  const opened = await watchBrowser(app);
  await page.getByRole('button', { name: `Open 127.0.0.1:${port} in the browser` }).click();
  await expect.poll(opened).toEqual([expect.stringContaining('forwarded port'), `http://127.0.0.1:${port}/`]);

  await page.getByRole('button', { name: 'End capture' }).click();
  await expect(page.getByRole('status').filter({ hasText: `in ${file}` })).toHaveText(/^\d+ packets are in /);
  await page.getByRole('button', { name: 'Dismiss' }).click();
  await expect(page.getByText(`in ${file}`)).toHaveCount(0);
  expect((await readFile(file)).subarray(0, 4).toString('hex')).toBe(SECTION_HEADER);
  if (hasTshark()) expect(execFileSync('tshark', ['-r', file, '-Y', 'http.response.code == 200'], { encoding: 'utf8' })).toContain('HTTP');

  // A port that somebody has, with who has it.
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  await page.getByLabel('Port here').fill(String((other.address() as AddressInfo).port));
  await page.getByLabel('Port in the box').fill('80');
  await page.getByRole('button', { name: 'Forward port' }).click();
  const refusal = page.getByRole('alert');
  await expect(refusal).toContainText('in use');
  if (process.platform === 'linux') await expect(refusal).toContainText(`process ${process.pid}`);
  other.close();

  const cable = adapter.getByRole('switch', { name: 'Cable of net0' });
  await cable.click();
  await expect(adapter).toContainText('unplugged');
  await cable.click();
  await expect(adapter).toContainText('connected');

  // The card in the library has it too, until the port is closed again.
  await page.getByRole('button', { name: `Back to ${NAME}` }).click();
  await app.machine.back.click();
  const reached = page.getByRole('article', { name: NAME, exact: true }).locator('[data-network]');
  await expect(reached).toHaveText(new RegExp(`\\.15 · ${port} → 80$`));
  if (process.env['HARTBOX_PICTURES']) await page.screenshot({ path: join(process.env['HARTBOX_PICTURES'], 'network-card.png') });
  await app.library.card(NAME).button('Open').click();
  await page.getByRole('button', { name: 'Network', exact: true }).click();
  await page.getByRole('button', { name: `Remove 127.0.0.1:${port}` }).click();
  await expect(forward).toHaveCount(0);
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
});

function hasTshark(): boolean {
  try {
    execFileSync('tshark', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
