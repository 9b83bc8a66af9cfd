import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

let now = 0;
let quickly: typeof import('./quick-calls').quickly;
let leaveToThreads: typeof import('./quick-calls').leaveToThreads;

beforeEach(async () => {
  vi.resetModules();
  ({ quickly, leaveToThreads } = await import('./quick-calls'));
  now = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** A call that takes so long, in ms; how it was made. */
function call(took: number): Promise<'at once' | 'by threads'> {
  return quickly<'at once' | 'by threads'>(
    () => {
      now += took;
      return 'at once';
    },
    () => Promise.resolve('by threads'),
  );
}

describe('what the host is asked', () => {
  it('is asked at once while that takes it microseconds', async () => {
    for (let i = 0; i < 10_000; i++) {
      expect(await call(0.01)).toBe('at once');
      now += 0.02;
    }
  });

  it('is left to threads when the event loop has waited for long', async () => {
    let waited = 0;
    while (waited < 100 && (await call(0.01)) === 'at once') waited += 0.01;
    expect(waited).toBeGreaterThan(4);
    expect(waited).toBeLessThan(9);
    now += 2;
    expect(await call(0.01)).toBe('at once');
  });

  it('is left to threads for twenty times as long as a disk was waited for', async () => {
    expect(await call(8)).toBe('at once');
    let later = 0;
    while (later < 1000 && (await call(0)) === 'by threads') {
      later++;
      now++;
    }
    expect(later).toBeGreaterThan(120);
    expect(later).toBeLessThan(180);
  });

  it('is left to threads for good where it may never answer', async () => {
    leaveToThreads();
    now += 1e9;
    expect(await call(0)).toBe('by threads');
  });

  it('rejects where the call at once throws', async () => {
    const byThreads = vi.fn(() => Promise.resolve());
    await expect(
      quickly(() => {
        throw new Error('no');
      }, byThreads),
    ).rejects.toThrow('no');
    expect(byThreads).not.toHaveBeenCalled();
  });
});
