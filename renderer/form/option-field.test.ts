import { type VueWrapper, flushPromises, mount } from '@vue/test-utils';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { OPTIONS, optionOf } from '../../engine/settings/settings';
import { createTranslations } from '../translations';
import { BOX_FORM, type BoxForm, type Values, createBoxForm } from './box-form';
import OptionField from './option-field.vue';

const GiB = 2 ** 30;

function field(key: string, initial: Values = {}, locale: 'en' | 'de' | 'zh-CN' = 'en'): { form: BoxForm; wrapper: VueWrapper } {
  const form = createBoxForm(initial);
  form.host.value = { memory: 16 * GiB, processors: 8 };
  form.box.value = 'one';
  const wrapper = mount(OptionField, {
    props: { option: optionOf(key)! },
    global: { plugins: [createTranslations(locale)], provide: { [BOX_FORM as symbol]: form } },
    attachTo: document.body,
  });
  return { form, wrapper };
}

let answers: Record<string, unknown> = {};
vi.stubGlobal('hartbox', {
  request: async (name: string) => ({ ok: true, value: answers[name] }),
  on: () => () => undefined,
  pathOf: (file: File) => file.name,
});
afterEach(() => {
  document.body.innerHTML = '';
  answers = {};
});

describe('field of an option', () => {
  it.each(OPTIONS.map((option) => option.key))('shows %s with its name, its meaning, and something that the name belongs to', (key) => {
    const { wrapper } = field(key);
    const label = wrapper.get('label');
    expect(label.text()).toBe(optionOf(key)!.label);
    expect(wrapper.find(`#${label.attributes('for')}`).exists()).toBe(true);
    expect(wrapper.get(`#${label.attributes('for')}-help`).text().length).toBeGreaterThan(5);
  });

  it('stands at the head of a long list of choices, and in the middle beside what is one line', () => {
    expect(field('extensionsOff').wrapper.get('[data-option]').classes()).not.toContain('items-center');
    expect(field('jit').wrapper.get('[data-option]').classes()).toContain('items-center');
  });

  it('takes sizes in a unit, and keeps what cannot be read', async () => {
    const { form, wrapper } = field('memory', { memory: 2 * GiB });
    const input = wrapper.get('input');
    expect(input.element.value).toBe('2');
    await input.setValue('3');
    expect(form.draft.value['memory']).toBe(3 * GiB);
    await wrapper.get('select').setValue('M');
    expect(input.element.value).toBe('3072');
    await input.setValue('much');
    expect(form.draft.value['memory']).toBe('much');
    expect(wrapper.get('[role=alert]').text()).toBe("Expected a size from 16 MB to 3840 MB in whole M, not 'much'.");
    expect(input.attributes('aria-invalid')).toBe('true');
  });

  it('shares folders that are dropped on it, and nothing else', async () => {
    const { form, wrapper } = field('shares', { shares: [{ folder: '/one' }] });
    const drop = async (path: string, problem?: string): Promise<void> => {
      answers['box.probe-file'] = { path, kind: 'unknown', size: 0, problem };
      const dataTransfer = { types: ['Files'], files: [new File([], path)] };
      wrapper.get('ol').element.dispatchEvent(Object.assign(new Event('drop', { bubbles: true, cancelable: true }), { dataTransfer }));
      await flushPromises();
    };
    await flushPromises();
    await drop('/two', 'folder');
    expect(form.draft.value['shares']).toEqual([{ folder: '/one' }, { folder: '/two' }]);
    await drop('notes.txt');
    expect(form.draft.value['shares']).toHaveLength(2);
    expect(wrapper.get('[role=alert]').text()).toBe('notes.txt is no folder.');
  });

  it('shares the folder that is picked, and says nothing is wrong before there is one', async () => {
    answers['box.pick-file'] = null;
    const { form, wrapper } = field('shares');
    const add = wrapper.findAll('button').find((one) => one.text() === 'Share a folder…');
    await add?.trigger('click');
    await flushPromises();
    expect(wrapper.find('[role=alert]').exists()).toBe(false);
    expect(form.draft.value['shares']).toBeUndefined();
    answers['box.pick-file'] = '/here';
    answers['box.probe-file'] = { path: '/here', kind: 'unknown', size: 0, problem: 'folder' };
    await add?.trigger('click');
    await vi.waitFor(() => expect(form.draft.value['shares']).toEqual([{ folder: '/here' }]));
    expect(wrapper.get('[data-option="shares.0.folder"] input').attributes('placeholder')).toBe('Path of a folder, or drop it here');
    expect(wrapper.find('[role=alert]').exists()).toBe(false);
  });

  it('steps counts within their limits', async () => {
    const { form, wrapper } = field('harts', { harts: 15 });
    const [less, more] = wrapper.findAll('button');
    await more.trigger('click');
    expect(form.draft.value['harts']).toBe(16);
    expect(more.attributes('disabled')).toBeDefined();
    await less.trigger('click');
    await wrapper.get('input').trigger('keydown', { key: 'ArrowDown' });
    expect(form.draft.value['harts']).toBe(14);
  });

  it('takes what is recommended for this computer', async () => {
    const { form, wrapper } = field('memory', { memory: GiB });
    const button = wrapper.findAll('button').find((one) => one.text().startsWith('Recommended: 2 GB for this computer'));
    await button?.trigger('click');
    expect(form.draft.value['memory']).toBe(2 * GiB);
    expect(wrapper.text()).not.toContain('Recommended:');
  });

  it('goes back to what is usual', async () => {
    const { form, wrapper } = field('priority', { priority: 'low' });
    await wrapper
      .findAll('button')
      .find((one) => one.text().startsWith('Reset to Normal'))
      ?.trigger('click');
    expect(form.draft.value['priority']).toBeUndefined();
    expect(wrapper.get<HTMLInputElement>('input[value=normal]').element.checked).toBe(true);
  });

  it('marks what was changed, and what waits for a restart', async () => {
    const { form, wrapper } = field('harts', { harts: 1 });
    form.running.value = true;
    expect(wrapper.text()).not.toContain('After a restart');
    await wrapper.get('input').setValue('2');
    expect(wrapper.text()).toContain('After a restart');
    expect(wrapper.text()).toContain('changed');
  });

  it('lets a choice be a file', async () => {
    answers['box.pick-file'] = '/firmware.bin';
    const { form, wrapper } = field('firmware');
    await wrapper.get('select').setValue('(file)');
    await wrapper
      .findAll('button')
      .find((one) => one.text() === 'Browse…')
      ?.trigger('click');
    await vi.waitFor(() => expect(form.draft.value['firmware']).toBe('/firmware.bin'));
    await wrapper.get('select').setValue('uboot');
    expect(form.draft.value['firmware']).toBe('uboot');
  });

  it('collects words and takes them away again', async () => {
    const { form, wrapper } = field('tags');
    const input = wrapper.get('input');
    await input.setValue(' one, two ,one');
    await input.trigger('keydown', { key: 'Enter' });
    expect(form.draft.value['tags']).toEqual(['one', 'two']);
    await input.trigger('keydown', { key: 'Backspace' });
    expect(form.draft.value['tags']).toEqual(['one']);
  });

  it('keeps several choices in their order', async () => {
    const { form, wrapper } = field('virtio');
    const [first, second] = wrapper.findAll('input');
    await second.setValue(true);
    await first.setValue(true);
    expect(form.draft.value['virtio']).toEqual(['packed', 'in-order']);
  });

  it('describes items of fw_cfg', async () => {
    const { form, wrapper } = field('fwCfg');
    await wrapper
      .findAll('button')
      .find((one) => one.text() === 'Add item')
      ?.trigger('click');
    await wrapper.get('input').setValue('opt/x');
    await wrapper.get('select').setValue('file');
    expect(form.draft.value['fwCfg']).toEqual([{ name: 'opt/x', file: '' }]);
  });

  it('adds, orders and removes drives, each with its options', async () => {
    answers['box.pick-file'] = '/disc.iso';
    const { form, wrapper } = field('drives', { drives: [{ file: '/disk.qcow2' }] });
    const button = (name: string): ReturnType<typeof wrapper.get> =>
      wrapper.findAll('button').find((one) => one.text() === name || one.attributes('aria-label') === name)!;
    await button('Add disc…').trigger('click');
    await vi.waitFor(() => expect(form.draft.value['drives']).toEqual([{ file: '/disk.qcow2' }, { file: '/disc.iso', media: 'cdrom' }]));
    await button('Move disc.iso up').trigger('click');
    expect(form.draft.value['drives']).toMatchObject([{ file: '/disc.iso' }, { file: '/disk.qcow2' }]);
    await button('Options of disk.qcow2').trigger('click');
    await wrapper.get('[data-option="drives.1.serial"] input').setValue('X1');
    expect(form.draft.value['drives']).toMatchObject([{}, { file: '/disk.qcow2', serial: 'X1' }]);
    await wrapper.get('[data-option="drives.1.serial"] input').setValue('');
    expect(form.draft.value['drives']).toEqual([{ file: '/disc.iso', media: 'cdrom' }, { file: '/disk.qcow2' }]);
    await wrapper.get('[data-option="drives.1.serial"] input').setValue('far too long for a serial');
    expect(wrapper.get('[data-option="drives.1.serial"] [role=alert]').text()).toContain('Expected text of 0 to 20 characters');
    await button('Remove disk.qcow2').trigger('click');
    expect(form.draft.value['drives']).toHaveLength(1);
  });

  it('adds and removes network adapters, each with its options', async () => {
    const { form, wrapper } = field('network');
    const button = (name: string): ReturnType<typeof wrapper.get> =>
      wrapper.findAll('button').find((one) => one.text() === name || one.attributes('aria-label') === name)!;
    // There is one unless it is taken away.
    expect(wrapper.text()).toContain('Adapter 1');
    await button('Remove Adapter 1').trigger('click');
    expect(form.draft.value['network']).toEqual([]);
    expect(wrapper.text()).toContain('No network adapter');
    await button('Add adapter').trigger('click');
    expect(form.draft.value['network']).toEqual([{ connection: 'nat' }]);
    await wrapper.get('[data-option="network.0.mtu"] input').setValue('67');
    expect(wrapper.get('[data-option="network.0.mtu"] [role=alert]').text()).toContain('from 68 to 65535');
    await wrapper.get('[data-option="network.0.mtu"] input').setValue('9000');
    await wrapper
      .get('[data-option="network.0.connection"] select, [data-option="network.0.connection"] input[value="stream"]')
      .setValue('stream');
    await wrapper.get('[data-option="network.0.connect"] input').setValue(':1234');
    expect(form.draft.value['network']).toEqual([{ connection: 'stream', connect: ':1234', mtu: 9000 }]);
    await button('Options of Adapter 1').trigger('click');
    await button('Remove Adapter 1').trigger('click');
    expect(form.draft.value['network']).toEqual([]);
  });

  it.each([
    ['de', 'Arbeitsspeicher', 'Erwartet wird eine Größe von 16 MB bis 3840 MB in ganzen MB.'],
    ['zh-CN', '内存', '应为 16 MB 到 3840 MB 之间的大小，以整 MB 为单位。'],
  ] as const)('speaks %s', (locale, label, problem) => {
    const { wrapper } = field('memory', { memory: 5 }, locale);
    expect(wrapper.get('label').text()).toBe(label);
    expect(wrapper.get('[role=alert]').text()).toBe(problem);
  });
});
