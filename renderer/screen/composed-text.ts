/** EditContext, as far as it is used (W3C EditContext API); TypeScript does not know it yet. */
interface TextContext extends EventTarget {
  readonly text: string;
  updateText(start: number, end: number, text: string): void;
  updateSelection(start: number, end: number): void;
}

/**
 * Take the texts that input methods, emoji pickers and the like make while an element has the focus, which without this are made only where text can be typed.
 * Keys that none of them takes are the element's as before, so who handles them prevents their default. Returns what ends it.
 */
export function takeTexts(element: HTMLElement, take: (text: string) => void): () => void {
  const Context = Reflect.get(window, 'EditContext') as (new () => TextContext) | undefined;
  if (!Context) return () => undefined;
  const context = new Context();
  let isComposing = false;
  const finish = (): void => {
    const { text } = context;
    context.updateText(0, text.length, '');
    context.updateSelection(0, 0);
    if (text !== '') take(text);
  };
  context.addEventListener('compositionstart', () => (isComposing = true));
  context.addEventListener('compositionend', () => {
    isComposing = false;
    finish();
  });
  context.addEventListener('textupdate', () => {
    if (!isComposing) finish();
  });
  const place = element as HTMLElement & { editContext: TextContext | null };
  place.editContext = context;
  return () => {
    place.editContext = null;
  };
}
