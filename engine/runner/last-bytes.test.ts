import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LastBytes } from './last-bytes';

it('keeps the last bytes, whatever pieces they come in', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 }), (size, pieces) => {
      const last = new LastBytes(size);
      let all = Buffer.alloc(0);
      for (const piece of pieces) {
        last.add(piece);
        all = Buffer.concat([all, piece]);
        expect([...last.all()]).toEqual([...all.subarray(-size)]);
      }
    }),
  );
});
