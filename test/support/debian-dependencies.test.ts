import { expect, it } from 'vitest';
import type { DebianPackage } from '../../engine/images/packages';
import { withDependencies } from './debian-dependencies';

function indexOf(packages: Record<string, Partial<DebianPackage>>): Map<string, DebianPackage> {
  const defaults = { version: '1', depends: '', preDepends: '', provides: '', required: false, file: 'x.deb', size: 1, sha256: '' };
  return new Map(Object.entries(packages).map(([name, fields]) => [name, { ...defaults, name, ...fields }]));
}
const names = (packages: Record<string, Partial<DebianPackage>>, wanted: string[]): string[] =>
  withDependencies(indexOf(packages), wanted)
    .map(({ name }) => name)
    .sort();

it('adds what is required and what is depended on, also in circles', () => {
  const packages = { dash: { required: true }, a: { depends: 'b (>= 1), c:any' }, b: { preDepends: 'a' }, c: {}, unwanted: {} };
  expect(names(packages, ['a'])).toEqual(['a', 'b', 'c', 'dash']);
});

it('takes of alternatives one that is there already, else the first that there is', () => {
  const packages = { a: { depends: 'gone | b | c' }, b: {}, c: {} };
  expect(names(packages, ['a'])).toEqual(['a', 'b']);
  expect(names(packages, ['a', 'c'])).toEqual(['a', 'c']);
});

it('takes packages for the names that they provide', () => {
  const packages = { a: { depends: 'awk' }, gawk: { provides: 'awk (= 1), other' }, mawk: { provides: 'awk' } };
  expect(names(packages, ['a'])).toEqual(['a', 'gawk']);
  expect(names(packages, ['a', 'mawk'])).toEqual(['a', 'mawk']);
});

it('says what is missing, and what needs it', () => {
  expect(() => names({ a: { depends: 'b | c' } }, ['a'])).toThrow('no package b or c, which a depends on');
  expect(() => names({}, ['a'])).toThrow('no package a, which was asked for');
});
