import { useDocumentVisibility } from '@vueuse/core';
import { onBeforeUnmount, onMounted, type Ref, ref, watch } from 'vue';
import type { ErrorReport } from '../engine/runner/control';
import { errorReport } from './bridge';

/**
 * Ask again and again while the page is there, the window is seen, and `active` says that the box runs; `every` is in milliseconds, from one
 * answer to the next question.
 */
export function useBoxWatch(
  ask: () => Promise<void>,
  active: () => boolean,
  every: number,
): { failure: Ref<ErrorReport | undefined>; refresh: () => Promise<void> } {
  const failure = ref<ErrorReport>();
  const visibility = useDocumentVisibility();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isThere = false;

  async function refresh(): Promise<void> {
    if (!active()) return;
    try {
      await ask();
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
    if (isThere) timer = setTimeout(() => void tick(), every);
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
  return { failure, refresh };
}
