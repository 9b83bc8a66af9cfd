/** EditContext, as far as it is used (W3C EditContext API); TypeScript does not know it yet. */
interface TextContext extends EventTarget {
  readonly text: string;
  updateText(start: number, end: number, text: string): void;
  updateSelection(start: number, end: number): void;
  updateControlBounds(bounds: DOMRect): void;
  updateSelectionBounds(bounds: DOMRect): void;
  updateCharacterBounds(start: number, bounds: DOMRect[]): void;
}

/** How far above the lower edge of the element the line is where the text under way is shown, and how high it is, in CSS pixels. */
export const LINE_BOTTOM = 16;
export const LINE_HEIGHT = 32;

/** Who hears of texts: `show` of what is under way, '' where nothing is, and `take` of what is made of it. */
interface TextTaker {
  take: (text: string) => void;
  show: (text: string) => void;
}

/**
 * Take the texts that input methods, emoji pickers and the like make while an element has the focus, which without this are made only where text can be typed.
 * Keys that none of them takes are the element's as before, so who handles them prevents their default. What an input method offers to choose from appears at
 * the line in the middle of the element's lower edge, as nobody knows where in its picture the text will go. Returns what ends it.
 */
export function takeTexts(element: HTMLElement, { take, show }: TextTaker): () => void {
  const Context = Reflect.get(window, 'EditContext') as (new () => TextContext) | undefined;
  if (!Context) return () => undefined;
  const context = new Context();
  let isComposing = false;
  const finish = (): void => {
    const { text } = context;
    context.updateText(0, text.length, '');
    context.updateSelection(0, 0);
    show('');
    if (text !== '') take(text);
  };
  const line = (): DOMRect => {
    const { left, width, bottom } = element.getBoundingClientRect();
    return new DOMRect(left + width / 2, bottom - LINE_BOTTOM - LINE_HEIGHT, 1, LINE_HEIGHT);
  };
  const locate = (): void => {
    context.updateControlBounds(element.getBoundingClientRect());
    context.updateSelectionBounds(line());
  };
  context.addEventListener('compositionstart', () => {
    isComposing = true;
    locate();
  });
  context.addEventListener('characterboundsupdate', (event) => {
    const { rangeStart, rangeEnd } = event as Event & { rangeStart: number; rangeEnd: number };
    context.updateCharacterBounds(rangeStart, Array.from({ length: rangeEnd - rangeStart }, line));
  });
  context.addEventListener('compositionend', () => {
    isComposing = false;
    finish();
  });
  context.addEventListener('textupdate', () => {
    if (isComposing) show(context.text);
    else finish();
  });
  const place = element as HTMLElement & { editContext: TextContext | null };
  place.editContext = context;
  locate();
  element.addEventListener('focus', locate);
  return () => {
    element.removeEventListener('focus', locate);
    place.editContext = null;
    show('');
  };
}
