import { describe, expect, it } from 'vitest';
import { asFileName, unfitFileName } from './file-name';

describe('unfitFileName', () => {
  it.each(['con', 'NUL', 'Prn', 'aux.img', 'com0', 'COM9.tar.gz', 'lpt1', 'com¹', 'LPT³.img', 'conin$', 'CONOUT$', 'con .img'])(
    'refuses %s, a device of Windows',
    (name) => {
      expect(unfitFileName(name)).toMatch(/Windows has a device called [A-Z]+[0-9¹²³]?\$?,/);
    },
  );

  it.each(['disk.', 'disk ', '...'])("refuses '%s', whose end Windows drops", (name) => {
    expect(unfitFileName(name)).toMatch(/dots and spaces/);
  });

  it.each([
    ['a:b.img', ':'],
    ['a?b', '?'],
    ['a\\b', '\\'],
    ['a\tb', 'control character U+0009'],
  ])('refuses %j for its character', (name, character) => {
    // Twice: an expression that goes on where it stood would miss the second.
    for (let time = 0; time < 2; time++) expect(unfitFileName(name)).toBe(`Windows allows no ${character} in a name`);
  });

  it.each(['disk.img', 'console', 'com10', 'nul-1', 'my.con', '.hidden', 'Größe 1'])('takes %s', (name) => {
    expect(unfitFileName(name)).toBeUndefined();
  });
});

describe('asFileName', () => {
  it.each([
    ['debian.qcow2', 'debian.qcow2'],
    ['a:b<c>?.img', 'a_b_c__.img'],
    ['..\\up', '.._up'],
    ['aux.img', '_aux.img'],
    ['end. ', 'end_'],
    ['', '_'],
  ])("makes '%s' into '%s'", (text, name) => {
    expect(asFileName(text)).toBe(name);
  });

  it('keeps within what a name may have, and letters whole', () => {
    const name = asFileName('😀'.repeat(100));
    expect(name).toBe('😀'.repeat(50));
  });
});
