import { type Ref, shallowRef } from 'vue';
import type { ErrorReport } from '../engine/runner/control';
import type { NetworkLook } from '../main/network-contract';
import { useBoxWatch } from './box-watch';
import { request } from './bridge';
import { type Rate, ratesBetween } from './network-flows';

/** From one look to the next, in milliseconds. */
const EVERY_MS = 1000;

/** The network of a box, looked at each second while the page is there, the window is seen, and `active` says that the box runs. */
export function useNetworkLook(
  id: string,
  active: () => boolean,
): {
  look: Ref<NetworkLook | undefined>;
  rates: Ref<{ flows: Map<string, Rate>; adapters: Map<string, Rate> }>;
  failure: Ref<ErrorReport | undefined>;
  /** Look now. */
  refresh: () => Promise<void>;
} {
  const look = shallowRef<NetworkLook>();
  const rates = shallowRef({ flows: new Map<string, Rate>(), adapters: new Map<string, Rate>() });
  /** What rates are measured against: a look that is asked for in between would make them jump. */
  let mark: { at: number; look: NetworkLook } | undefined;

  async function ask(): Promise<void> {
    const seen = await request('network.look', id);
    const at = performance.now();
    if (!mark || at - mark.at >= EVERY_MS / 2) {
      if (mark) rates.value = ratesBetween(mark.look, seen, (at - mark.at) / 1000);
      mark = { at, look: seen };
    }
    look.value = seen;
  }

  return { look, rates, ...useBoxWatch(ask, active, EVERY_MS) };
}
