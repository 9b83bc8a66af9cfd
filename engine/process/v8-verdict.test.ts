import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { V8_FLAGS } from '../hart/v8-flags';
import { runInNode, type RunTrial, v8Verdict } from './v8-verdict';

// Where there is no build, its files have no path.
vi.mock('./built-file', () => ({ builtFile: (name: string) => name }));

const PATIENCE = 20_000;
let directory: string;
let trials: string[][];

/** A trial that ends so. */
function ending(end: Partial<Awaited<ReturnType<RunTrial>>>): RunTrial {
  return (_script, args) => {
    trials.push(args);
    return Promise.resolve({ code: 0, errors: '', how: 'exit code 0', ...end });
  };
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hartbox-v8-'));
  trials = [];
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true });
});

describe('v8Verdict', () => {
  it('leaves out the flags that V8 does not know, and asks once', async () => {
    const errors =
      'Error: unrecognized flag --no-wasm-deopt\nError: unrecognized flag --ticks-before-optimization=30\nTry --help for options\n';
    const verdict = await v8Verdict(directory, ending({ errors }));
    expect(verdict).toEqual({ flags: V8_FLAGS.filter((flag) => !/wasm-deopt|ticks-before/.test(flag)) });
    expect(verdict.flags).toHaveLength(V8_FLAGS.length - 2);
    expect(await v8Verdict(directory, ending({ code: 1 }))).toEqual(verdict);
    expect(trials).toEqual([[...V8_FLAGS]]);
  });

  it('sets no flag where V8 dies of them, says so, and does not try that again', async () => {
    const verdict = await v8Verdict(directory, ending({ code: -1, how: 'signal SIGTRAP' }));
    expect(verdict.flags).toEqual([]);
    expect(verdict.failure).toMatch(/slowly.*V8 \d+\.\d+.*signal SIGTRAP/);
    expect(await v8Verdict(directory, ending({}))).toEqual(verdict);
    expect(trials).toHaveLength(1);
  });

  it('tries again next time where a trial was ended from outside', async () => {
    const first = await v8Verdict(directory, ending({ code: undefined, how: 'no result in 30 s' }));
    expect(first).toMatchObject({ flags: [], failure: expect.stringContaining('no result in 30 s') });
    expect(await v8Verdict(directory, ending({}))).toEqual({ flags: V8_FLAGS });
    expect(trials).toHaveLength(2);
  });

  it('tries again for another Hartbox or other flags, and where the file is damaged', async () => {
    await v8Verdict(directory, ending({}));
    const [name] = await readdir(join(directory, 'engine'));
    const path = join(directory, 'engine', name);
    for (const content of ['{', JSON.stringify({ hartbox: '0.0.1', wanted: V8_FLAGS, verdict: { flags: ['--old'] } })]) {
      await writeFile(path, content);
      expect(await v8Verdict(directory, ending({}))).toEqual({ flags: V8_FLAGS });
    }
    vi.stubEnv('HARTBOX_V8_FLAGS', ' --no-liftoff  --other ');
    expect(await v8Verdict(directory, ending({}))).toEqual({ flags: ['--no-liftoff', '--other'] });
    expect(trials).toHaveLength(4);
  });

  it('needs no trial where HARTBOX_V8_FLAGS is empty', async () => {
    vi.stubEnv('HARTBOX_V8_FLAGS', '');
    expect(await v8Verdict(directory, ending({ code: 1 }))).toEqual({ flags: [] });
    expect(trials).toEqual([]);
  });

  it('does without a place to keep what it learned', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    expect(await v8Verdict(file, ending({}))).toEqual({ flags: V8_FLAGS });
    expect(await v8Verdict(file, ending({}))).toEqual({ flags: V8_FLAGS });
    expect(trials).toHaveLength(2);
  });
});

describe('a trial in Node', () => {
  const script = async (text: string): Promise<string> => {
    const path = join(directory, 'trial.mjs');
    await writeFile(path, text);
    return path;
  };

  it("hands the flags over and collects V8's complaints", async () => {
    const path = await script(
      `import { setFlagsFromString } from 'node:v8'; for (const flag of process.argv.slice(2)) setFlagsFromString(flag);`,
    );
    const { code, errors } = await runInNode(path, ['--no-such-flag', '--no-liftoff'], PATIENCE);
    expect(code).toBe(0);
    expect(errors).toContain('--no-such-flag');
    expect(errors).not.toContain('--no-liftoff');
  });

  it('knows a death of its own from one from outside', async () => {
    expect(await runInNode(await script('process.exit(3)'), [], PATIENCE)).toMatchObject({ code: 3, how: 'exit code 3' });
    expect((await runInNode(await script('process.abort()'), [], PATIENCE)).code).not.toBe(0);
    expect((await runInNode(await script('process.abort()'), [], PATIENCE)).code).toBeDefined();
    expect(await runInNode(await script('setInterval(() => {}, 1000)'), [], 300)).toMatchObject({
      code: undefined,
      how: 'no result in 0.3 s',
    });
    const killed = await runInNode(await script(`process.kill(process.pid, 'SIGKILL')`), [], PATIENCE);
    if (process.platform !== 'win32') expect(killed.code).toBeUndefined();
  });
});
