import { type ComputedRef, computed } from 'vue';
import { useI18n } from 'vue-i18n';
import { SYSTEM_ICONS } from '../engine/settings/app';
import type { VmView } from '../main/contract';
import { amountOf } from './amounts';

/** Forwarded ports that a card has room for. */
const MOST_FORWARDS = 3;

/** What a VM is made of, in words. */
export function useMachineFacts(vm: () => VmView): Record<'guest' | 'memory' | 'harts' | 'network' | 'used', ComputedRef<string>> {
  const { t, locale } = useI18n();
  return {
    /** What it starts from. */
    guest: computed(() => {
      const { source, kernel, disk, icon } = vm();
      if (source === 'linux') return t('machine.defaultGuest');
      if (source !== 'disk') return kernel ?? t(`machine.from.${source}`);
      if (disk !== undefined) return disk;
      // A box that is made of a system of the catalogue has the system's icon.
      return (SYSTEM_ICONS as readonly string[]).includes(icon)
        ? t('machine.from.system', { system: t(`option.icon.choice.${icon}`) })
        : t('machine.from.disk');
    }),
    memory: computed(() => {
      const { unit, n } = amountOf(vm().memory);
      return t('machine.memory', { amount: t(`unit.${unit}`, { n }) });
    }),
    harts: computed(() => t('machine.harts', vm().harts)),
    /** Where it is reached: its first address, and ports of this computer that lead there. */
    network: computed(() => {
      const { addresses, forwards } = vm().network;
      const ports = forwards
        .slice(0, MOST_FORWARDS)
        .map(({ protocol, hostPort, guestPort }) => `${protocol === 'udp' ? 'udp ' : ''}${hostPort} → ${guestPort}`);
      return [...addresses.slice(0, 1), ...ports, ...(forwards.length > MOST_FORWARDS ? ['…'] : [])].join(' · ');
    }),
    /** The day of its last start. */
    used: computed(() => {
      const { lastUsed } = vm();
      return lastUsed === undefined ? '' : new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium' }).format(lastUsed);
    }),
  };
}
