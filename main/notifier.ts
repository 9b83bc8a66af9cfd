import type { Locale, VmState, VmView } from './contract';
import type { Machines } from './machines';
import { messages } from './messages';

export interface NotifierOptions {
  machines: Machines;
  /** The user looks at the app, and needs no telling. */
  isSeen: () => boolean;
  isOn: () => boolean;
  show: (note: { title: string; body: string }, vm: string) => void;
  locale: () => Locale;
}

const ON: readonly VmState[] = ['starting', 'running', 'paused'];

/** Tells by the system's notifications what happens to boxes while the user is elsewhere. */
export function notifyOfBoxes({ machines, isSeen, isOn, show, locale }: NotifierOptions): void {
  const before = new Map<string, VmState>();
  machines.on('removed', (id) => before.delete(id));
  machines.on('changed', (vm: VmView) => {
    const was = before.get(vm.id);
    before.set(vm.id, vm.state);
    if (was === undefined || was === vm.state || !isOn() || isSeen()) return;
    const say = messages[locale()].notes;
    // One that was asked to shut down was shutting down before.
    if (vm.state === 'failed') show({ title: say.failed(vm.name), body: vm.error?.message ?? '' }, vm.id);
    else if (vm.state === 'off' && ON.includes(was)) show({ title: say.ended(vm.name), body: '' }, vm.id);
    else if (was === 'preparing' && (vm.state === 'starting' || vm.state === 'running'))
      show({ title: say.prepared(vm.name), body: '' }, vm.id);
  });
}
