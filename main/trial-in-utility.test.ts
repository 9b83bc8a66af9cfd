import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { trialInUtility } from './trial-in-utility';

class FakeProcess extends EventEmitter {
  readonly stderr = new PassThrough();
  killed = false;
  kill(): boolean {
    this.killed = true;
    return true;
  }
}

let child: FakeProcess;
let forked: unknown[];
const run = () =>
  trialInUtility(((...args: unknown[]) => {
    forked = args;
    return child;
  }) as never)('trial.js', ['--flag'], 1000);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  child = new FakeProcess();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('trialInUtility', () => {
  it('tells how the process ended and what V8 said', async () => {
    const end = run();
    expect(forked.slice(0, 2)).toEqual(['trial.js', ['--flag']]);
    child.stderr.write('Error: unrecognized flag --flag\n');
    child.emit('exit', 0);
    expect(await end).toEqual({ code: 0, errors: 'Error: unrecognized flag --flag\n', how: 'exit code 0' });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('bears a fatal error of V8', async () => {
    const end = run();
    child.emit('error', 'FatalError', 'v8', '{}');
    child.emit('exit', 133);
    expect(await end).toMatchObject({ code: 133, how: 'exit code 133' });
  });

  it('ends one that comes to no end', async () => {
    const end = run();
    vi.advanceTimersByTime(1000);
    expect(await end).toEqual({ code: undefined, errors: '', how: 'no result in 1 s' });
    expect(child.killed).toBe(true);
  });
});
