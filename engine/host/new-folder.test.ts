import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { awaitLock, tryLock } from './file-lock';
import { makeFolder, moveFolder, removeFolder, removeUnfinished } from './new-folder';

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'hartbox-folders-'));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

const first =
  (...names: string[]): ((taken: ReadonlySet<string>) => string) =>
  (taken) =>
    names.find((name) => !taken.has(name)) ?? 'none';

describe('makeFolder', () => {
  it('shows the folder when it is complete, and nothing where that fails', async () => {
    const name = await makeFolder(parent, first('a'), async (temporary) => {
      expect(await readdir(parent)).not.toContain('a');
      await mkdir(join(temporary, 'sub'));
      await writeFile(join(temporary, 'sub', 'x'), 'text');
    });
    expect(name).toBe('a');
    expect(await readFile(join(parent, 'a', 'sub', 'x'), 'utf8')).toBe('text');
    await expect(makeFolder(parent, first('b'), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await readdir(parent)).toEqual(['a']);
  });

  it('takes the next name where somebody was faster, and never one that is there', async () => {
    const made = await makeFolder(parent, first('a', 'b', 'c'), async () => {
      for (const name of ['a', 'b']) await mkdir(join(parent, name, 'theirs'), { recursive: true });
    });
    expect(made).toBe('c');
    let asked = 0;
    const moved = await moveFolder(join(parent, 'c'), parent, () => (asked++ === 0 ? 'a' : 'd'));
    expect(moved).toBe('d');
    expect(await readdir(join(parent, 'a'))).toEqual(['theirs']);
  });
});

describe('removeUnfinished', () => {
  it('removes what nobody is at any more, and leaves alone what somebody works on', async () => {
    const [dead, alive, half] = ['.new-00000000000000aa', '.new-00000000000000bb', '.old-00000000000000cc'];
    for (const name of [dead, alive, half, '.newer', 'box']) await mkdir(join(parent, name, 'x'), { recursive: true });
    await writeFile(join(parent, `${dead}.lock`), JSON.stringify({ pid: 2 ** 22 + 1, host: 'x', started: null }));
    const lock = await tryLock(join(parent, `${alive}.lock`));
    // That of another computer may be alive.
    const seen = await removeUnfinished(parent);
    expect(seen.removed).toBe(1);
    expect((await readdir(parent)).filter((name) => !name.startsWith(dead)).sort()).toEqual([alive, `${alive}.lock`, '.newer', 'box']);
    if (!lock.held) await lock.release();
    expect((await removeUnfinished(parent)).made).toBeGreaterThanOrEqual(1);
    expect(await removeUnfinished(join(parent, 'none'))).toEqual({ made: 0, removed: 0 });
  });

  it('finishes a removal', async () => {
    await mkdir(join(parent, 'a', 'b'), { recursive: true });
    await removeFolder(join(parent, 'a'));
    expect(await readdir(parent)).toEqual([]);
  });
});

describe('awaitLock', () => {
  it('waits for its turn, and says who does not let go', async () => {
    const path = join(parent, 'lock');
    const lock = await awaitLock(path, { program: 'the first' });
    await expect(awaitLock(path, { patience: 30 })).rejects.toMatchObject({
      code: 'lock-held',
      message: expect.stringContaining('the first'),
    });
    const next = awaitLock(path);
    await lock.release();
    await (await next).release();
    expect(await readdir(parent)).toEqual([]);
  });
});
