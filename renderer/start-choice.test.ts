import { describe, expect, it } from 'vitest';
import { STARTS, startValues, suggestName } from './start-choice';

describe('what a new box starts with', () => {
  const draft = { kernel: '/Image', initrd: '/initrd', append: 'quiet', drives: [{ file: '/data.img' }], harts: 2 };

  it.each([
    ['linux', { source: 'linux', append: 'quiet', drives: draft.drives, harts: 2 }],
    ['disk', { source: 'disk', drives: [{ file: '/os' }, ...draft.drives], harts: 2 }],
    ['iso', { source: 'disk', drives: [{ file: '/os', media: 'cdrom' }, ...draft.drives], harts: 2 }],
    ['kernel', { source: 'kernel', ...draft }],
    ['elf', { source: 'elf', kernel: '/Image', drives: draft.drives, harts: 2 }],
  ] as const)('%s leaves out what belongs to other choices', (start, values) => {
    expect(STARTS).toContain(start);
    expect(startValues(start, '/os', draft)).toEqual(values);
  });

  it.each([
    ['/images/debian-13-riscv64.qcow2', 'debian-13-riscv64'],
    ['C:\\Images\\Alpine.iso', 'Alpine'],
    ['.iso', '.iso'],
    [undefined, 'Linux 3'],
  ])('names it after %s', (file, name) => {
    expect(suggestName(file, 'Linux', ['linux', 'Linux 2'])).toBe(name);
  });
});
