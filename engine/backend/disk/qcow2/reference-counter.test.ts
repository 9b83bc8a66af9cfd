import { describe, expect, it } from 'vitest';
import { ReferenceCounter } from './reference-counter';

const counter = (): ReferenceCounter => new ReferenceCounter(() => new Error('too many'));

describe('references to clusters', () => {
  it('are counted wherever they are, few and many, and told in order', () => {
    const references = counter();
    const expected = new Map<number, number>();
    const add = (cluster: number, times: number): void => {
      references.add(cluster, times);
      expected.set(cluster, (expected.get(cluster) ?? 0) + times);
    };
    for (let i = 0; i < 3000; i++) add(200_000 + 7 * i, 1 + (i % 3));
    for (let i = 0; i < 100; i++) add(i * 2 ** 30 + (i % 7), 1);
    add(200_007, 5);
    add(2 ** 45, 2);
    add(2 ** 45, -2);
    expected.delete(2 ** 45);
    expect([...references.entries()]).toEqual([...expected].sort(([a], [b]) => a - b));
    expect([references.get(200_007), references.get(200_008), references.get(2 ** 45), references.get(2 ** 30 + 1)]).toEqual([7, 0, 0, 1]);
  });

  it('are bounded where they lie apart, and not where they lie together', () => {
    const references = counter();
    for (let i = 0; i < 70 * 65536; i++) references.add(i, 1);
    expect(references.get(70 * 65536 - 1)).toBe(1);
    expect(() => {
      for (let i = 0; i <= 1 << 22; i++) references.add((100 + i) * 65536, 1);
    }).toThrow('too many');
  });
});
