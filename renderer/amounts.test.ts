import { describe, expect, it } from 'vitest';
import { amountOf } from './amounts';

describe('amountOf', () => {
  it.each([
    [0, 'MiB', '0'],
    [512 * 2 ** 20, 'MiB', '512'],
    [2 ** 30, 'GiB', '1'],
    [3840 * 2 ** 20, 'GiB', '3.8'],
  ])('says %d bytes', (bytes, unit, n) => {
    expect(amountOf(bytes)).toEqual({ unit, n });
  });
});
