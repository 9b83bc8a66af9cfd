import { useEventListener } from '@vueuse/core';
import { type Ref, ref } from 'vue';

/** Take files that are dropped on an element: their paths on this computer. `over` while some are held above it. */
export function useFileDrop(target: Ref<HTMLElement | undefined | null>, take: (paths: string[]) => void): { over: Ref<boolean> } {
  const over = ref(false);
  /** Entering a child comes before leaving its parent. */
  let depth = 0;
  const holdsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') === true;

  useEventListener(target, 'dragenter', (event: DragEvent) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth++;
    over.value = true;
  });
  useEventListener(target, 'dragover', (event: DragEvent) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy';
  });
  useEventListener(target, 'dragleave', () => {
    depth = Math.max(0, depth - 1);
    over.value = depth > 0;
  });
  useEventListener(target, 'drop', (event: DragEvent) => {
    depth = 0;
    over.value = false;
    // An inner element has taken it.
    if (event.defaultPrevented || !holdsFiles(event)) return;
    event.preventDefault();
    const paths = [...(event.dataTransfer?.files ?? [])].map((file) => window.hartbox.pathOf(file)).filter((path) => path !== '');
    if (paths.length > 0) take(paths);
  });
  return { over };
}
