import { type VueWrapper, mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { VmState, VmView } from '../../main/contract';
import { useLibrary } from '../stores/library';
import { createTranslations } from '../translations';
import MachineCard from './machine-card.vue';

const off: VmView = { id: 'one', name: 'One', memory: 2 ** 29, harts: 2, state: 'off', unresponsive: false, stalled: false };

let ask: ReturnType<typeof vi.spyOn>;

beforeEach(() => {
  setActivePinia(createPinia());
  ask = vi.spyOn(useLibrary(), 'ask').mockResolvedValue(undefined);
});

function card(change: Partial<VmView> = {}, language = 'en'): VueWrapper {
  return mount(MachineCard, { props: { vm: { ...off, ...change } }, global: { plugins: [createTranslations([language])] } });
}

/** The buttons with words on them, beside the picture. */
function buttons(wrapper: VueWrapper): string[] {
  return wrapper
    .findAll('button')
    .map((button) => button.text())
    .filter(Boolean);
}

describe('machine card', () => {
  it.each<[VmState, string[]]>([
    ['off', ['Start']],
    ['failed', ['Start again']],
    ['broken', ['Check again', 'Show file']],
    ['preparing', ['Cancel']],
    ['starting', ['Force off']],
    ['running', ['Open', 'Shut down']],
    ['paused', ['Resume']],
    ['stopping', ['Force off']],
  ])('offers what a machine that is %s can do', (state, names) => {
    expect(buttons(card({ state }))).toEqual(names);
  });

  it('starts the machine and opens it, unless it is refused', async () => {
    await card().findAll('button')[1].trigger('click');
    expect(ask).toHaveBeenCalledWith('vm.start', 'one');
    await vi.waitFor(() => expect(useLibrary().openId).toBe('one'));
  });

  it('says what failed, with details to copy, and stays', () => {
    const wrapper = card({ state: 'failed', error: { kind: 'Image', message: 'No kernel.', details: 'ENOENT' } });
    const notice = wrapper.get('[role=alert]');
    expect(notice.text()).toContain('No kernel.');
    expect(notice.get('details').text()).toContain('ENOENT');
    expect(notice.get('button').attributes('aria-label')).toBe('Copy');
  });

  it('offers to force off a guest that does not shut down', async () => {
    const wrapper = card({ state: 'stopping', stalled: true });
    const force = wrapper.findAll('button').find((button) => button.classes().includes('button-danger'));
    await force?.trigger('click');
    expect(ask).toHaveBeenCalledWith('vm.force-off', 'one');
  });

  it('shows how far a download is', () => {
    const wrapper = card({ state: 'preparing', progress: { phase: 'download', received: 30 * 2 ** 20, total: 120 * 2 ** 20 } });
    expect(wrapper.text()).toContain('30 MB of 120 MB');
    expect(wrapper.get('[role=progressbar]').attributes('aria-valuenow')).toBe('25');
  });

  it('speaks German', () => {
    expect(card({}, 'de-DE').text()).toContain('512 MB Speicher');
    expect(buttons(card({ state: 'running' }, 'de'))).toEqual(['Öffnen', 'Herunterfahren']);
  });
});
