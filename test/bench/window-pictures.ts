import { availableParallelism, loadavg } from 'node:os';
import type { Page } from '@playwright/test';
import type { DefaultGuest } from '../../engine/images/default-guest';
import { Library } from '../../engine/runner/library';
import { electronPath, ensureElectronLibraries } from '../../resources/setup/electron.mjs';
import { ensureDisplay } from '../e2e/support/display';
import { HartboxApp, TestHome } from '../e2e/support/hartbox-app';
import { compileProgram, initrdWith } from './guest-program';

const SECONDS = 5;
const SCREEN = { width: 1280, height: 800 } as const;

interface Counted {
  /** The spot at which each new picture is another, in pixels of the guest's screen. */
  spot: { x: number; y: number };
  value: number;
  /** Pictures that came, and frames of the window in which a part of one was drawn. */
  came: number;
  frames: number;
  bytes: number;
  /** Milliseconds of the page that uploads and drawing took. */
  spent: number;
}
declare global {
  interface Window {
    counted?: Counted;
  }
}

/** In the page: look at what is uploaded and drawn. */
function count(): void {
  const counted: Counted = { spot: { x: 0, y: 0 }, value: -1, came: 0, frames: 0, bytes: 0, spent: 0 };
  window.counted = counted;
  let isChanged = false;
  const frame = (): void => {
    if (isChanged) counted.frames++;
    isChanged = false;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  const see = (x: number, y: number, width: number, height: number, pixels: Uint8Array | Uint8ClampedArray): void => {
    counted.bytes += pixels.length;
    isChanged = true;
    const [left, top] = [counted.spot.x - x, counted.spot.y - y];
    if (left < 0 || top < 0 || left >= width || top >= height) return;
    const at = 4 * (top * width + left);
    const value = pixels[at] | (pixels[at + 1] << 8) | (pixels[at + 2] << 16);
    if (value !== counted.value) counted.came++;
    counted.value = value;
  };
  const canvas = CanvasRenderingContext2D.prototype as unknown as Record<'putImageData', (...args: unknown[]) => void>;
  const { putImageData } = canvas;
  canvas.putImageData = function (this: unknown, ...args) {
    const [{ width, height, data }, x, y] = args as [ImageData, number, number];
    // The picture is in several canvases, one below the other, and what does not lie in this one is not drawn.
    const { canvas: strip } = this as CanvasRenderingContext2D;
    let top = 0;
    for (let above = strip.previousElementSibling; above instanceof HTMLCanvasElement; above = above.previousElementSibling)
      top += above.height;
    const [first, end] = [Math.max(0, -y), Math.min(height, strip.height - y)];
    see(x, top + y + first, width, end - first, data.subarray(4 * width * first, 4 * width * end));
    const start = performance.now();
    Reflect.apply(putImageData, this, args);
    counted.spent += performance.now() - start;
  };
  const calls = WebGL2RenderingContext.prototype as unknown as Record<'texSubImage2D' | 'drawArrays', (...args: unknown[]) => void>;
  const { texSubImage2D, drawArrays } = calls;
  calls.texSubImage2D = function (this: unknown, ...args) {
    const [, , x, y, width, height, , , pixels] = args as [number, number, number, number, number, number, number, number, Uint8Array];
    see(x, y, width, height, pixels);
    const start = performance.now();
    Reflect.apply(texSubImage2D, this, args);
    counted.spent += performance.now() - start;
  };
  calls.drawArrays = function (this: unknown, ...args) {
    const start = performance.now();
    Reflect.apply(drawArrays, this, args);
    counted.spent += performance.now() - start;
  };
}

/** Seconds of a core that each kind of process has used so far: the engine is a utility of Chromium's. */
function usedBy(app: HartboxApp): Promise<Record<string, number>> {
  return app.electron.evaluate(({ app: all }) => {
    const used: Record<string, number> = {};
    for (const { type, name, cpu } of all.getAppMetrics()) {
      const kind = name?.startsWith('Hartbox engine') ? 'engine' : type;
      used[kind] = (used[kind] ?? 0) + (cpu.cumulativeCPUUsage ?? 0);
    }
    return used;
  });
}

async function pictures(app: HartboxApp, page: Page, percent: number): Promise<void> {
  const tab = (name: string) => page.getByRole('tab', { name });
  await tab('Serial').click();
  await app.machine.command(`/bench/display video ${percent} ${SECONDS + 5} & sleep 1`, /READY/);
  const { width, height } = SCREEN;
  const [right, bottom] = percent === 100 ? [width, height] : [width / 2, (height * percent * 2) / 100];
  await tab('Screen').click();
  await page.waitForTimeout(1500);
  const zoom = await page.locator('footer').filter({ hasText: '×' }).innerText();
  const read = () => page.evaluate(() => ({ ...window.counted, at: performance.now() }) as Counted & { at: number });
  await page.evaluate((spot) => window.counted && Object.assign(window.counted, { spot }), { x: right - 1, y: bottom - 1 });
  const [before, used] = [await read(), await usedBy(app)];
  await page.waitForTimeout(1000 * (SECONDS - 2));
  const [after, usedThen] = [await read(), await usedBy(app)];
  const seconds = (after.at - before.at) / 1000;
  const rate = (key: 'came' | 'frames' | 'bytes' | 'spent'): number => (after[key] - before[key]) / seconds;
  process.stdout.write(
    `${percent} % of ${width} × ${height}, shown at ${/\d+ %/.exec(zoom)?.[0] ?? 'no'}: ${rate('came').toFixed(1)} pictures a second came into the window, ${rate('frames').toFixed(1)} frames were drawn; ` +
      `${(rate('bytes') / 1e6).toFixed(0)} MB/s, ${(rate('spent') / 10).toFixed(0)} % of the page's time in uploads and drawing\n` +
      `  of a core: ${Object.entries(usedThen)
        .map(([kind, then]) => `${kind} ${((100 * (then - (used[kind] ?? 0))) / seconds).toFixed(0)} %`)
        .join(', ')}\n`,
  );
  await tab('Serial').click();
  await app.machine.command('wait; echo en""ded', 'ended');
  await app.machine.command('clear', '');
}

/** How many pictures a second come into the app's window, and are drawn there. */
export async function windowPictures(guest: DefaultGuest, folder: string, say: (message: string) => void): Promise<void> {
  await ensureElectronLibraries(await electronPath(), { display: true });
  const endDisplay = await ensureDisplay();
  const home = await TestHome.create({ guest: true });
  try {
    const initrd = await initrdWith(guest, folder, 'display', await compileProgram(folder, 'display', ['-I/usr/include/libdrm']));
    await new Library(home.path).save('desk', {
      ...{ name: 'Desk', screens: 1, screenSize: `${SCREEN.width}x${SCREEN.height}` as const, memory: 2 ** 29 },
      ...{ kernel: guest.kernel, initrd, append: guest.append },
    });
    // As users have it: Chromium's own choice of what to draw with.
    const app = await HartboxApp.launch(home, {}, { asItIs: true, switches: ['--lang=en-US', '--force-renderer-accessibility'] });
    try {
      const { page } = app;
      // Pixel by pixel: to scale a picture takes longer than all else where it is done in software.
      await app.electron.evaluate(({ BrowserWindow }, { width, height }) => {
        const [window] = BrowserWindow.getAllWindows();
        window.setContentBounds({ x: 0, y: 0, width, height: height + 100 });
      }, SCREEN);
      await page.evaluate(count);
      await app.library.card('Desk').button('Start').click();
      await page.getByRole('tab', { name: 'Serial' }).click();
      await app.machine.shell();
      const renderer = await page.evaluate(() => {
        const gl = document.createElement('canvas').getContext('webgl2');
        return `${gl?.getParameter(gl.RENDERER) ?? 'no WebGL'}`;
      });
      say(`the window draws by: ${renderer}`);
      for (const percent of [10, 100]) await pictures(app, page, percent);
    } finally {
      await app.end();
    }
  } finally {
    await home.remove();
    endDisplay();
  }
  process.stdout.write(`Load ${loadavg()[0].toFixed(1)} on ${availableParallelism()} cores.\n`);
}
