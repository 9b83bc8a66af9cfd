import { describe, expect, it } from 'vitest';
import { Patience } from './ending-signals';

describe('Patience', () => {
  it('takes several signals at once for one, the same one again or a later one for an order', () => {
    const patience = new Patience();
    expect(patience.note('SIGTERM', 5000)).toBe('first');
    expect(patience.note('SIGHUP', 5001)).toBe('same');
    expect(patience.note('SIGTERM', 5002)).toBe('again');
    expect(patience.note('SIGHUP', 5999)).toBe('same');
    expect(patience.note('SIGHUP', 6000)).toBe('again');
  });
});
