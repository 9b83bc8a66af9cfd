import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { electronPath, ensureElectronLibraries } from '../../resources/setup/electron.mjs';
import { ensureDisplay } from '../e2e/support/display';
import { HartboxApp, TestHome } from '../e2e/support/hartbox-app';
import { fillLibrary } from './app-start';

/**
 * How long the app is looked at while nobody does anything, and how long it may take before that to come to rest, in milliseconds: for
 * half a minute V8 and Chromium free what start and scrolling took.
 */
const REST_MS = 20_000;
const SETTLE_MS = 40_000;

/** In the page: scroll down and up for so many milliseconds, a bit each frame. Frames, and the longest wait for one in milliseconds. */
function scrollLibrary(duration: number): Promise<{ frames: number; seconds: number; longest: number }> {
  const list = document.querySelector('main') as HTMLElement;
  return new Promise((resolve) => {
    const begin = performance.now();
    let [frames, longest, last, step] = [0, 0, begin, 30];
    const next = (): void => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      frames++;
      if (list.scrollTop + list.clientHeight >= list.scrollHeight - 1) step = -30;
      if (list.scrollTop <= 0 && frames > 1) step = 30;
      list.scrollBy(0, step);
      if (now - begin < duration) requestAnimationFrame(next);
      else resolve({ frames, seconds: (now - begin) / 1000, longest });
    };
    requestAnimationFrame(next);
  });
}

/** Bytes that are a process's own, with its part of what it shares; Linux only. */
async function ownMemory(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1]) * 1024;
}

/** Seconds of CPU time that a process has taken; Linux only. */
async function cpuTime(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** What the app does with 200 boxes: frames while they are scrolled, and what it takes while nobody does anything. */
export async function appRest(say: (message: string) => void): Promise<void> {
  await ensureElectronLibraries(await electronPath(), { display: true });
  const endDisplay = await ensureDisplay();
  const home = await TestHome.create({ guest: false });
  try {
    const boxes = await fillLibrary(home);
    const app = await HartboxApp.launch(home, {}, { asItIs: true });
    try {
      await app.page.waitForFunction((count) => document.querySelectorAll('article').length === count, boxes);
      await delay(1000);
      const { frames, seconds, longest } = await app.page.evaluate(scrollLibrary, 4000);
      process.stdout.write(
        `Scrolling ${boxes} boxes: ${(frames / seconds).toFixed(0)} frames a second, the longest took ${longest.toFixed(0)} ms.\n`,
      );
      if (process.platform !== 'linux') return;
      say('at rest…');
      await delay(SETTLE_MS);
      const pids = await app.electron.evaluate(({ app: electron }) => electron.getAppMetrics().map(({ pid }) => pid));
      const before = await Promise.all(pids.map(cpuTime));
      await delay(REST_MS);
      const after = await Promise.all(pids.map(cpuTime));
      const busy = after.reduce((sum, time, i) => sum + time - before[i], 0) / (REST_MS / 1000);
      const memory = (await Promise.all(pids.map(ownMemory))).reduce((sum, bytes) => sum + bytes, 0);
      process.stdout.write(
        `At rest, ${pids.length} processes: ${(100 * busy).toFixed(2)} % of a core, ${(memory / 2 ** 20).toFixed(0)} MB of memory (PSS).\n`,
      );
    } finally {
      await app.end();
    }
  } finally {
    await home.remove();
    endDisplay();
  }
}
