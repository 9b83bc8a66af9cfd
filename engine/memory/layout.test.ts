import { expect, it } from 'vitest';
import * as layout from './layout';

it('no two words of the machine header lie in one place', () => {
  const words = Object.entries(layout).filter(([name]) => name.startsWith('MACHINE_'));
  expect(words.length).toBeGreaterThan(15);
  const names = new Map<number, string>();
  for (const [name, at] of words) {
    expect(names.get(at), `${name} at ${at}`).toBeUndefined();
    names.set(at, name);
  }
  expect(Math.max(...words.map(([, at]) => at))).toBeLessThan(layout.PLIC_BASE);
});
