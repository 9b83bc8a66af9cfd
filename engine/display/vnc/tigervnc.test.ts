import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { xPrograms } from '../../../test/support/x-programs';
import { Scanout } from '../../gpu/scanout';
import type { SharedText } from './seat';
import { VncServer } from './server';

/** Debian's viewer, on a display of its own. */
const { start, end } = await xPrograms();
afterAll(end);

/** A program that has this in the clipboard. */
async function copy(text: string): Promise<void> {
  const child = start('xclip', '-selection', 'clipboard');
  child.stdin?.end(text);
  await new Promise((resolve) => child.on('exit', resolve));
}

async function paste(): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of start('xclip', '-selection', 'clipboard', '-o').stdout ?? []) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

/** They come by Debian's packages (resources/setup/system-packages.mjs), which other computers do without. */
const isMissing = ['xtigervncviewer', 'xclip', 'xdotool', 'Xvfb'].some(
  (tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0,
);

describe.skipIf(isMissing)("TigerVNC's viewer", { timeout: 60_000 }, () => {
  it('shares the clipboard of its display with the guest, both ways', async () => {
    let text: string | undefined;
    let copied: () => void = () => undefined;
    const shared: SharedText = {
      get hasText() {
        return text !== undefined;
      },
      read: () => Promise.resolve(text),
      offer: (offered) => (text = offered),
      onCopy: (listener) => {
        copied = listener;
        return () => undefined;
      },
    };
    const seat = {
      ...{ name: 'Test', scanout: new Scanout({ width: 400, height: 300 }), hasKeyboard: true, hasTablet: true },
      input: () => undefined,
      text: shared,
    };
    const server = await VncServer.listen(seat, { host: '127.0.0.1', port: 0 });
    start('xtigervncviewer', '-SecurityTypes', 'None', server.address.replace(/:(\d+)$/, '::$1'));
    try {
      await vi.waitFor(() => expect(server.clients).toBe(1), { timeout: 20_000 });
      // It minds the clipboard while it has the keyboard, which a window manager would give it.
      const focus = start('xdotool', 'search', '--sync', '--name', 'TigerVNC', 'windowfocus', '--sync');
      await new Promise((resolve) => focus.on('exit', resolve));
      await copy('from there: 字');
      await vi.waitFor(() => expect(text).toBe('from there: 字'), { timeout: 20_000 });
      text = 'from the guest: größer 字\nand more';
      copied();
      await vi.waitFor(async () => expect(await paste()).toBe('from the guest: größer 字\nand more'), { timeout: 20_000, interval: 500 });
    } finally {
      server.close();
    }
  });
});
