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
  onceGivenBack(() => {
    if (document.activeElement === document.body) home?.();
  });
}

/** Once a dialog or a menu that closes has given the focus back: Reka UI does by a timer that it starts after its event. */
export function onceGivenBack(act: () => void): void {
  setTimeout(() => setTimeout(act));
}
