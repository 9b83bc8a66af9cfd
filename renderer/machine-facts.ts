import { type ComputedRef, computed } from 'vue';
import { useI18n } from 'vue-i18n';
import type { VmView } from '../main/contract';
import { amountOf } from './amounts';

/** What a VM is made of, in words. */
export function useMachineFacts(vm: () => VmView): Record<'guest' | 'memory' | 'harts' | 'used', ComputedRef<string>> {
  const { t, locale } = useI18n();
  return {
    guest: computed(() => vm().kernel ?? t('machine.defaultGuest')),
    memory: computed(() => {
      const { unit, n } = amountOf(vm().memory);
      return t('machine.memory', { amount: t(`unit.${unit}`, { n }) });
    }),
    harts: computed(() => t('machine.harts', vm().harts)),
    /** The day of its last start. */
    used: computed(() => {
      const { lastUsed } = vm();
      return lastUsed === undefined ? '' : new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium' }).format(lastUsed);
    }),
  };
}
