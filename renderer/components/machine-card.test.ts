import { type VueWrapper, mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Locale, VmState, VmView } from '../../main/contract';
import { boxView } from '../../test/support/box-view';
import { createPages } from '../routes';
import { useLibrary } from '../stores/library';
import { createTranslations } from '../translations';
import MachineCard from './machine-card.vue';
import MachineRow from './machine-row.vue';

const off = boxView({ harts: 2 });

let ask: ReturnType<typeof vi.spyOn>;
let pages: ReturnType<typeof createPages>;

beforeEach(() => {
  setActivePinia(createPinia());
  pages = createPages();
  ask = vi.spyOn(useLibrary(), 'ask').mockResolvedValue(undefined);
});

function show(component: typeof MachineCard, change: Partial<VmView> = {}, locale: Locale = 'en'): VueWrapper {
  return mount(component, {
    props: { vm: { ...off, ...change }, current: true, near: true },
    global: { plugins: [createTranslations(locale), pages] },
  });
}

/** The buttons between that which opens the machine and that for its menu. */
function buttons(wrapper: VueWrapper): string[] {
  return wrapper
    .findAll('button')
    .slice(1, -1)
    .map((button) => button.attributes('aria-label') ?? button.text());
}

describe.each([
  ['card', MachineCard],
  ['row', MachineRow],
])('machine %s', (_name, component) => {
  it('says of a start how long the guest has been silent', () => {
    const now = Date.now();
    const boot = { stage: 'kernel', since: now - 300_000, silentSince: now - 185_000 } as const;
    expect(show(component, { state: 'running', boot }).text()).toContain('The guest has been silent for 3 min');
  });

  it.each([0, 3])('says that the guest ended with exit code %i', (exitCode) => {
    expect(show(component, { exitCode }).text()).toContain(`Ended with exit code ${exitCode}`);
  });

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
    expect(buttons(show(component, { state }))).toEqual(names);
  });

  it('starts the machine and opens it, unless it is refused', async () => {
    await show(component).findAll('button')[1].trigger('click');
    await vi.waitFor(() => expect(ask).toHaveBeenCalledWith('vm.start', 'one'));
    await vi.waitFor(() => expect(pages.currentRoute.value.params).toEqual({ id: 'one' }));
  });

  it('says what failed, and a refusal before it', async () => {
    const wrapper = show(component, { state: 'failed', error: { kind: 'Image', message: 'No kernel.', details: 'ENOENT' } });
    expect(wrapper.get('[role=alert]').text()).toBe('No kernel.');
    useLibrary().refusals = { one: { kind: 'State', message: 'Not now.', details: '' } };
    await wrapper.vm.$nextTick();
    expect(wrapper.get('[role=alert]').text()).toBe('Not now.');
  });

  it('asks before it forces a machine off', async () => {
    await show(component, { state: 'stopping', stalled: true }).findAll('button')[1].trigger('click');
    expect(useLibrary().confirming).toEqual({ request: 'vm.force-off', id: 'one' });
    expect(ask).not.toHaveBeenCalled();
  });

  it('shows how far a download is', () => {
    const wrapper = show(component, { state: 'preparing', progress: { phase: 'download', received: 30 * 2 ** 20, total: 120 * 2 ** 20 } });
    expect(wrapper.text()).toContain('30 MB of 120 MB');
    expect(wrapper.get('[role=progressbar]').attributes('aria-valuenow')).toBe('25');
  });

  it.each<[Partial<VmView>, string]>([
    [{ source: 'linux' }, 'Debian kernel with a BusyBox shell'],
    [{ source: 'kernel', kernel: 'Image' }, 'Image'],
    [{ source: 'disk', icon: 'debian' }, 'Debian, from its disk'],
    [{ source: 'disk', icon: 'book' }, 'From its disk'],
    [{ source: 'disk', icon: 'debian', disk: 'trixie.qcow2' }, 'trixie.qcow2'],
  ])('says what it starts from: %o', (change, guest) => {
    expect(show(component, change).find(`[title="${guest}"]`).text()).toContain(guest);
  });

  it('speaks other languages', () => {
    expect(show(component, {}, 'de').text()).toContain('512 MB Speicher');
    expect(buttons(show(component, { state: 'running' }, 'zh-CN'))).toEqual(['打开', '关机']);
  });

  it('keeps its buttons out of the way of Tab unless the keyboard is here', async () => {
    const wrapper = show(component);
    await wrapper.setProps({ current: false });
    expect(wrapper.findAll('button').every((button) => button.attributes('tabindex') === '-1')).toBe(true);
  });

  it('changes the name in its place', async () => {
    const library = useLibrary();
    const rename = vi.spyOn(library, 'rename').mockResolvedValue(undefined);
    const wrapper = show(component);
    library.renaming = 'one';
    await wrapper.vm.$nextTick();
    await wrapper.get('input').setValue('  Two ');
    await wrapper.get('input').trigger('keydown', { key: 'Enter' });
    expect(rename).toHaveBeenCalledExactlyOnceWith('one', 'Two');
    expect(wrapper.find('input').exists()).toBe(false);

    library.renaming = 'one';
    await wrapper.vm.$nextTick();
    await wrapper.get('input').setValue('Three');
    await wrapper.get('input').trigger('keydown', { key: 'Escape' });
    expect(rename).toHaveBeenCalledOnce();
  });
});

describe('the card of a machine that runs', () => {
  const forward = (hostPort: number, protocol: 'tcp' | 'udp' = 'tcp') => ({ protocol, hostAddress: '127.0.0.1', hostPort, guestPort: 80 });

  it('shows where it is reached', () => {
    const network = { addresses: ['10.0.2.15', 'fd00::1'], forwards: [forward(8080), forward(53, 'udp')] };
    const wrapper = show(MachineCard, { state: 'running', network });
    expect(wrapper.find('[data-network]').text()).toBe('10.0.2.15 · 8080 → 80 · udp 53 → 80');
  });

  it('shows some of many ports, and nothing where there is none', () => {
    const network = { addresses: [], forwards: [1, 2, 3, 4].map((port) => forward(port)) };
    expect(show(MachineCard, { network }).find('[data-network]').text()).toBe('1 → 80 · 2 → 80 · 3 → 80 · …');
    expect(show(MachineCard).find('[data-network]').exists()).toBe(false);
  });
});
