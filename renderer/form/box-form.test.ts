import { describe, expect, it } from 'vitest';
import { optionOf } from '../../engine/settings/settings';
import { createBoxForm } from './box-form';

const harts = optionOf('harts')!;
const memory = optionOf('memory')!;
const GiB = 2 ** 30;

describe('form of a box', () => {
  it('knows what was changed; setting the default is no change', () => {
    const form = createBoxForm({ name: 'One' });
    form.set('harts', 1);
    expect(form.changed.value).toEqual([]);
    form.set('harts', 2);
    expect(form.changed.value).toEqual(['harts']);
    form.discard();
    expect(form.value(harts)).toBe(1);
  });

  it('recommends what the option says for this computer', () => {
    const form = createBoxForm();
    form.host.value = { memory: 16 * GiB, processors: 8 };
    expect(form.recommended(memory)).toBe(2 * GiB);
    expect(form.recommended(harts)).toBe(4);
    expect(form.recommended(optionOf('priority')!)).toBe('normal');
  });

  it('shows the adapter that a box has by itself, and none for a program in machine mode', () => {
    const network = optionOf('network')!;
    const form = createBoxForm();
    expect(form.value(network)).toMatchObject([{ connection: 'nat' }]);
    form.set('source', 'elf');
    expect(form.value(network)).toEqual([]);
  });

  it('shows the switch on of what something was said about, until it is switched off', () => {
    const ai = optionOf('ai')!;
    const form = createBoxForm();
    form.set('aiModels', '/models');
    expect(form.value(ai)).toBe(true);
    form.set('ai', false);
    expect(form.value(ai)).toBe(false);
    expect(form.changed.value).toContain('aiModels');
  });

  it('says what is wrong, at the value', () => {
    const form = createBoxForm({ harts: 'many' });
    expect(form.problemAt('harts')?.code).toBe('setting-count');
    form.set('source', 'kernel');
    form.set('harts', 1);
    expect(form.problemAt('kernel')?.code).toBe('setting-kernel-missing');
  });

  it('does not scold about what was not tried yet', () => {
    const form = createBoxForm({ harts: 0 });
    form.shown.value = new Set();
    expect(form.problemAt('harts')).toBeUndefined();
    form.set('harts', 99);
    expect(form.problemAt('harts')).toBeDefined();
  });

  it('follows the file where nothing was typed, keeps what was, and tells where both changed', () => {
    const form = createBoxForm({ name: 'One', harts: 1, memory: GiB });
    form.set('harts', 2);
    form.set('memory', 2 * GiB);
    expect(form.rebase({ name: 'Two', harts: 4, memory: GiB })).toEqual(['harts']);
    expect(form.draft.value).toEqual({ name: 'Two', harts: 2, memory: 2 * GiB });
    expect(form.changed.value).toEqual(['memory', 'harts']);
    // The same change on both sides is none that would have to be asked about.
    expect(form.rebase({ name: 'Two', harts: 2, memory: GiB })).toEqual([]);
    expect(form.changed.value).toEqual(['memory']);
  });
});
