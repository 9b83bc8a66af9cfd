import { useDocumentVisibility } from '@vueuse/core';
import { onBeforeUnmount, onMounted, type Ref, ref, shallowRef, watch } from 'vue';
import type { ErrorReport } from '../engine/runner/control';
import type { NetworkLook } from '../main/network-contract';
import { errorReport, request } from './bridge';
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
  const failure = ref<ErrorReport>();
  const visibility = useDocumentVisibility();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isThere = false;
  /** What rates are measured against: a look that is asked for in between would make them jump. */
  let mark: { at: number; look: NetworkLook } | undefined;

  async function refresh(): Promise<void> {
    if (!active()) return;
    try {
      const seen = await request('network.look', id);
      const at = performance.now();
      if (!mark || at - mark.at >= EVERY_MS / 2) {
        if (mark) rates.value = ratesBetween(mark.look, seen, (at - mark.at) / 1000);
        mark = { at, look: seen };
      }
      look.value = seen;
      failure.value = undefined;
    } catch (error) {
      // It may have been switched off meanwhile, which the page says by itself.
      if (active()) failure.value = errorReport(error);
    }
  }

  async function tick(): Promise<void> {
    clearTimeout(timer);
    if (!isThere || visibility.value !== 'visible' || !active()) return;
    await refresh();
    clearTimeout(timer);
    // The component may be gone by now.
    if (isThere) timer = setTimeout(() => void tick(), EVERY_MS);
  }

  onMounted(() => {
    isThere = true;
    void tick();
  });
  watch([visibility, active], () => void tick());
  onBeforeUnmount(() => {
    isThere = false;
    clearTimeout(timer);
  });
  return { look, rates, failure, refresh };
}
