import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { logRequests, parseLog } from './log-requests';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-logs-'));
  await mkdir(join(folder, 'logs'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** `answers` of a box that runs; without them it is off. */
function requests(answers?: Record<string, unknown>, filePath?: string) {
  return logRequests({
    machines: { call: (async (_id: string, name: string) => answers?.[name] ?? Promise.reject(new Error('off'))) as never },
    dataDirectory: folder,
    dialog: { showSaveDialog: (async () => ({ canceled: false, filePath })) as never },
    window: () => undefined,
    locale: () => 'en',
  });
}

describe('requests about logs', () => {
  it('read what a box reports while it runs, and nothing when it is off', async () => {
    const lines = [{ at: 1, level: 'warning', text: 'x' }];
    expect(await requests({ log: { lines } })['log.read']('a', 'messages')).toEqual(lines);
    expect(await requests()['log.read']('a', 'messages')).toEqual([]);
  });

  it('read the console of a box that runs, and of one that is off what was kept', async () => {
    await writeFile(join(folder, 'logs', 'a-serial.log'), '\x1b[1mold\x1b[0m\r\n 10 %\r 20 %\r\n');
    expect(await requests()['log.read']('a', 'serial')).toEqual([{ text: 'old' }, { text: ' 20 %' }]);
    expect(await requests({ 'console-history': { text: 'new\r\n# ' } })['log.read']('a', 'serial')).toEqual([
      { text: 'new' },
      { text: '# ' },
    ]);
  });

  it('read the end of a long file, in whole lines', async () => {
    await writeFile(join(folder, 'logs', 'app.log'), '[2026-01-02 03:04:05.678] [info]  line\n'.repeat(40_000));
    const lines = await requests()['log.read'](null, 'app');
    expect(lines.length).toBe(5000);
    expect(lines.every(({ text }) => text === 'line')).toBe(true);
  });

  it('save all of it where the user wants it', async () => {
    const file = join(folder, 'saved.log');
    await writeFile(join(folder, 'logs', 'a.log'), '[2026-01-02 03:04:05.678] [warn]  one\nmore\n');
    expect(await requests(undefined, file)['log.save']('a', 'engine')).toBe(file);
    expect(await readFile(file, 'utf8')).toMatch(/^2026-01-\S+Z warning one\nmore\n$/);
    expect(await requests(undefined, undefined)['log.save']('a', 'engine')).toBeNull();
    await expect(requests(undefined, join(folder, 'no', 'where'))['log.save']('a', 'engine')).rejects.toMatchObject({
      code: 'folder-missing',
    });
  });
});

it('parseLog keeps what belongs to a line with it, and what has no level', () => {
  expect(parseLog('stray\n[2026-01-02 03:04:05.678] [error] bad\n  at x\n\n[2026-01-02 03:04:06.000] [silly] \x1b[31mz\n')).toEqual([
    { text: 'stray' },
    { at: new Date('2026-01-02T03:04:05.678').getTime(), level: 'error', text: 'bad\n  at x' },
    { at: new Date('2026-01-02T03:04:06.000').getTime(), level: 'debug', text: 'z' },
  ]);
});
