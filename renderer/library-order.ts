import type { LibraryLook, VmState, VmView } from '../main/contract';

/** What is at work comes first, then what needs the user. */
const stateOrder: readonly VmState[] = ['running', 'stopping', 'starting', 'preparing', 'paused', 'failed', 'broken', 'off'];

/** The VMs that a search finds, in the order that the user chose; those that are equal there by name. */
export function shownMachines(machines: readonly VmView[], search: string, order: LibraryLook['order'], locale: string): VmView[] {
  const names = new Intl.Collator(locale, { numeric: true, sensitivity: 'base' });
  const rank = (vm: VmView): number => {
    if (order === 'used') return -(vm.lastUsed ?? 0);
    return order === 'state' ? stateOrder.indexOf(vm.state) : 0;
  };
  const words = plain(search).split(/\s+/).filter(Boolean);
  return machines
    .filter((vm) => words.every((word) => plain(`${vm.name} ${vm.id} ${vm.tags.join(' ')}`).includes(word)))
    .sort((a, b) => rank(a) - rank(b) || names.compare(a.name, b.name) || (a.id < b.id ? -1 : 1));
}

/** Without case and accents, in which a search need not agree. */
function plain(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}
