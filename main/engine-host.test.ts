import { spawnSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import type { Details, MessagePortMain } from 'electron';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type EngineEnd, EngineHost } from './engine-host';

/** Stands for Electron's UtilityProcess, of which no test runs one: it does what the test says. */
class FakeProcess extends EventEmitter {
  pid: number | undefined;
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly calls: string[] = [];

  postMessage(message: { start?: object; call?: string }): void {
    this.calls.push(message.start ? 'start' : (message.call ?? ''));
  }
  kill(): boolean {
    this.calls.push('kill');
    return this.pid !== undefined;
  }
  async spawn(pid: number): Promise<void> {
    this.pid = pid;
    this.emit('spawn');
    await Promise.resolve();
  }
  exit(code: number): void {
    this.emit('exit', code);
    this.pid = undefined;
  }
}

let child: FakeProcess;
let app: EventEmitter;
let logged: string[];
let ends: EngineEnd[];
let host: EngineHost;

beforeEach(() => {
  vi.useFakeTimers();
  child = new FakeProcess();
  app = new EventEmitter();
  logged = [];
  ends = [];
  const write = (...parts: unknown[]): void => void logged.push(parts.join(' '));
  host = new EngineHost('one', '/data', {
    fork: () => child,
    app: app as never,
    log: { info: write, warn: write },
    v8: Promise.resolve({ flags: [] }),
  });
  host.on('gone', (end) => ends.push(end));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** The number of a process that has ended. */
const deadPid = (): number => spawnSync(process.execPath, ['--version']).pid;

describe('EngineHost', () => {
  it('starts the machine when the process is there, and leaves nothing behind when it is gone', async () => {
    expect(child.calls).toEqual([]);
    await child.spawn(4711);
    expect(child.calls).toEqual(['start']);
    child.emit('message', { event: 'heartbeat', data: {} });
    child.exit(0);
    expect(ends).toEqual([{ exitCode: 0, killed: false }]);
    expect(vi.getTimerCount()).toBe(0);
    expect(app.listenerCount('child-process-gone')).toBe(0);
  });

  it('takes V8’s fatal error as the reason of the end, without what the report tells of the environment', async () => {
    await child.spawn(4711);
    const report = {
      header: { event: 'Allocation failed - JavaScript heap out of memory' },
      javascriptStack: { message: 'No stack.' },
      environmentVariables: { TOKEN: 'secret' },
    };
    child.emit('error', 'FatalError', 'v8::ToLocalChecked', JSON.stringify(report));
    expect(ends).toEqual([]);
    child.exit(6);
    const reason = 'FatalError in V8: v8::ToLocalChecked: Allocation failed - JavaScript heap out of memory: No stack.';
    expect(ends).toEqual([{ exitCode: 6, killed: false, reason }]);
    expect(logged.join('\n')).toContain(reason);
    expect(logged.join('\n')).not.toContain('secret');
  });

  it('says what may be the cause where the process was killed', async () => {
    await child.spawn(4711);
    child.exit(9);
    expect(ends).toMatchObject([{ exitCode: 9, killed: false, reason: expect.stringContaining('memory runs out') as string }]);
  });

  it('bears a fatal error of which nothing is told', async () => {
    child.emit('error', 'FatalError');
    child.exit(6);
    expect(ends[0].reason).toBe('FatalError in V8.');
  });

  it('asks first, then kills, and bears that the process has just gone by itself', async () => {
    await child.spawn(deadPid());
    host.end();
    host.end();
    expect(child.calls).toEqual(['start', 'force-off']);
    vi.advanceTimersByTime(4000);
    expect(child.calls).toEqual(['start', 'force-off', 'kill']);
    const kill = vi.spyOn(process, 'kill');
    vi.advanceTimersByTime(4000);
    expect(kill.mock.results).toMatchObject([{ type: 'throw', value: { code: 'ESRCH' } }]);
    child.exit(0);
    expect(ends).toEqual([{ exitCode: 0, killed: true }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not wait for ever for the end of a process that was killed', async () => {
    await child.spawn(deadPid());
    host.end();
    vi.advanceTimersByTime(12_000);
    expect(ends).toMatchObject([{ killed: true, reason: expect.stringContaining('was killed') as string }]);
    child.exit(9);
    expect(ends).toHaveLength(1);
  });

  it('kills a process that was told to end before it was there, and does not start the machine', async () => {
    host.end();
    await child.spawn(4711);
    expect(child.calls).toEqual(['force-off', 'kill']);
    child.exit(0);
    expect(ends).toEqual([{ exitCode: 0, killed: true }]);
  });

  it('ends a process that never came to be, though nobody says that it has gone', async () => {
    host.end();
    vi.advanceTimersByTime(12_000);
    expect(ends).toMatchObject([{ killed: true }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('fails where the operating system launches no process', async () => {
    const details = { type: 'Utility', reason: 'launch-failed', exitCode: 1002, name: 'Hartbox engine (other)' } satisfies Details;
    app.emit('child-process-gone', {}, details);
    expect(ends).toEqual([]);
    app.emit('child-process-gone', {}, { ...details, name: 'Hartbox engine (one)' });
    expect(ends).toEqual([{ exitCode: 1002, killed: false, reason: 'The operating system could not launch the process (error 1002).' }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('fails where the process gives no sign of life, and not once it has', async () => {
    await child.spawn(4711);
    vi.advanceTimersByTime(29_000);
    expect(ends).toEqual([]);
    vi.advanceTimersByTime(1000);
    expect(ends).toMatchObject([{ killed: false, reason: 'The process gave no sign of life for 30 s.' }]);
    expect(child.calls).toEqual(['start', 'kill']);
  });

  it('lets a process live that has once spoken', async () => {
    await child.spawn(4711);
    child.emit('message', { event: 'heartbeat', data: {} });
    vi.advanceTimersByTime(120_000);
    expect(ends).toEqual([]);
  });

  it('sends nothing to a process that is gone, and closes what it was to get', async () => {
    await child.spawn(4711);
    child.exit(0);
    const close = vi.fn();
    await expect(host.client.lend('console', { close } as unknown as MessagePortMain)).rejects.toThrow('no longer to be reached');
    host.end();
    expect(child.calls).toEqual(['start']);
    expect(close).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('says what the box says, and what it may not say goes into the log alone', async () => {
    const heard: unknown[] = [];
    host.client.on('exit', (exit) => heard.push(exit));
    await child.spawn(4711);
    child.emit('message', { event: 'exit', data: { code: 'none' } });
    child.emit('message', 'nonsense');
    expect(logged.filter((line) => line.includes('may not send'))).toHaveLength(2);
    child.emit('message', { event: 'exit', data: { code: 3 } });
    expect(heard).toEqual([{ code: 3 }]);
  });

  it('says when the process falls silent and when it is heard again', async () => {
    const heard: boolean[] = [];
    host.on('responsive', (responsive) => heard.push(responsive));
    await child.spawn(4711);
    child.emit('message', { event: 'heartbeat', data: {} });
    vi.advanceTimersByTime(10_000);
    child.emit('message', { event: 'heartbeat', data: {} });
    expect(heard).toEqual([false, true]);
  });
});
