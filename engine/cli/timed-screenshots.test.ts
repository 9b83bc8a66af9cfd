import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseTimedScreenshot } from './timed-screenshots';
import { UsageError } from './usage-error';

describe('--screenshot', () => {
  it.each([
    ['20=a.png', 20_000, 'a.png'],
    ['1.5s=a.png', 1500, 'a.png'],
    ['login:=b.png', 'login:', 'b.png'],
    ['x = y=c.png', 'x = y', 'c.png'],
    ['20 seconds=d.png', '20 seconds', 'd.png'],
  ])('%s says when, and which file', (text, when, file) => {
    expect(parseTimedScreenshot(text)).toEqual({ when, file: resolve(file) });
  });

  it.each(['a.png', '=a.png', '20=', ''])("refuses '%s'", (text) => {
    expect(() => parseTimedScreenshot(text)).toThrow(UsageError);
  });
});
