import { EventEmitter } from 'node:events';
import type { BrowserWindow } from 'electron';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { boxValuesSchema } from '../engine/settings/settings';
import { CloseGuard } from './close-guard';
import type { CloseChoice } from './contract';
import { boxView } from '../test/support/box-view';
import { TestEngine } from '../test/support/test-engine';
import { Machines } from './machines';

class TestWindow extends EventEmitter {
  isVisible = (): boolean => true;
  show = vi.fn();
  hide = vi.fn();
  readonly webContents = new EventEmitter();
}

let app: EventEmitter & { quit: ReturnType<typeof vi.fn> };
let window: TestWindow;
let machines: Machines;
let engine: TestEngine;
let questions: number;
/** For how long the app waited with all at a standstill, each time; and what it was told. */
let waits: { pids: readonly number[]; milliseconds: number }[];
let goneInTime: boolean;

async function guardOn(
  platform: NodeJS.Platform,
  { started = true, habit = 'ask' }: { started?: boolean; habit?: CloseChoice | 'ask' } = {},
): Promise<CloseGuard> {
  const config = boxValuesSchema.parse({ name: 'One' });
  engine = new TestEngine();
  machines = new Machines({
    library: { list: async () => [{ id: 'one', values: config }], settings: async () => ({ values: config }) },
    startEngine: () => engine,
    findRunning: async () => undefined,
    logFile: () => '',
  });
  const guard = new CloseGuard({
    machines,
    ask: () => {
      questions++;
      return true;
    },
    window: () => window as unknown as BrowserWindow,
    app: app as never,
    dialog: { showMessageBox: () => Promise.reject(new Error('no native question')) },
    locale: () => 'en',
    habit: () => habit,
    platform,
    wait: (pids, milliseconds) => {
      waits.push({ pids, milliseconds });
      return goneInTime;
    },
  });
  guard.guard(window as unknown as BrowserWindow);
  await machines.list();
  if (!started) return guard;
  await machines.start('one');
  engine.client.tell({ state: 'running' });
  return guard;
}

/** As Electron asks before it closes or quits; true if it may go on. */
function goesOn(emitter: EventEmitter, name: string): boolean {
  let prevented = false;
  emitter.emit(name, { preventDefault: () => (prevented = true) });
  return !prevented;
}

beforeEach(() => {
  vi.useFakeTimers();
  app = Object.assign(new EventEmitter(), { quit: vi.fn() });
  window = new TestWindow();
  questions = 0;
  waits = [];
  goneInTime = true;
});
afterEach(() => {
  vi.useRealTimers();
});

describe('CloseGuard', () => {
  it('ends a hidden app with its last machine, but not one whose window is still being opened', async () => {
    window.isVisible = () => false;
    const guard = await guardOn('linux');
    engine.exit();
    expect(app.quit).not.toHaveBeenCalled();
    await machines.start('one');
    await guard.choose('keep-running');
    expect(app.quit).not.toHaveBeenCalled();
    engine.exit();
    expect(app.quit).toHaveBeenCalled();
  });

  it('asks before the window closes on a running machine', async () => {
    await guardOn('linux');
    expect(goesOn(window, 'close')).toBe(false);
    expect([questions, engine.sent]).toEqual([1, []]);
    engine.exit();
    expect(goesOn(window, 'close')).toBe(true);
  });

  it.each(['linux', 'win32', 'darwin'] as const)('ends without a question when the system wants it: on %s', async (platform) => {
    const guard = await guardOn(platform);
    guard.end('SIGTERM');
    // While guests shut down, what else would ask does not.
    expect(goesOn(window, 'close')).toBe(false);
    expect(engine.sent).toEqual(['power-off']);
    expect(goesOn(app, 'before-quit')).toBe(false);
    engine.exit();
    await vi.advanceTimersByTimeAsync(0);
    expect(app.quit).toHaveBeenCalled();
    expect(goesOn(app, 'before-quit')).toBe(true);
    expect(questions).toBe(0);
  });

  it('asks on macOS, where a user can quit; elsewhere to quit is an order', async () => {
    await guardOn('darwin');
    expect(goesOn(app, 'before-quit')).toBe(false);
    expect([questions, engine.sent]).toEqual([1, []]);
    app.removeAllListeners();
    await guardOn('linux');
    expect(goesOn(app, 'before-quit')).toBe(false);
    expect([questions, engine.sent]).toEqual([1, ['power-off']]);
  });

  it('forces a guest off that takes too long, or when told again', async () => {
    const guard = await guardOn('linux');
    guard.end('SIGTERM');
    vi.advanceTimersByTime(3400);
    expect(engine.sent).toEqual(['power-off']);
    vi.advanceTimersByTime(100);
    expect(engine.sent).toEqual(['power-off', 'force-off']);
    guard.end('SIGTERM');
    expect(engine.sent).toEqual(['power-off', 'force-off', 'force-off']);
  });

  it('takes SIGTERM and SIGHUP at once, as at the end of a session, for one order', async () => {
    const guard = await guardOn('linux');
    guard.end('SIGTERM');
    guard.end('SIGHUP');
    expect(engine.sent).toEqual(['power-off']);
    guard.end('SIGTERM');
    expect(engine.sent).toEqual(['power-off', 'force-off']);
  });

  it('goes on when the user changes their mind while guests shut down', async () => {
    const guard = await guardOn('linux');
    expect(goesOn(window, 'close')).toBe(false);
    const leaving = guard.choose('shut-down');
    expect(engine.sent).toEqual(['power-off']);
    await guard.choose('cancel');
    engine.exit();
    await leaving;
    expect(app.quit).not.toHaveBeenCalled();
  });

  it('asks a guest again that has not shut down, and quits once however often it is told to', async () => {
    const guard = await guardOn('linux');
    const choices = [guard.choose('shut-down'), guard.choose('shut-down'), guard.choose('force-off')];
    expect(engine.sent).toEqual(['power-off', 'power-off', 'force-off']);
    engine.exit();
    await Promise.all(choices);
    expect(app.quit).toHaveBeenCalledOnce();
  });

  it('wakes a paused guest to shut it down', async () => {
    const guard = await guardOn('linux');
    engine.client.tell({ state: 'paused' });
    void guard.choose('shut-down');
    expect(engine.sent).toEqual(['power-off']);
  });

  it('quits at once where nothing runs', async () => {
    const guard = await guardOn('linux');
    engine.exit();
    guard.end('SIGTERM');
    await vi.advanceTimersByTimeAsync(0);
    expect(app.quit).toHaveBeenCalled();
  });

  it('shuts guests down before Windows ends the session, though it cannot go on meanwhile', async () => {
    await guardOn('win32');
    window.emit('session-end', {});
    expect(engine.sent).toEqual(['power-off']);
    expect(waits).toEqual([{ pids: [4000], milliseconds: 3500 }]);
    expect(app.quit).toHaveBeenCalledOnce();
    expect(goesOn(app, 'before-quit')).toBe(true);
    expect(questions).toBe(0);
  });

  it('forces off what has not shut down when the session ends, in the five seconds that Windows gives', async () => {
    await guardOn('win32');
    goneInTime = false;
    window.emit('session-end', {});
    expect(engine.sent).toEqual(['power-off', 'force-off']);
    expect(waits.reduce((sum, { milliseconds }) => sum + milliseconds, 0)).toBeLessThan(5000);
    expect(app.quit).toHaveBeenCalledOnce();
  });

  it('ends a hidden app with its last machine, but not one that has had none yet', async () => {
    await (await guardOn('linux')).choose('keep-running');
    window.isVisible = () => false;
    engine.exit();
    expect(app.quit).toHaveBeenCalledOnce();
    app.quit.mockClear();
    await guardOn('linux', { started: false });
    machines.emit('changed', boxView());
    expect(app.quit).not.toHaveBeenCalled();
  });
});

describe('what the user has decided for good', () => {
  it('keeps boxes running without a question, each time; but who quits is asked', async () => {
    const guard = await guardOn('linux', { habit: 'keep-running' });
    expect(goesOn(window, 'close')).toBe(false);
    expect(goesOn(window, 'close')).toBe(false);
    expect([questions, window.hide.mock.calls.length]).toEqual([0, 2]);
    guard.quit();
    expect(questions).toBe(1);
  });

  it('shuts boxes down without a question, and asks who closes the window again meanwhile', async () => {
    await guardOn('linux', { habit: 'shut-down' });
    expect(goesOn(window, 'close')).toBe(false);
    expect(questions).toBe(0);
    await expect.poll(() => machines.active()[0].state).toBe('stopping');
    expect(goesOn(window, 'close')).toBe(false);
    expect(questions).toBe(1);
  });

  it('quits at once where nothing runs', async () => {
    const guard = await guardOn('linux', { started: false, habit: 'keep-running' });
    guard.quit();
    expect(app.quit).toHaveBeenCalled();
  });
});
