import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import { trialInUtility } from './trial-in-utility';

class FakeProcess extends EventEmitter {
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  killed = false;
  kill(): boolean {
    this.killed = true;
    return true;
  }
  exit(code: number): void {
    this.emit('exit', code);
    this.stdout.end();
    this.stderr.end();
  }
}

let child: FakeProcess;
let forked: unknown[];
const run = (patience = 10_000) => {
  const fork = (...args: unknown[]): FakeProcess => {
    forked = args;
    return child;
  };
  return trialInUtility(fork as never, { PATH: '/bin' })('trial.js', ['--flag'], patience);
};

beforeEach(() => {
  child = new FakeProcess();
});

describe('trialInUtility', () => {
  it('tells how the process ended and what it and V8 said', async () => {
    const end = run();
    expect(forked).toEqual(['trial.js', ['--flag'], expect.objectContaining({ env: { PATH: '/bin' }, stdio: 'pipe' })]);
    child.stderr.write('Error: unrecognized flag --flag\n');
    child.stdout.write('good\n');
    child.exit(0);
    expect(await end).toEqual({ output: 'good\n', errors: 'Error: unrecognized flag --flag\n', how: 'exit code 0' });
  });

  it('bears a fatal error of V8', async () => {
    const end = run();
    child.emit('error', 'FatalError', 'v8', '{}');
    child.exit(133);
    expect(await end).toEqual({ output: '', errors: '', how: 'exit code 133' });
  });

  it('ends one that comes to no end', async () => {
    expect(await run(20)).toEqual({ output: '', errors: '', how: 'no result in 0.02 s' });
    expect(child.killed).toBe(true);
  });
});
