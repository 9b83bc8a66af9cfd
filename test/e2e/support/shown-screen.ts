import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Page, expect } from '@playwright/test';
import { readPng } from '../../support/png-reader';
import { say } from './both-sides';
import type { HartboxApp, TestHome } from './hartbox-app';

interface Shown {
  width: number;
  height: number;
  /** Of the pixels, as hashOf() makes it. */
  hash: number;
  /** Pixels that are not black. */
  light: number;
}

/** What is in the window. */
export function shownIn(page: Page): Promise<Shown> {
  return page.evaluate(() => {
    // One below the other.
    const canvases = [...document.querySelectorAll<HTMLCanvasElement>('.screen-stage canvas')];
    const [width, height] = [canvases[0]?.width ?? 0, canvases.reduce((sum, canvas) => sum + canvas.height, 0)];
    const copy = width > 0 ? new OffscreenCanvas(width, height).getContext('2d') : null;
    let top = 0;
    for (const canvas of canvases) {
      copy?.drawImage(canvas, 0, top);
      top += canvas.height;
    }
    const image = copy?.getImageData(0, 0, width, height);
    let [hash, light] = [0, 0];
    for (const word of new Uint32Array(image?.data.buffer ?? new ArrayBuffer(0))) {
      hash = (Math.imul(hash, 31) + word) | 0;
      if (word !== 0xff000000) light++;
    }
    return { width: image?.width ?? 0, height: image?.height ?? 0, hash, light };
  });
}

/** What is seen in a film: how wide its pictures are, and which of the console's colours most of one has. */
export function seenIn(page: Page, film: Buffer): Promise<{ sizes: number[]; colours: string[] }> {
  return page.evaluate(async (encoded) => {
    const video = document.createElement('video');
    video.muted = true;
    video.src = URL.createObjectURL(new Blob([Uint8Array.from(atob(encoded), (byte) => byte.charCodeAt(0))], { type: 'video/webm' }));
    const [sizes, colours] = [new Set<number>(), new Set<string>()];
    const names: Partial<Record<string, string>> = {
      'true,false,false': '41',
      'false,true,false': '42',
      'false,false,true': '44',
      'true,false,true': '45',
    };
    const look = (): void => {
      sizes.add(video.videoWidth);
      const context = new OffscreenCanvas(1, 1).getContext('2d');
      context?.drawImage(video, 0, 0, 1, 1);
      const [red, green, blue] = [...(context?.getImageData(0, 0, 1, 1).data ?? [])].map((value) => value > 100);
      const colour = names[`${red},${green},${blue}`];
      if (colour !== undefined) colours.add(colour);
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    await new Promise((resolve, reject) => {
      video.onended = resolve;
      video.onerror = () => reject(new Error(video.error?.message));
      video.play().catch(reject);
    });
    return { sizes: [...sizes], colours: [...colours].sort() };
  }, film.toString('base64'));
}

function hashOf(pixels: Uint32Array): number {
  return pixels.reduce((hash, word) => (Math.imul(hash, 31) + word) | 0, 0);
}

/** Whether the window shows what the box `desk` says that it shows. */
export async function expectSame(app: HartboxApp, home: TestHome): Promise<void> {
  const file = join(home.path, 'screen.png');
  await expect(async () => {
    await say(home, 'screenshot', 'desk', file);
    const { width, height, pixels } = readPng(await readFile(file));
    expect(await shownIn(app.page)).toMatchObject({ width, height, hash: hashOf(pixels) });
  }).toPass({ timeout: 20_000 });
}
