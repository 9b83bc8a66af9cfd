import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestTouch } from './guest-touch';

const [KEY, ABS] = [1, 3];
const [TOUCH, X, Y, SLOT, MT_X, MT_Y, ID] = [0x14a, 0, 1, 0x2f, 0x35, 0x36, 0x39];

function guest() {
  const heard: number[][][] = [];
  const touch = new GuestTouch((reports) => {
    for (const report of reports) heard.push(report.map(({ type, code, value }) => [type, code, value]));
  });
  return { heard, touch };
}

describe('GuestTouch', () => {
  it('tells of two fingers that pinch, each in its slot, and of the first also as a single one', () => {
    const { heard, touch } = guest();
    touch.take({ type: 'pointerdown', pointerId: 5 }, 0, 1);
    touch.take({ type: 'pointerdown', pointerId: 9 }, 1, 0);
    touch.take({ type: 'pointermove', pointerId: 9 }, 0.5, 0.5);
    touch.take({ type: 'pointerup', pointerId: 5 }, 0, 1);
    touch.take({ type: 'pointercancel', pointerId: 9 }, 0.5, 0.5);
    expect(heard).toEqual([
      [
        [ABS, SLOT, 0],
        [ABS, ID, 0],
        [ABS, MT_X, 0],
        [ABS, MT_Y, 32767],
        [KEY, TOUCH, 1],
        [ABS, X, 0],
        [ABS, Y, 32767],
      ],
      [
        [ABS, SLOT, 1],
        [ABS, ID, 1],
        [ABS, MT_X, 32767],
        [ABS, MT_Y, 0],
      ],
      [
        [ABS, SLOT, 1],
        [ABS, MT_X, 16384],
        [ABS, MT_Y, 16384],
      ],
      [
        [ABS, SLOT, 0],
        [ABS, ID, -1],
      ],
      [
        [ABS, SLOT, 1],
        [ABS, ID, -1],
        [KEY, TOUCH, 0],
      ],
    ]);
  });

  it('leaves no finger there once it is let go, whatever fingers there were, and none where there is no slot', () => {
    const event = fc.record({ type: fc.constantFrom('pointerdown', 'pointermove', 'pointerup', 'pointercancel'), pointerId: fc.nat(14) });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const { heard, touch } = guest();
        const down = new Set<number>();
        for (const one of events) {
          // A browser does not press a finger that is down.
          if (one.type === 'pointerdown' && down.has(one.pointerId)) continue;
          if (one.type === 'pointerdown') down.add(one.pointerId);
          else if (one.type !== 'pointermove') down.delete(one.pointerId);
          touch.take(one, 2, -1);
        }
        touch.release();
        const slots = new Map<number, number>();
        let [slot, isTouched] = [0, 0];
        for (const [type, code, value] of heard.flat()) {
          if (code === SLOT) slot = value;
          else if (code === ID) slots.set(slot, value);
          else if (type === KEY) isTouched = value;
          expect(slot).toBeLessThan(10);
          expect(code === MT_X || code === X ? value : 32767).toBe(32767);
        }
        expect([...slots.values()].filter((id) => id >= 0)).toEqual([]);
        expect(isTouched).toBe(0);
      }),
    );
  });
});
