import { describe, expect, it } from 'vitest';
import { formatBytes, parseSeconds, parseSize } from './quantities';
import { UsageError } from './usage-error';

describe('parseSize', () => {
  it.each([
    ['512M', 512 * 2 ** 20],
    ['512', 512 * 2 ** 20],
    ['1g', 2 ** 30],
    ['1.5G', 1.5 * 2 ** 30],
    ['2GiB', 2 ** 31],
    ['65536K', 64 * 2 ** 20],
    ['256 MB', 256 * 2 ** 20],
  ])('reads %s', (text, bytes) => {
    expect(parseSize('--memory', text)).toBe(bytes);
  });

  it.each(['', 'M', '-1M', '1P', '12X', '1e3M', '0x10', '99999999999999999G', '1.0001K'])("refuses '%s' and names the option", (text) => {
    expect(() => parseSize('--memory', text)).toThrow(UsageError);
    expect(() => parseSize('--memory', text)).toThrow(/--memory expects a size/);
  });
});

describe('parseSeconds', () => {
  it('gives milliseconds', () => {
    expect(parseSeconds('--timeout', '1.5')).toBe(1500);
  });

  it('refuses nothing, zero, and what no timer can take', () => {
    for (const text of ['', '0', '-3', 'soon', '1e9', '9999999999']) expect(() => parseSeconds('--timeout', text)).toThrow(UsageError);
  });
});

describe('formatBytes', () => {
  it('says sizes as people do', () => {
    expect([512, 1025, 16 * 2 ** 20, 512 * 2 ** 20, 2 ** 30, 1.5 * 2 ** 30].map(formatBytes)).toEqual([
      '512 bytes',
      '2 KiB',
      '16 MiB',
      '512 MiB',
      '1 GiB',
      '1.5 GiB',
    ]);
  });
});
