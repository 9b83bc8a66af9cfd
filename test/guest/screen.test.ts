import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Rectangle, Scanout } from '../../engine/gpu/scanout';
import { writeCpio } from '../../engine/images/cpio';
import { compileForGuest } from '../support/guest-compiler';
import { GuestShell } from '../support/guest-shell';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-screen-'));
let shell: GuestShell;
let screen: Scanout;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function look(part: Rectangle = { x: 0, y: 0, ...screen.size! }): Uint32Array {
  const target = new Uint32Array(part.width * part.height);
  screen.read(part, target);
  return target;
}

/** What the program draws at a place, R in the lowest byte. */
function pattern(x: number, y: number): number {
  const word = x * 0x010305 + y * 0x071113;
  return (((word >>> 16) & 0xff) | (word & 0xff00) | ((word & 0xff) << 16) | 0xff000000) >>> 0;
}

/** The next line that the program prints after it was told something. */
async function tell(line: string, answer: RegExp): Promise<RegExpExecArray> {
  const from = shell.transcript.length;
  shell.type(`${line}\n`);
  return shell.says(answer, from);
}

/** Resolves when the guest has drawn something that makes it so. */
async function drawn(isSo: () => boolean): Promise<void> {
  await new Promise<void>((resolve) => {
    const check = (): void => {
      if (!isSo()) return;
      screen.off('damage', check);
      screen.off('picture', check);
      resolve();
    };
    screen.on('damage', check);
    screen.on('picture', check);
    check();
  });
}

describe("a screen, by Linux's own driver", { timeout: 120_000 }, () => {
  beforeAll(async () => {
    const data = await compileForGuest(new URL('../support/drm-pattern.c', import.meta.url), join(folder, 'drm-pattern'));
    const extraInitrd = writeCpio([{ type: 'file', path: 'drm-pattern', mode: 0o755, data }]);
    shell = await GuestShell.boot({ screens: 2, screenSize: '800x600' }, { extraInitrd });
    screen = shell.machine.scanout();
  }, 120_000);
  afterAll(() => shell?.machine.stop());

  it('shows the text of the console', async () => {
    await drawn(() => screen.size?.width === 800);
    expect(screen.size).toEqual({ width: 800, height: 600 });
    const dark = look().filter((word) => word === 0xff000000).length;
    await shell.run("printf '\\033[47m\\033[2J' > /dev/tty0");
    // All of it in light grey, but for the cursor.
    await drawn(() => look().filter((word) => word === 0xffaaaaaa).length > 450_000);
    expect(dark).toBeGreaterThan(400_000);
    await shell.run("printf '\\033[0m\\033[2J\\033[H' > /dev/tty0");
    await drawn(() => look().filter((word) => word === 0xff000000).length > 450_000);
    await shell.run('echo MMMMMMMM > /dev/tty0');
    await drawn(() => look({ x: 0, y: 0, width: 64, height: 16 }).filter((word) => word === 0xffaaaaaa).length > 200);
  });

  it('shows what a program draws, bit for bit', async () => {
    const [, width, height, count] = await tell('/drm-pattern', /shown (\d+)x(\d+) of (\d+) screens|failed.*/);
    expect([width, height, count]).toEqual(['800', '600', '2']);
    const expected = Uint32Array.from({ length: 800 * 600 }, (_, i) => pattern(i % 800, Math.floor(i / 800)));
    expect(Buffer.compare(Buffer.from(look().buffer), Buffer.from(expected.buffer))).toBe(0);

    // Linux 6.12 tells of the whole picture, whatever part of it was drawn.
    const damaged = new Promise((resolve) => screen.once('damage', resolve));
    await tell('part', /drawn|failed.*/);
    await damaged;
    expect(new Set(look({ x: 100, y: 40, width: 30, height: 20 }))).toEqual(new Set([0xff0080ff]));
    expect(look({ x: 99, y: 40, width: 1, height: 1 })[0]).toBe(pattern(99, 40));

    await tell('pointer', /pointed|failed.*/);
    expect(screen.cursor).toMatchObject({ width: 64, height: 64 });
    expect(screen.cursorAt).toEqual({ x: 200, y: 150 });
    expect([...screen.cursor!.pixels.subarray(4 * 31, 4 * 33)]).toEqual([0, 0, 255, 255, 0, 0, 0, 0]);
  });

  it('tells the guest of another size, which its driver then has', async () => {
    const from = shell.transcript.length;
    shell.type('wait\n');
    screen.want({ width: 1030, height: 700 });
    const [, width, height] = await shell.says(/now (\d+)x(\d+)/, from);
    expect([width, height]).toEqual(['1030', '700']);
    // The console has the screen again when the program has ended.
    shell.type('\x04');
    await drawn(() => look({ x: 0, y: 0, width: 64, height: 16 }).filter((word) => word === 0xffaaaaaa).length > 200);
  });
});
