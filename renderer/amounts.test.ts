import { describe, expect, it } from 'vitest';
import { amountOf, sizeOf } from './amounts';

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

describe('sizeOf', () => {
  it.each([
    [0, 'B', '0'],
    [1023, 'B', '1023'],
    [1024, 'KiB', '1'],
    [1500, 'KiB', '1.5'],
    [20_000, 'KiB', '20'],
    [2 ** 20 - 1, 'MiB', '1'],
    [3.25 * 2 ** 30, 'GiB', '3.3'],
    [2 ** 60, 'TiB', '1048576'],
  ])('says %d bytes', (bytes, unit, n) => {
    expect(sizeOf(bytes)).toEqual({ unit, n });
  });
});
