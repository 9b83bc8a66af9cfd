import { describe, expect, it } from 'vitest';
import { DescriptorShare, guestDescriptors, shareOf } from './guest-descriptors';

const limits = (files: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units\nMax open files            ${files}                 4096                 files\n`;

describe('the descriptors that guests may have', () => {
  it.each([
    ['1024', 768],
    ['1048576', 1048320],
    ['256', 64],
    ['64', 16],
    ['unlimited', Infinity],
  ])('of %s are %i', (files, most) => {
    expect(shareOf(limits(files))).toBe(most);
  });

  it('are all where the host does not say', () => {
    expect(shareOf('')).toBe(Infinity);
    expect(guestDescriptors.most).toBeGreaterThan(0);
  });

  it('are taken, and given back', () => {
    const share = new DescriptorShare(2);
    expect([share.take(), share.take(), share.take()]).toEqual([true, true, false]);
    share.give();
    expect([share.take(), share.take()]).toEqual([true, false]);
  });
});
