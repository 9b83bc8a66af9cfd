import { mount } from '@vue/test-utils';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { defineComponent, nextTick, ref } from 'vue';
import type { NetworkLook } from '../main/network-contract';
import { useNetworkLook } from './network-watch';

const nothing: NetworkLook = { adapters: [], forwards: [], flows: [], flowCount: 0 };
const ask = vi.fn(async () => ({ ok: true, value: nothing }));
const active = ref(true);
const show = () =>
  mount(
    defineComponent({
      setup: () => useNetworkLook('a', () => active.value),
      template: '<p>{{ failure?.message }}</p>',
    }),
  );
const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
function see(state: 'visible' | 'hidden'): void {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(state);
  document.dispatchEvent(new Event('visibilitychange'));
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('hartbox', { request: ask });
  ask.mockClear();
  active.value = true;
  see('visible');
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe('a look at the network', () => {
  it('is taken once a second while the page is there', async () => {
    const page = show();
    await pass(10);
    expect(ask.mock.calls).toEqual([['network.look', 'a']]);
    await pass(5000);
    expect(ask).toHaveBeenCalledTimes(6);
    page.unmount();
    await pass(5000);
    expect(ask).toHaveBeenCalledTimes(6);
  });

  it('is not taken of a box that is off, nor while nobody sees the window', async () => {
    active.value = false;
    const page = show();
    await pass(3000);
    expect(ask).not.toHaveBeenCalled();
    active.value = true;
    await nextTick();
    await pass(10);
    expect(ask).toHaveBeenCalledTimes(1);
    see('hidden');
    await pass(5000);
    // One may have been due.
    expect(ask.mock.calls.length).toBeLessThanOrEqual(2);
    see('visible');
    await pass(1010);
    expect(ask.mock.calls.length).toBeGreaterThanOrEqual(3);
    page.unmount();
  });

  it('says why there is none, until there is one', async () => {
    ask.mockResolvedValueOnce({ ok: false, error: { kind: 'State', message: 'it is busy', details: '' } } as never);
    const page = show();
    await pass(10);
    expect(page.text()).toBe('it is busy');
    await pass(1000);
    expect(page.text()).toBe('');
    page.unmount();
  });
});
