import { mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, expect, it } from 'vitest';
import type { ErrorReport } from '../../engine/runner/control';
import type { VmView } from '../../main/contract';
import { boxView } from '../../test/support/box-view';
import { useLibrary } from '../stores/library';
import { createTranslations } from '../translations';
import MachineNotices from './machine-notices.vue';

const error: ErrorReport = { kind: 'Image', message: 'Damaged.', details: '' };
const vm = boxView({ state: 'broken', error });

beforeEach(() => {
  setActivePinia(createPinia());
});

it('does not say again why a machine was refused that says so itself', () => {
  useLibrary().refusals = { one: { ...error } };
  const notices = (change: Partial<VmView>) =>
    mount(MachineNotices, { props: { vm: { ...vm, ...change } }, global: { plugins: [createTranslations('en')] } });
  expect(notices({}).find('[role=alert]').exists()).toBe(false);
  expect(notices({ error: undefined }).get('[role=alert]').text()).toBe('Damaged.');
});
