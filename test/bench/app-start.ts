import { availableParallelism, loadavg } from 'node:os';
import { Library } from '../../engine/runner/library';
import { electronPath, ensureElectronLibraries } from '../../resources/setup/electron.mjs';
import { ensureDisplay } from '../e2e/support/display';
import { HartboxApp, TestHome } from '../e2e/support/hartbox-app';
import { median } from './measurement';

const BOXES = 200;
/** Seconds from the start of the process until the library can be used: what the app promises. */
const GOAL = 2;

/**
 * In the page: all cards are there, something has been painted, and a click on a card would reach it. It may not be asynchronous: Playwright
 * would take the promise for a yes.
 */
function isUsable(count: number): boolean {
  const cards = document.querySelectorAll('article');
  if (cards.length !== count || performance.getEntriesByName('first-contentful-paint').length === 0) return false;
  const { left, top, width, height } = cards[1].getBoundingClientRect();
  return cards[1].contains(document.elementFromPoint(left + width / 2, top + height / 2));
}

/** Make boxes in it, with the one that is there by itself so many as this answers. */
export async function fillLibrary(home: TestHome): Promise<number> {
  const library = new Library(home.path);
  for (let n = 2; n <= BOXES; n++)
    await library.create({
      name: `Box ${`${n}`.padStart(3, '0')}`,
      tags: [n % 2 === 0 ? 'even' : 'odd'],
      memory: (n % 8) * 2 ** 27 + 2 ** 27,
    });
  return BOXES;
}

async function secondsToUse(home: TestHome, assistive: boolean): Promise<number> {
  const start = performance.now();
  const app = await HartboxApp.launch(home, {}, { assistive });
  try {
    await app.page.waitForFunction(isUsable, BOXES);
    // The frame in which they are seen.
    await app.page.evaluate(() => new Promise<void>((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
    if (!(await app.page.evaluate(isUsable, BOXES))) throw new Error('the library was not there when it seemed to be');
    const taken = (performance.now() - start) / 1000;
    // It does what it looks like.
    await app.library.card('Box 002').open.click();
    await app.machine.back.click();
    return taken;
  } finally {
    await app.end();
  }
}

/**
 * Start the app so many times on a library of 200 boxes, and print the seconds until all cards are there and one can be clicked. Playwright,
 * which looks, takes part of that time. A screen reader
 * has Chromium describe every card to it, which takes longer; what is promised is for those without. Returns whether the median keeps it.
 */
export async function appStart(runs: number, say: (message: string) => void): Promise<boolean> {
  await ensureElectronLibraries(await electronPath(), { display: true });
  const endDisplay = await ensureDisplay();
  const home = await TestHome.create({ guest: false });
  try {
    await fillLibrary(home);
    const medians: number[] = [];
    for (const assistive of [false, true]) {
      const how = assistive ? 'with a screen reader' : 'without a screen reader';
      const seconds: number[] = [];
      // The first start of all fills Chromium's caches, which later ones find.
      for (let run = 0; run <= runs; run++) {
        const taken = await secondsToUse(home, assistive);
        if (run > 0) seconds.push(taken);
        say(`app ${how}, ${run === 0 ? 'first start, not counted' : `start ${run} of ${runs}`}: ${taken.toFixed(2)} s`);
      }
      medians.push(median(seconds));
      process.stdout.write(
        `From launch to a library of ${BOXES} boxes that can be used, ${how}: median of ${runs} ${median(seconds).toFixed(2)} s; the goal is ${GOAL} s. Load ${loadavg()[0].toFixed(1)} on ${availableParallelism()} cores.\n`,
      );
    }
    return medians[0] <= GOAL;
  } finally {
    await home.remove();
    endDisplay();
  }
}
