import type { PowerSaveBlocker } from 'electron';
import type { VmView } from './contract';
import type { Machines } from './machines';

/** How often it is looked whether a guest works, in milliseconds. */
const INTERVAL_MS = 10_000;
/** Instructions a second, of all harts together, from which on a guest works; Linux at its prompt executes some 0.1 million. */
const BUSY = 5e6;

/**
 * macOS slows down an app that nobody sees (App Nap), and sleeps when the user does nothing. Neither may be while a guest works. Electron has
 * one assertion against both, held by the app as a whole; whether a nap would reach its engine processes Apple does not say. An idle or
 * paused guest is no reason to keep a notebook awake.
 */
export function keepAwake(machines: Machines, blocker: Pick<PowerSaveBlocker, 'start' | 'stop'>, platform = process.platform): void {
  if (platform !== 'darwin') return;
  const watched = new Set<string>();
  const busy = new Set<string>();
  let held: number | undefined;
  const update = (): void => {
    if (busy.size > 0) held ??= blocker.start('prevent-app-suspension');
    else if (held !== undefined) {
      blocker.stop(held);
      held = undefined;
    }
  };
  machines.on('changed', ({ id, state }: VmView) => {
    if (state === 'running' && !watched.has(id)) {
      watched.add(id);
      machines.reportStatistics(id, INTERVAL_MS);
    }
    if (state === 'off' || state === 'failed') watched.delete(id);
    if (state !== 'running' && state !== 'stopping') busy.delete(id);
    update();
  });
  machines.on('statistics', (id, { seconds, harts }) => {
    const instructions = harts.reduce((sum, hart) => sum + (hart.instructions ?? 0), 0);
    if (instructions > BUSY * seconds) busy.add(id);
    else busy.delete(id);
    update();
  });
}
