import { type VueWrapper, mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { AppInfo } from '../../main/contract';
import { boxView } from '../../test/support/box-view';
import { useApp } from '../stores/app';
import BoxItem from './box-item.vue';

beforeEach(() => {
  setActivePinia(createPinia());
  vi.useFakeTimers();
});
afterEach(() => void vi.useRealTimers());

function show(props: { near: boolean; current: boolean }): VueWrapper {
  return mount(BoxItem, { props: { vm: boxView({ name: 'One' }), ...props }, slots: { default: '<p>contents</p>' } });
}
/** As Chromium says it. */
async function tell(wrapper: VueWrapper, skipped: boolean): Promise<void> {
  wrapper.element.dispatchEvent(Object.assign(new Event('contentvisibilityautostatechange'), { skipped }));
  await wrapper.vm.$nextTick();
}

it('has its contents while it is in sight and a little longer, and else its name', async () => {
  const wrapper = show({ near: false, current: false });
  expect(wrapper.text()).toBe('One');
  expect(wrapper.attributes('aria-label')).toBe('One');
  await tell(wrapper, false);
  expect(wrapper.text()).toBe('contents');
  await tell(wrapper, true);
  expect(wrapper.text()).toBe('contents');
  await vi.advanceTimersByTimeAsync(2000);
  await tell(wrapper, false);
  await vi.advanceTimersByTimeAsync(4000);
  expect(wrapper.text()).toBe('contents');
  await tell(wrapper, true);
  await vi.advanceTimersByTimeAsync(4000);
  expect(wrapper.text()).toBe('One');
});

it('has them at once where it begins in sight, or has the keyboard', () => {
  expect(show({ near: true, current: false }).text()).toBe('contents');
  expect(show({ near: false, current: true }).text()).toBe('contents');
});

it('has them for a screen reader, wherever it is', async () => {
  useApp().info = { assistive: true } as AppInfo;
  const wrapper = show({ near: true, current: false });
  await tell(wrapper, true);
  await vi.advanceTimersByTimeAsync(4000);
  expect(wrapper.text()).toBe('contents');
});
