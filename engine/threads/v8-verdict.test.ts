import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { V8_FLAGS } from '../hart/v8-flags';
import { announce, runInNode, type RunTrial, type TrialEnd, v8Verdict } from './v8-verdict';

// Where there is no build, its files have no path.
vi.mock('./built-file', () => ({ builtFile: (name: string) => name }));

const PATIENCE = 20_000;
let directory: string;
let trials: string[][];

const passes = (errors = ''): TrialEnd => ({ output: announce('translated'), errors, how: 'exit code 0' });
const dies: TrialEnd = { output: '', errors: '#\n# Check failed: some_condition.\n#\n', how: 'signal SIGTRAP' };

/** Trials that end so, one after another. */
function ending(...ends: TrialEnd[]): RunTrial {
  return (_script, args) => {
    trials.push(args);
    const end = ends.shift();
    return end ? Promise.resolve(end) : Promise.reject(new Error('one trial too many'));
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
    const verdict = await v8Verdict(directory, ending(passes(errors)));
    expect(verdict).toEqual({ flags: V8_FLAGS.filter((flag) => !/wasm-deopt|ticks-before/.test(flag)) });
    expect(verdict.flags).toHaveLength(V8_FLAGS.length - 2);
    expect(await v8Verdict(directory, ending())).toEqual(verdict);
    expect(trials).toEqual([[...V8_FLAGS]]);
  });

  it('does not take a flag for another whose name goes on', async () => {
    vi.stubEnv('HARTBOX_V8_FLAGS', '--no-liftoff --no-liftoff-only');
    expect((await v8Verdict(directory, ending(passes('Error: unrecognized flag --no-liftoff-only\n')))).flags).toEqual(['--no-liftoff']);
  });

  it('sets no flag where V8 dies of them and of nothing else, says so, and does not try that again', async () => {
    const verdict = await v8Verdict(directory, ending(dies, passes(), dies));
    expect(verdict.flags).toEqual([]);
    expect(verdict.failure).toMatch(/slowly.*V8 \d+\.\d+.*signal SIGTRAP \(Check failed: some_condition\),/);
    expect(await v8Verdict(directory, ending())).toEqual(verdict);
    expect(trials).toEqual([[...V8_FLAGS], [], [...V8_FLAGS]]);
  });

  it('blames no flags where a trial without them fails too, and tries again next time', async () => {
    const starved = { output: '', errors: 'Error: spawn EMFILE', how: 'exit code 1' };
    const verdict = await v8Verdict(directory, ending(starved, starved));
    expect(verdict).toMatchObject({ flags: [], failure: expect.stringContaining('not known whether they work') });
    expect(await v8Verdict(directory, ending(passes()))).toEqual({ flags: V8_FLAGS });
  });

  it('takes the flags where a trial was ended from outside and the next one passes', async () => {
    const killed = { output: '', errors: '', how: 'signal SIGKILL' };
    expect(await v8Verdict(directory, ending(killed, passes(), passes()))).toEqual({ flags: V8_FLAGS });
    expect(await v8Verdict(directory, ending(passes()))).toEqual({ flags: V8_FLAGS });
    expect(trials).toHaveLength(4);
  });

  it('tries again next time where no translated code was run, and does not take any end with 0 for a pass', async () => {
    const busy = { output: announce('interpreted'), errors: '', how: 'exit code 0' };
    const other = { output: 'Welcome\n', errors: '', how: 'exit code 0' };
    expect(await v8Verdict(directory, ending(busy))).toEqual({ flags: V8_FLAGS });
    expect(await v8Verdict(directory, ending(other, passes(), other))).toMatchObject({ flags: [], failure: expect.any(String) });
    expect(await v8Verdict(directory, ending(passes()))).toEqual({ flags: V8_FLAGS });
  });

  it('tries again for another Hartbox or other flags, and where the file is damaged', async () => {
    await v8Verdict(directory, ending(passes()));
    const [name] = await readdir(join(directory, 'engine'));
    const path = join(directory, 'engine', name);
    for (const content of ['{', JSON.stringify({ hartbox: '0.0.1', wanted: V8_FLAGS, verdict: { flags: ['--old'] } })]) {
      await writeFile(path, content);
      expect(await v8Verdict(directory, ending(passes()))).toEqual({ flags: V8_FLAGS });
    }
    vi.stubEnv('HARTBOX_V8_FLAGS', ' --no-liftoff  --other ');
    expect(await v8Verdict(directory, ending(passes()))).toEqual({ flags: ['--no-liftoff', '--other'] });
    expect(trials).toHaveLength(4);
  });

  it('needs no trial where HARTBOX_V8_FLAGS is empty', async () => {
    vi.stubEnv('HARTBOX_V8_FLAGS', '');
    expect(await v8Verdict(directory, ending())).toEqual({ flags: [] });
    expect(trials).toEqual([]);
  });

  it('does without a place to keep what it learned', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    expect(await v8Verdict(file, ending(passes()))).toEqual({ flags: V8_FLAGS });
    expect(await v8Verdict(file, ending(passes()))).toEqual({ flags: V8_FLAGS });
    expect(trials).toHaveLength(2);
  });
});

describe('a trial in Node', () => {
  const script = async (text: string): Promise<string> => {
    const path = join(directory, 'trial.mjs');
    await writeFile(path, text);
    return path;
  };

  it('hands the flags over and collects what the trial and V8 say', async () => {
    const path = await script(
      `import { setFlagsFromString } from 'node:v8'; for (const flag of process.argv.slice(2)) setFlagsFromString(flag); console.log('well');`,
    );
    const { output, errors, how } = await runInNode(path, ['--no-such-flag', '--no-liftoff'], PATIENCE);
    expect({ output, how }).toEqual({ output: 'well\n', how: 'exit code 0' });
    expect(errors).toContain('--no-such-flag');
    expect(errors).not.toContain('--no-liftoff');
  });

  it('tells how the process ended, and ends it where it does not by itself', async () => {
    expect((await runInNode(await script('process.exit(3)'), [], PATIENCE)).how).toBe('exit code 3');
    expect((await runInNode(await script('process.abort()'), [], PATIENCE)).how).toMatch(/^signal SIG|^exit code [^0]/);
    expect((await runInNode(await script('setInterval(() => {}, 1000)'), [], 300)).how).toBe('no result in 0.3 s');
  });

  it('waits for no debugger', async () => {
    vi.stubEnv('NODE_OPTIONS', '--inspect-brk=0');
    expect((await runInNode(await script(`console.log('ran')`), [], PATIENCE)).output).toBe('ran\n');
  });
});
