import { useMutationObserver, useResizeObserver } from '@vueuse/core';
import { nextTick, onMounted, type Ref, ref } from 'vue';

/**
 * A bar that is never wider than its window: `parts` are folded away in their order, as few as need be. The bar leaves out what is folded, and
 * a menu offers it. What fits is measured, since it depends on the language and on what there is to show.
 */
export function useFolding<Part extends string>(
  bar: Readonly<Ref<HTMLElement | null>>,
  parts: readonly Part[],
): { isFolded: (part: Part) => boolean } {
  const folded = ref(0);
  const overflows = (): boolean => bar.value !== null && bar.value.scrollWidth > bar.value.clientWidth;
  let isFitting = false;

  /** Before anything is painted: each step waits for Vue alone. What stays in sight is never taken away meanwhile, and so keeps the focus. */
  async function adjust(): Promise<void> {
    if (isFitting) return;
    isFitting = true;
    while (folded.value > 0 && !overflows()) {
      folded.value--;
      await nextTick();
    }
    while (folded.value < parts.length && overflows()) {
      folded.value++;
      await nextTick();
    }
    // What was changed here is no reason to measure again.
    takeRecords();
    isFitting = false;
  }

  useResizeObserver(bar, () => void adjust());
  // A tab that is chosen is written bolder.
  const { takeRecords } = useMutationObserver(bar, () => void adjust(), {
    childList: true,
    subtree: true,
    characterData: true,
    attributeFilter: ['aria-selected'],
  });
  onMounted(async () => {
    await adjust();
    await (document.fonts as FontFaceSet | undefined)?.ready;
    await adjust();
  });

  return { isFolded: (part) => parts.indexOf(part) < folded.value };
}

/** What one can do with a guest's screen, in the order of its buttons. */
export const SCREEN_TOOLS = ['keys', 'clipboard', 'view', 'picture', 'record', 'window', 'full-screen'] as const;
export type ScreenTool = (typeof SCREEN_TOOLS)[number];

/** What the head of a box's page does without, from the first on: buttons go into its menu, the state becomes a dot, and tabs can be scrolled. */
export const HEADER_PARTS = [
  'long-name',
  'power',
  'build',
  'network',
  'inside',
  'state',
  'action-name',
  'name',
  'picture',
  'record',
  'clipboard',
  'window',
  'keys',
  'view',
  'full-screen',
  'action',
  'tabs',
] as const;
export type HeaderPart = (typeof HEADER_PARTS)[number];

/** How long the name there may be. */
export function nameWidth(isFolded: (part: HeaderPart) => boolean): string {
  if (isFolded('name')) return 'max-w-28';
  return isFolded('long-name') ? 'max-w-48' : 'max-w-[50vw]';
}
