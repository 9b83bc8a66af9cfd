import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SourceWatch } from './source-watch';

let folder: string;
let watch: SourceWatch;
let saved: string[];
const put = (path: string, text: string): void => writeFileSync(join(folder, path), text);
/** Until something was saved; a build follows, which is over at once. */
async function next(): Promise<string | undefined> {
  const since = Date.now();
  while (saved.length === 0 && Date.now() < since + 2000) await delay(20);
  return saved.shift();
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-watch-'));
  saved = [];
  mkdirSync(join(folder, 'user'));
  mkdirSync(join(folder, '.git'));
  put('user/cat.c', '1');
  put('fs.img', '1');
  watch = new SourceWatch(folder, [join(folder, 'fs.img')], (path) => saved.push(path));
  await watch.release();
});
afterEach(() => {
  watch.end();
  rmSync(folder, { recursive: true, force: true });
});

it('tells of files that are written, made, renamed over others and deleted', async () => {
  put('user/cat.c', '22');
  expect(await next()).toBe(join('user', 'cat.c'));
  watch.hold();
  await watch.release();
  put('new.c', '1');
  expect(await next()).toBe('new.c');
  watch.hold();
  await watch.release();
  put('.cat.c.new', '33');
  renameSync(join(folder, '.cat.c.new'), join(folder, 'user/cat.c'));
  expect(await next()).toBe(join('user', 'cat.c'));
  watch.hold();
  await watch.release();
  rmSync(join(folder, 'new.c'));
  expect(await next()).toBe('new.c');
});

it('keeps quiet about what the box writes, what is hidden, what editors keep, and what a build makes', async () => {
  put('fs.img', '22');
  put('.git/index', '1');
  put('user/.cat.c.swp', '1');
  put('user/cat.c~', '1');
  watch.hold();
  put('user/cat.o', '1');
  await watch.release();
  await delay(1200);
  expect(saved).toEqual([]);
});

it('does not miss what is saved again while it builds', async () => {
  put('user/cat.c', '22');
  expect(await next()).toBe(join('user', 'cat.c'));
  watch.hold();
  put('user/cat.c', '333');
  put('user/cat.o', '1');
  await watch.release();
  expect(await next()).toBe(join('user', 'cat.c'));
});

it('takes what a program writes over and over for no source', async () => {
  const log = setInterval(() => put('log.txt', `${Date.now()}`), 50);
  try {
    const builds: string[] = [];
    for (let path = await next(); path !== undefined; path = await next()) {
      builds.push(path);
      watch.hold();
      await watch.release();
    }
    expect(builds).toEqual(['log.txt', 'log.txt', 'log.txt']);
    put('user/cat.c', '22');
    expect(await next()).toBe(join('user', 'cat.c'));
  } finally {
    clearInterval(log);
  }
});
