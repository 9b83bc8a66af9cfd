import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { shellQuote } from './shell-quote';

it('leaves plain words as they are', () => {
  expect(shellQuote(['ls', '-l', '/tmp/a_b'])).toBe('ls -l /tmp/a_b');
});

it.skipIf(process.platform === 'win32')('keeps any words whole through a shell', () => {
  const word = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (words) => {
      const script = `printf '%s\\0' ${shellQuote(words)}`;
      expect(execFileSync('/bin/sh', ['-c', script]).toString().split('\0').slice(0, -1)).toEqual(words);
    }),
    { numRuns: 30 },
  );
});
