import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Rectangle } from './scanout';
import { type PictureUpdate, TileDiffer } from './tile-differ';

const BLACK = 0xff000000;

/** A picture that is drawn on, and somebody who sees only what he is sent. */
class Seen {
  readonly pixels: Uint32Array;
  readonly view: Uint32Array;
  readonly differ: TileDiffer;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.pixels = new Uint32Array(width * height).fill(BLACK);
    this.view = this.pixels.slice();
    this.differ = new TileDiffer(width, height, ({ x, y, width: across, height: lines }, target) => {
      for (let line = 0; line < lines; line++) {
        const at = (y + line) * width + x;
        target.set(this.pixels.subarray(at, at + across), line * across);
      }
    });
  }

  draw({ x, y, width, height }: Rectangle, colour: number): void {
    for (let line = y; line < y + height; line++) this.pixels.fill(colour, line * this.width + x, line * this.width + x + width);
  }

  show({ parts, data }: PictureUpdate): void {
    const words = new Uint32Array(data.buffer, 0, data.length / 4);
    let from = 0;
    for (const { x, y, width, height } of parts)
      for (let line = 0; line < height; line++, from += width)
        this.view.set(words.subarray(from, from + width), (y + line) * this.width + x);
    expect(from).toBe(words.length);
  }

  /** All that there is to be sent. */
  updates(most = 1 << 20): PictureUpdate[] {
    const found: PictureUpdate[] = [];
    for (let update = this.differ.next(most); update; update = this.differ.next(most)) {
      found.push({ parts: update.parts, data: update.data.slice() });
      this.show(update);
    }
    return found;
  }
}

const all = ({ width, height }: Seen): Rectangle => ({ x: 0, y: 0, width, height });

describe('TileDiffer', () => {
  it('sends only the tiles that changed, neighbours together, though all is said to be damaged', () => {
    const seen = new Seen(300, 200);
    seen.draw({ x: 60, y: 70, width: 10, height: 1 }, 0xff0000ff);
    seen.differ.damage(all(seen));
    const [update, ...more] = seen.updates();
    expect(update.parts).toEqual([{ x: 0, y: 64, width: 128, height: 64 }]);
    expect(more).toEqual([]);
    seen.draw({ x: 299, y: 199, width: 1, height: 1 }, 0xff00ff00);
    seen.differ.damage({ x: 299, y: 199, width: 1, height: 1 });
    expect(seen.updates().map(({ parts }) => parts)).toEqual([[{ x: 256, y: 192, width: 44, height: 8 }]]);
  });

  it('sends nothing where nothing changed, and of what changed twice the last', () => {
    const seen = new Seen(128, 64);
    seen.differ.damage(all(seen));
    expect(seen.updates()).toEqual([]);
    for (const colour of [0xff111111, 0xff222222, BLACK]) {
      seen.draw(all(seen), colour);
      seen.differ.damage(all(seen));
    }
    expect(seen.updates()).toEqual([]);
  });

  it('lets the bottom have its turn while the top changes all the time', () => {
    const seen = new Seen(64, 640);
    seen.draw(all(seen), 0xff123456);
    seen.differ.damage(all(seen));
    const rows = new Set<number>();
    for (let i = 0; i < 10; i++) {
      for (const { y } of seen.differ.next(16 << 10)?.parts ?? []) rows.add(y);
      seen.draw({ x: 0, y: 0, width: 64, height: 64 }, 0xff000000 + i);
      seen.differ.damage({ x: 0, y: 0, width: 64, height: 64 });
    }
    expect(rows.size).toBe(10);
  });

  const part = (width: number, height: number) =>
    fc
      .tuple(fc.nat(width - 1), fc.nat(height - 1), fc.nat(width), fc.nat(height))
      .map(([x, y, across, lines]) => ({ x, y, width: Math.min(across, width - x), height: Math.min(lines, height - y) }));

  it('leaves nobody with an old picture, in no message that is too large, however it is drawn and asked for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }).chain((width) =>
          fc.integer({ min: 1, max: 200 }).chain((height) =>
            fc.record({
              width: fc.constant(width),
              height: fc.constant(height),
              most: fc.integer({ min: 16 << 10, max: 80_000 }),
              steps: fc.array(
                fc.record({
                  part: part(width, height),
                  colour: fc.constantFrom(BLACK, 0xff0000ff, 0xffffffff),
                  isAsked: fc.boolean(),
                }),
                { maxLength: 12 },
              ),
            }),
          ),
        ),
        ({ width, height, most, steps }) => {
          const seen = new Seen(width, height);
          for (const step of steps) {
            seen.draw(step.part, step.colour);
            seen.differ.damage(step.part);
            // Not all of it: what is drawn next comes in between.
            const update = step.isAsked ? seen.differ.next(most) : undefined;
            if (update) seen.show(update);
          }
          for (const { data } of seen.updates(most)) expect(data.length).toBeLessThanOrEqual(most);
          expect(Buffer.compare(Buffer.from(seen.view.buffer), Buffer.from(seen.pixels.buffer))).toBe(0);
          seen.differ.damage(all(seen));
          expect(seen.updates(most)).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });
});
