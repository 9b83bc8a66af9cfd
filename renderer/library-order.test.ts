import { describe, expect, it } from 'vitest';
import type { LibraryLook, VmView } from '../main/contract';
import { boxView } from '../test/support/box-view';
import { shownMachines } from './library-order';

const vm = (id: string, change: Partial<VmView> = {}): VmView => boxView({ id, name: id, ...change });
const machines = [
  vm('box-10', { name: 'Box 10', lastUsed: 5 }),
  vm('box-9', { name: 'box 9', state: 'failed' }),
  vm('a', { name: 'Übung', state: 'running', lastUsed: 9 }),
  vm('zed', { name: 'Zed' }),
];
const ids = (search: string, order: LibraryLook['order'] = 'name'): string[] =>
  shownMachines(machines, search, order, 'de').map(({ id }) => id);

describe('shownMachines', () => {
  it('orders by name as people do, by use, and by state', () => {
    expect(ids('')).toEqual(['box-9', 'box-10', 'a', 'zed']);
    expect(ids('', 'used')).toEqual(['a', 'box-10', 'box-9', 'zed']);
    expect(ids('', 'state')).toEqual(['a', 'box-9', 'box-10', 'zed']);
  });

  it('finds by all words of a search, in name and id, whatever case and accents', () => {
    expect(ids('ubung')).toEqual(['a']);
    expect(ids('BOX 1')).toEqual(['box-10']);
    expect(ids('box-9')).toEqual(['box-9']);
    expect(ids('zed box')).toEqual([]);
  });

  it('finds by tags', () => {
    const tagged = [...machines, vm('t', { name: 'T', tags: ['Course', 'work'] })];
    expect(shownMachines(tagged, 'course', 'name', 'en').map(({ id }) => id)).toEqual(['t']);
  });
});
