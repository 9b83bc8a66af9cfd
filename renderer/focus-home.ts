import { onBeforeUnmount, onMounted } from 'vue';

let home: (() => void) | undefined;

/** What is to take the focus in the page that is shown, once whatever had it has gone. */
export function useFocusHome(focus: () => void): void {
  onMounted(() => {
    home = focus;
  });
  onBeforeUnmount(() => {
    if (home === focus) home = undefined;
  });
}

/** A dialog closes. What had the focus before it may have gone meanwhile, with the page that it was on. */
export function afterDialog(): void {
  // Reka UI gives the focus back by a timer that it starts after this event.
  setTimeout(() =>
    setTimeout(() => {
      if (document.activeElement === document.body) home?.();
    }),
  );
}
