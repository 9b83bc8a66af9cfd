import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { VirtualMachine } from '../machine/virtual-machine';
import { Ending } from './ending';
import { ENDING_SIGNALS } from '../host/ending-signals';

let told: string[];
let stops: number;
let ending: Ending;
const machine = {
  stop: async () => {
    stops++;
  },
} as Partial<VirtualMachine> as VirtualMachine;
/** Listeners of vitest's own. */
const others = process.stdout.listeners('error');

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  stops = 0;
  ending = new Ending((message) => told.push(message));
});
afterEach(() => {
  ending.release();
  for (const listener of process.stdout.listeners('error')) {
    if (!others.includes(listener)) process.stdout.off('error', listener as () => void);
  }
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe('Ending', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    // Ctrl-Break at a Windows console.
    ['SIGBREAK', 149],
  ] as const)('stops the machine at %s', (signal, code) => {
    ending.watch(machine, undefined);
    process.emit(signal);
    expect([stops, ending.code]).toEqual([1, code]);
  });

  it('does not wait for the machine at a second signal', () => {
    const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never);
    ending.watch(machine, undefined);
    process.emit('SIGBREAK');
    // At the end of a session several come at once.
    process.emit('SIGHUP');
    expect(exit).not.toHaveBeenCalled();
    process.emit('SIGBREAK');
    expect(exit).toHaveBeenCalledWith(149);
  });

  it('waits for who reads its output as long as that one reads', async () => {
    const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never);
    const waiting = vi.spyOn(process.stdout, 'writableLength', 'get').mockReturnValue(3000);
    ending.watch(machine, undefined);
    process.emit('SIGINT');
    await vi.advanceTimersByTimeAsync(50);
    waiting.mockReturnValue(2000);
    await vi.advanceTimersByTimeAsync(50);
    waiting.mockReturnValue(0);
    await vi.advanceTimersByTimeAsync(1000);
    expect(exit).not.toHaveBeenCalled();
    waiting.mockReturnValue(1000);
    await vi.advanceTimersByTimeAsync(50);
    expect(exit).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(50);
    expect(exit).toHaveBeenCalledWith(130);
    vi.clearAllTimers();
  });

  it('lets go of all signals', () => {
    const count = (): number => ENDING_SIGNALS.reduce((sum, signal) => sum + process.listenerCount(signal), 0);
    const before = count();
    ending.release();
    expect(count()).toBe(before - ENDING_SIGNALS.length);
  });

  it.each(['EPIPE', 'EOF', 'EIO'])('ends quietly when nobody reads its output: %s', (code) => {
    ending.watch(machine, undefined);
    process.stdout.emit('error', Object.assign(new Error(`write ${code}`), { code }));
    expect([stops, ending.code, told]).toEqual([1, 141, []]);
  });

  it('fails where its output cannot be written', () => {
    ending.watch(machine, undefined);
    process.stdout.emit('error', Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }));
    expect([stops, ending.code, told]).toEqual([1, 125, []]);
  });
});
