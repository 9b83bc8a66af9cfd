import { useEventListener } from '@vueuse/core';
import { computed, type ComputedRef, onBeforeUnmount, ref, type Ref } from 'vue';
import { request } from './bridge';
import { useScreens } from './stores/screens';

/** A page whose guest may have all of the computer's screen: whether it has, and whether its toolbar is out, which comes where the pointer is at the upper edge. */
export function useFullScreen(
  header: Readonly<Ref<HTMLElement | null>>,
  hasScreen: () => boolean,
): { isWhole: ComputedRef<boolean>; isToolbarOut: Ref<boolean> } {
  const screens = useScreens();
  const isWhole = computed(() => screens.isFullScreen && hasScreen());
  const isToolbarOut = ref(false);
  useEventListener(window, 'pointermove', ({ clientY }: PointerEvent) => {
    if (clientY <= 1) isToolbarOut.value = true;
    else if (clientY > (header.value?.offsetHeight ?? 0)) isToolbarOut.value = false;
  });
  onBeforeUnmount(() => {
    if (isWhole.value) void request('app.set-full-screen', false);
  });
  return { isWhole, isToolbarOut };
}
