import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from '@playwright/test';
import { build } from 'vite';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { V8_FLAGS } from '../../engine/hart/v8-flags';
import { systemBrowser } from '../support/system-browser';
import { builtFile } from '../../engine/threads/built-file';
import { type Outcome, runHarts } from './browser-harts';

/** Any address: nothing is fetched, the test answers. Shared memory needs a page that is isolated from others. */
const ADDRESS = 'https://hartbox.test/';
const ISOLATED = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
const WORK = (['interpreted', 'translated', 'checked'] as const).flatMap((tier) => [
  { kind: 'machine' as const, seed: 11, count: 12, tier },
  { kind: 'privileged' as const, seed: 12, count: 8, tier },
]);
type Work = (typeof WORK)[number];
const named = ({ kind, tier }: Work): string => `${kind}, ${tier}`;

/** The script for the page: the hart as it is in the sources, and the programs. */
async function bundle(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    build: { write: false, lib: { entry: join(import.meta.dirname, 'browser-harts.ts'), formats: ['iife'], name: 'harts' } },
  });
  const [{ output }] = result as { output: { code?: string }[] }[];
  if (output.length !== 1 || output[0].code === undefined) throw new Error('The script for the page is not in one piece.');
  return output[0].code;
}

describe.skipIf(systemBrowser === undefined)(
  `a hart in Chromium${systemBrowser === undefined ? ' (skipped: needs the Debian package chromium)' : ''}`,
  () => {
    const helpers = new Uint8Array(readFileSync(builtFile('helpers.wasm')));
    const expected = new Map<string, Outcome>();
    let script = '';
    let browser: Browser | undefined;

    beforeAll(async () => {
      script = await bundle();
      for (const work of WORK) expected.set(named(work), await runHarts(helpers, work.kind, work.seed, work.count, work.tier));
    });
    afterEach(async () => {
      await browser?.close();
    });

    async function open(flags: readonly string[]): Promise<Page> {
      browser = await chromium.launch({
        executablePath: systemBrowser as string,
        args: [
          '--no-sandbox',
          '--disable-gpu',
          '--disable-background-networking',
          ...(flags.length > 0 ? [`--js-flags=${flags.join(' ')}`] : []),
        ],
      });
      const page = await browser.newPage();
      await page.route(ADDRESS, (route) => route.fulfill({ contentType: 'text/html', headers: ISOLATED, body: '<!doctype html>' }));
      await page.goto(ADDRESS);
      await page.addScriptTag({ content: script });
      return page;
    }

    /** The script is that of browser-harts.ts, so this is the same function over there. */
    function runThere(page: Page, work: Work): Promise<Outcome> {
      return page.evaluate(
        ({ text, kind, seed, count, tier }) => {
          const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
          return (globalThis as unknown as { runHarts: typeof runHarts }).runHarts(bytes, kind, seed, count, tier);
        },
        { text: Buffer.from(helpers).toString('base64'), ...work },
      );
    }

    it.each([
      ["with the engine's flags", V8_FLAGS.map((flag) => (flag === '--wasm-num-compilation-tasks' ? `${flag}=1` : flag))],
      ['with none', []],
    ])('does what it does in Node, %s', async (_name, flags) => {
      const page = await open(flags);
      for (const work of WORK) {
        const found = await runThere(page, work);
        expect.soft(found, named(work)).toEqual(expected.get(named(work)));
        expect.soft(found.instructions).toBeGreaterThan(100_000);
        if (work.tier !== 'interpreted') expect.soft(found.translated).toBeGreaterThan(10_000);
      }
    });
  },
);
