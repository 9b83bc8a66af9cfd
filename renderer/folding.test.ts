import { mount } from '@vue/test-utils';
import { describe, expect, it, vi } from 'vitest';
import { defineComponent, h, nextTick, useTemplateRef } from 'vue';
import { useFolding } from './folding';

/** A bar of parts of so many pixels each, in a window of so many. */
const width = 300;
const parts = ['one', 'two', 'three'] as const;
const Bar = defineComponent({
  props: { more: { type: Number, required: true } },
  setup(props) {
    const bar = useTemplateRef<HTMLElement>('bar');
    const { isFolded } = useFolding(bar, parts);
    return () =>
      h(
        'header',
        { ref: 'bar' },
        [...parts.filter((part) => !isFolded(part)), ...Array.from({ length: props.more }, () => 'more')].map((name) => h('i', name)),
      );
  },
});
const shown = (bar: { element: Element }): string[] => [...bar.element.children].map(({ textContent }) => textContent);

describe('a bar', () => {
  it('folds away as little as need be, in order, and unfolds it again', async () => {
    vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockImplementation(() => width);
    vi.spyOn(HTMLElement.prototype, 'scrollWidth', 'get').mockImplementation(function (this: HTMLElement) {
      return Math.max(width, 100 * this.children.length);
    });
    const bar = mount(Bar, { props: { more: 0 }, attachTo: document.body });
    const settled = async (): Promise<string[]> => {
      for (let i = 0; i < 20; i++) await nextTick();
      return shown(bar);
    };
    expect(await settled()).toEqual(['one', 'two', 'three']);
    await bar.setProps({ more: 2 });
    await vi.waitFor(async () => expect(await settled()).toEqual(['three', 'more', 'more']));
    await bar.setProps({ more: 1 });
    await vi.waitFor(async () => expect(await settled()).toEqual(['two', 'three', 'more']));
    // There is no more to fold.
    await bar.setProps({ more: 5 });
    await vi.waitFor(async () => expect(await settled()).toEqual(['more', 'more', 'more', 'more', 'more']));
    await bar.setProps({ more: 0 });
    await vi.waitFor(async () => expect(await settled()).toEqual(['one', 'two', 'three']));
  });
});
