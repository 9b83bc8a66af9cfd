import { flushPromises, mount } from '@vue/test-utils';
import { expect, it, vi } from 'vitest';
import { createTranslations } from '../translations';
import HotSpots from './hot-spots.vue';

const { request } = vi.hoisted(() => ({ request: vi.fn() }));
vi.mock('../bridge', () => ({ request, errorReport: (error: unknown) => error }));

it('leaves out what rounds to nothing', async () => {
  const spot = (name: string, share: number) => ({ name, share, privilege: 'supervisor' });
  request.mockResolvedValue({ idle: 0.99, spots: [spot('busy', 0.009), spot('seen', 0.0005), spot('noise', 0.0004)] });
  const spots = mount(HotSpots, { props: { id: 'one' }, global: { plugins: [createTranslations('en')] } });
  await spots.get('button').trigger('click');
  await flushPromises();
  expect(spots.findAll('[data-spot]').map((row) => row.text())).toEqual(['0.9%kernelbusy', '0.1%kernelseen']);
});
