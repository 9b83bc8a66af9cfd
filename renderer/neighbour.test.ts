import { describe, expect, it } from 'vitest';
import { neighbour } from './neighbour';

/** Seven in rows of three. */
const elements = Array.from({ length: 7 }, (_, index) => {
  const element = document.createElement('div');
  const [left, top] = [(index % 3) * 110, Math.floor(index / 3) * 110];
  element.getBoundingClientRect = () => DOMRect.fromRect({ x: left, y: top, width: 100, height: 100 });
  return element;
});
const from = (index: number, key: string): number => {
  const found = neighbour(elements, elements[index], key);
  return found ? elements.indexOf(found as HTMLDivElement) : -1;
};

describe('neighbour', () => {
  it('goes along a row and into the next, and up and down between rows', () => {
    expect([from(2, 'ArrowRight'), from(3, 'ArrowLeft'), from(1, 'ArrowDown'), from(5, 'ArrowUp')]).toEqual([3, 2, 4, 2]);
    expect([from(4, 'Home'), from(4, 'End')]).toEqual([0, 6]);
  });

  it('takes the nearest where a row is shorter, and stops at the edges', () => {
    expect(from(5, 'ArrowDown')).toBe(6);
    expect([from(0, 'ArrowUp'), from(0, 'ArrowLeft'), from(6, 'ArrowDown'), from(6, 'ArrowRight'), from(3, 'x')]).toEqual([
      -1, -1, -1, -1, -1,
    ]);
  });
});
