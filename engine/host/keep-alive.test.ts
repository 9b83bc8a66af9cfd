import { describe, expect, it } from 'vitest';
import { keepAlive } from './keep-alive';

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

describe('keepAlive', () => {
  it('holds the process until the promise settles, and no longer', async () => {
    const before = timers();
    let resolve = (_value: number): void => undefined;
    let reject = (_reason: Error): void => undefined;
    const good = keepAlive(new Promise<number>((done) => (resolve = done)));
    expect(timers()).toBe(before + 1);
    const bad = keepAlive(new Promise<number>((_, fail) => (reject = fail)));
    expect(timers()).toBe(before + 2);
    resolve(3);
    reject(new Error('no'));
    expect(await good).toBe(3);
    await expect(bad).rejects.toThrow('no');
    expect(timers()).toBe(before);
  });
});
