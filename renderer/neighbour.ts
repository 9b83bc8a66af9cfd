/**
 * The element to which an arrow key leads from `from`, among elements that lie in rows, all in one or several in each; undefined for other
 * keys, and where there is none.
 */
export function neighbour(elements: readonly Element[], from: Element, key: string): Element | undefined {
  const at = elements.indexOf(from);
  switch (key) {
    case 'Home':
      return elements[0];
    case 'End':
      return elements.at(-1);
    case 'ArrowLeft':
      return elements[at - 1];
    case 'ArrowRight':
      return elements[at + 1];
    case 'ArrowUp':
      return nearest(elements.slice(0, at).reverse(), from, (place, own) => place.bottom <= own.top + 1);
    case 'ArrowDown':
      return nearest(elements.slice(at + 1), from, (place, own) => place.top >= own.bottom - 1);
    default:
      return undefined;
  }
}

/** Of the first row that lies beyond, what is nearest. `candidates` begin with the nearest row. */
function nearest(candidates: readonly Element[], from: Element, beyond: (place: DOMRect, own: DOMRect) => boolean): Element | undefined {
  const own = from.getBoundingClientRect();
  const places = candidates
    .map((element) => ({ element, place: element.getBoundingClientRect() }))
    .filter(({ place }) => beyond(place, own));
  const row = places.filter(({ place }) => Math.abs(place.top - places[0].place.top) <= 1);
  const distance = (place: DOMRect): number => Math.abs(place.left - own.left);
  return row.sort((a, b) => distance(a.place) - distance(b.place)).at(0)?.element;
}
