import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DebianPackage } from '../packages';
import { relations, resolveDependencies } from './dependencies';

function indexOf(packages: Record<string, Partial<DebianPackage>>): Map<string, DebianPackage> {
  const defaults = { version: '1', depends: '', preDepends: '', provides: '', conflicts: '', breaks: '', priority: 'optional' };
  const rest = { installedSize: 0, required: false, file: 'x.deb', size: 1, sha256: '' };
  return new Map(Object.entries(packages).map(([name, given]) => [name, { name, ...defaults, ...rest, ...given }]));
}
const resolved = (packages: Record<string, Partial<DebianPackage>>, ...wanted: string[]): string[] =>
  resolveDependencies(indexOf(packages), wanted).map(({ name }) => name);

describe('dependencies', () => {
  it('are read with alternatives, versions and architectures', () => {
    expect(relations('a (>= 1:2-3) | b:any, c(<<2) , , d')).toEqual([
      [{ name: 'a', operator: '>=', version: '1:2-3' }, { name: 'b' }],
      [{ name: 'c', operator: '<<', version: '2' }],
      [{ name: 'd' }],
    ]);
  });

  it('come before what needs them, also where a circle has to be opened', () => {
    const packages = { dash: { required: true }, a: { depends: 'b (>= 1), c:any' }, b: { preDepends: 'a' }, c: {}, unwanted: {} };
    expect(resolved(packages, 'a')).toEqual(['dash', 'b', 'c', 'a']);
  });

  it('take of alternatives the first that fits, unless another is there already', () => {
    const packages = {
      user: { depends: 'first | second' },
      old: { depends: 'first (>= 2) | second' },
      first: {},
      second: {},
      virtual: { depends: 'mail (>= 2)' },
      sender: { provides: 'mail' },
      other: { provides: 'mail (= 2)', priority: 'standard' },
    };
    expect(resolved(packages, 'user')).toContain('first');
    expect(resolved(packages, 'second', 'user')).not.toContain('first');
    expect(resolved(packages, 'old')).toEqual(['second', 'old']);
    // Who provides a name without a version does not do for who asks for one.
    expect(resolved(packages, 'virtual')).toEqual(['other', 'virtual']);
  });

  it('prefer of those who provide a name the more usual', () => {
    const packages = { user: { depends: 'mail' }, a: { provides: 'mail' }, z: { provides: 'mail', priority: 'important' } };
    expect(resolved(packages, 'user')).toEqual(['z', 'user']);
  });

  it('leave out what does not go with the rest, and say so where there is nothing else', () => {
    const packages = {
      user: { depends: 'one | two' },
      one: { conflicts: 'base' },
      two: { breaks: 'base (<< 1)' },
      base: {},
      stubborn: { depends: 'one' },
    };
    expect(resolved(packages, 'base', 'user')).toEqual(['base', 'two', 'user']);
    expect(() => resolved(packages, 'base', 'stubborn')).toThrow(/stubborn depends on it: one is needed.*does not go with the rest/);
    expect(() => resolved({ a: { depends: 'gone (>= 3)' } }, 'a')).toThrow(/a depends on it: gone \(>= 3\) is needed.*does not have it/);
  });

  it('a package that conflicts with a name that it provides itself does not exclude itself', () => {
    expect(resolved({ mta: { provides: 'mail', conflicts: 'mail' } }, 'mta')).toEqual(['mta']);
  });

  it('give a set that lacks nothing, has each once, and in the same order each time', () => {
    const names = 'abcdefghij'.split('');
    const group = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 });
    const suite = fc.record(Object.fromEntries(names.map((name) => [name, fc.array(group, { maxLength: 3 })])));
    fc.assert(
      fc.property(suite, fc.subarray(names, { minLength: 1 }), (depends, wanted) => {
        const packages = Object.fromEntries(
          Object.entries(depends).map(([name, groups]) => [name, { depends: groups.map((one) => one.join(' | ')).join(', ') }]),
        );
        const found = resolved(packages, ...wanted);
        expect(new Set(found).size).toBe(found.length);
        expect(found).toEqual(expect.arrayContaining(wanted));
        for (const name of found) for (const one of depends[name]) expect(one.some((choice) => found.includes(choice))).toBe(true);
        expect(resolved(packages, ...wanted)).toEqual(found);
        // Each behind what it needs, unless that needs it in turn, by whatever way.
        const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
          depends[from].flat().some((next) => {
            if (next === to) return true;
            if (seen.has(next) || !found.includes(next)) return false;
            seen.add(next);
            return reaches(next, to, seen);
          });
        for (const [at, name] of found.entries())
          for (const need of depends[name].flat())
            if (found.includes(need) && need !== name && !reaches(need, name)) expect(found.indexOf(need)).toBeLessThan(at);
      }),
      { numRuns: 200 },
    );
  });
});
