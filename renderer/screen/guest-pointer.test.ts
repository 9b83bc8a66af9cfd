import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestPointer } from './guest-pointer';

/** Events as [type, code, value]. */
function guest() {
  const heard: number[][][] = [];
  const devices: string[] = [];
  const pointer = new GuestPointer((device, reports) => {
    devices.push(device);
    for (const report of reports) heard.push(report.map(({ type, code, value }) => [type, code, value]));
  });
  return { heard, devices, pointer };
}
const size = { width: 800, height: 600 };

describe('GuestPointer', () => {
  it('reaches every edge of the screen, and nothing beyond', () => {
    const { heard, pointer } = guest();
    pointer.move(0, 0, size);
    pointer.move(799.9, 599.9, size);
    // No news.
    pointer.move(800, 5000, size);
    pointer.move(-7, 300, size);
    const at = (x: number, y: number) => [
      [3, 0, x],
      [3, 1, y],
    ];
    expect(heard).toEqual([at(0, 0), at(32767, 32767), at(0, Math.round((300 * 32767) / 599))]);
  });

  it('has the guest point at the very pixel, by the rounding of Linux', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 4088 }), fc.nat(4087), (width, x) => {
        fc.pre(x < width);
        const { heard, pointer } = guest();
        pointer.move(x + 0.5, 0, { width, height: 2 });
        // As libinput brings an axis to a screen of pixels 0 to width - 1.
        expect(Math.round((heard[0][0][2] * (width - 1)) / 32767)).toBe(x);
      }),
    );
  });

  it('tells of buttons that change, several at once', () => {
    const { heard, pointer } = guest();
    pointer.buttons(1);
    pointer.buttons(1);
    pointer.buttons(2 | 4);
    pointer.buttons(0);
    expect(heard).toEqual([
      [[1, 0x110, 1]],
      [
        [1, 0x110, 0],
        [1, 0x111, 1],
        [1, 0x112, 1],
      ],
      [
        [1, 0x111, 0],
        [1, 0x112, 0],
      ],
    ]);
  });

  it('tells of parts of notches, and of each whole one', () => {
    const { heard, pointer } = guest();
    pointer.wheel({ deltaX: 0, deltaY: 53, wheelDeltaX: 0, wheelDeltaY: -120 });
    pointer.wheel({ deltaX: 0, deltaY: -25, wheelDeltaX: 0, wheelDeltaY: 80 });
    pointer.wheel({ deltaX: 0, deltaY: -25, wheelDeltaX: 0, wheelDeltaY: 80 });
    pointer.wheel({ deltaX: 10, deltaY: 0, wheelDeltaX: -30, wheelDeltaY: 0 });
    pointer.wheel({ deltaX: 0, deltaY: 0.2 });
    expect(heard).toEqual([
      [
        [2, 11, -120],
        [2, 8, -1],
      ],
      [[2, 11, 80]],
      [
        [2, 11, 80],
        [2, 8, 1],
      ],
      [[2, 12, 30]],
    ]);
  });

  it('is a mouse that says how far it went, and lets go of what the tablet held', () => {
    const { heard, devices, pointer } = guest();
    pointer.buttons(1);
    pointer.device = 'mouse';
    pointer.moveBy(3, 0);
    pointer.moveBy(0.4, -0.4);
    pointer.moveBy(0.4, -0.4);
    pointer.moveBy(0.4, -0.4);
    pointer.buttons(2);
    expect(heard).toEqual([
      [[1, 0x110, 1]],
      [[1, 0x110, 0]],
      [[2, 0, 3]],
      [
        [2, 0, 1],
        [2, 1, -1],
      ],
      [[1, 0x111, 1]],
    ]);
    expect(devices).toEqual(['tablet', 'tablet', 'mouse', 'mouse', 'mouse']);
  });

  it('counts as many notches as parts of them, however it is turned', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -500, max: 500 }), { maxLength: 50 }), (turns) => {
        const { heard, pointer } = guest();
        for (const wheelDeltaY of turns) pointer.wheel({ deltaX: 0, deltaY: 0, wheelDeltaX: 0, wheelDeltaY });
        const sum = (code: number): number =>
          heard
            .flat()
            .filter((event) => event[1] === code)
            .reduce((total, event) => total + event[2], 0);
        expect(sum(11)).toBe(turns.reduce((total, turn) => total + turn, 0));
        expect(Math.abs(sum(11) - 120 * sum(8))).toBeLessThan(120);
      }),
    );
  });
});
