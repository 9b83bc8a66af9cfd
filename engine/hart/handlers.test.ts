import { describe, expect, it } from 'vitest';
import { compressedSpellings, handlerFor, handlers, SPECIAL_HANDLERS } from './handlers';
import { instructions } from './isa';

describe('handlers', () => {
  it('exist for every compressed spelling there is', () => {
    const all = compressedSpellings(Array.from({ length: 65536 }, (_, field) => field));
    expect(all.size).toBeGreaterThan(30);
    for (const spelling of all) {
      const number = spelling >>> 1;
      const handler = handlers[handlerFor(number, 2, (spelling & 1) === 1, false) - SPECIAL_HANDLERS];
      expect(handler).toMatchObject({ instruction: instructions[number], length: 2 });
    }
  });
});
