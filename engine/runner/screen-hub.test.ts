import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Picture } from '../gpu/picture';
import { Scanout } from '../gpu/scanout';
import { SCREEN_MESSAGE, SCREEN_WINDOW, type ScreenMessage } from './screen-channel';
import { ScreenHub } from './screen-hub';

/** The window's end: it shows what comes, and says so when it is told to. */
class TestWindow extends EventEmitter {
  readonly posted: ScreenMessage[] = [];
  /** How many came that it has not answered. */
  open = 0;
  answers = true;
  size = { width: 0, height: 0 };
  view = new Uint32Array(0);

  postMessage(message: ScreenMessage): void {
    this.posted.push(structuredClone(message));
    this.open++;
    if (message.type === 'size') {
      this.size = { width: message.width, height: message.height };
      this.view = new Uint32Array(message.width * message.height).fill(0xff000000);
    } else if (message.type === 'tiles') {
      expect(message.data.byteLength).toBeLessThanOrEqual(SCREEN_MESSAGE);
      // Posting a part of a buffer would clone the whole.
      expect(message.data.byteLength).toBe(message.data.buffer.byteLength);
      const words = new Uint32Array(message.data.buffer);
      let from = 0;
      for (const { x, y, width, height } of message.parts)
        for (let line = 0; line < height; line++, from += width)
          this.view.set(words.subarray(from, from + width), (y + line) * this.size.width + x);
    }
    if (this.answers) setImmediate(() => this.answer());
  }
  start(): void {
    expect(this.listenerCount('message')).toBe(1);
  }
  close(): void {
    this.emit('close');
  }
  say(message: unknown): void {
    this.emit('message', { data: message });
  }
  answer(): void {
    if (this.open === 0) return;
    this.open--;
    this.say({ type: 'shown' });
  }
}

class TestPicture implements Picture {
  readonly pixels: Uint32Array;
  constructor(
    readonly width: number,
    readonly height: number,
    colour: number,
  ) {
    this.pixels = new Uint32Array(width * height).fill(colour);
  }
  readRow(x: number, y: number, width: number, target: Uint32Array, at: number): void {
    target.set(this.pixels.subarray(y * this.width + x, y * this.width + x + width), at);
  }
}

/** As toEqual, which takes its time for so many. */
const isSame = (one: Uint32Array, other: Uint32Array): boolean => Buffer.compare(Buffer.from(one.buffer), Buffer.from(other.buffer)) === 0;
/** Long enough for several looks. */
/** On a host that is busy. */
const SOON = { timeout: 15_000 };
const aWhile = (): Promise<void> => delay(120);
let screens: Scanout[];
let inputs: unknown[];
let hub: ScreenHub;

function open(): TestWindow {
  const window = new TestWindow();
  hub.connect(window);
  return window;
}
const machine = () => ({ scanouts: screens, input: (device: string, events: unknown) => inputs.push([device, events]) > 0 });

beforeEach(() => {
  screens = [new Scanout({ width: 640, height: 480 }), new Scanout({ width: 640, height: 480 })];
  inputs = [];
  hub = new ScreenHub();
});

describe('ScreenHub', () => {
  it('sends the picture to who looks, what changes later, and nothing while nothing does', async () => {
    const window = open();
    window.say({ type: 'look', screen: 0 });
    hub.attach(machine());
    const picture = new TestPicture(640, 480, 0xff112233);
    screens[0].show(picture);
    await vi.waitFor(() => expect(isSame(window.view, picture.pixels)).toBe(true), SOON);
    await aWhile();
    window.posted.length = 0;
    // What Linux does for a cursor that does not blink.
    screens[0].damage({ x: 0, y: 0, width: 640, height: 480 });
    await aWhile();
    expect(window.posted).toEqual([]);
    picture.pixels[0] = 0xffffffff;
    screens[0].damage({ x: 0, y: 0, width: 640, height: 480 });
    await vi.waitFor(() => expect(isSame(window.view, picture.pixels)).toBe(true), SOON);
    expect(window.posted).toMatchObject([{ type: 'tiles', parts: [{ x: 0, y: 0, width: 64, height: 64 }] }]);
  });

  it('has no more under way than the window takes, and then sends what is there by that time', async () => {
    hub.attach(machine());
    const picture = new TestPicture(1024, 768, 0xff112233);
    screens[0].show(picture);
    const window = open();
    window.answers = false;
    window.say({ type: 'look', screen: 0 });
    await vi.waitFor(() => expect(window.posted).toHaveLength(SCREEN_WINDOW), SOON);
    for (let colour = 0; colour < 100; colour++) {
      picture.pixels.fill(0xff000000 + colour);
      screens[0].damage({ x: 0, y: 0, width: 1024, height: 768 });
    }
    await aWhile();
    expect(window.posted).toHaveLength(SCREEN_WINDOW);
    window.answers = true;
    window.answer();
    await vi.waitFor(() => expect(isSame(window.view, picture.pixels)).toBe(true), SOON);
    const pixels = window.posted
      .slice(SCREEN_WINDOW)
      .reduce((sum, message) => sum + (message.type === 'tiles' ? message.data.length / 4 : 0), 0);
    expect(pixels).toBe(1024 * 768);
  });

  it('sends nothing to who looks away, and then what has changed', async () => {
    hub.attach(machine());
    const picture = new TestPicture(640, 480, 0xff112233);
    screens[0].show(picture);
    const window = open();
    await aWhile();
    expect(window.posted).toEqual([]);
    window.say({ type: 'look', screen: 0 });
    await vi.waitFor(() => expect(window.posted.some(({ type }) => type === 'tiles')).toBe(true), SOON);
    // In the middle of a picture.
    window.say({ type: 'look', screen: null });
    await aWhile();
    const before = window.posted.length;
    picture.pixels.fill(0xffabcdef, 0, 640);
    screens[0].damage({ x: 0, y: 0, width: 640, height: 1 });
    await aWhile();
    expect(window.posted).toHaveLength(before);
    window.say({ type: 'look', screen: 0 });
    await vi.waitFor(() => expect(isSame(window.view, picture.pixels)).toBe(true), SOON);
  });

  it('gives one who comes anew the whole picture, and each his own', async () => {
    hub.attach(machine());
    const picture = new TestPicture(100, 100, 0xff112233);
    screens[0].show(picture);
    screens[1].show(new TestPicture(70, 70, 0xff445566));
    const [first, second] = [open(), open()];
    first.say({ type: 'look', screen: 0 });
    second.say({ type: 'look', screen: 1 });
    await vi.waitFor(() => expect(isSame(first.view, picture.pixels)).toBe(true), SOON);
    await vi.waitFor(() => expect(isSame(second.view, new Uint32Array(70 * 70).fill(0xff445566))).toBe(true), SOON);
    second.say({ type: 'look', screen: 0 });
    await vi.waitFor(() => expect(isSame(second.view, picture.pixels)).toBe(true), SOON);
    first.close();
    second.close();
    for (const event of ['picture', 'damage', 'cursor'] as const) expect(screens[0].listenerCount(event)).toBe(0);
  });

  it('is not drowned by a guest that changes sizes and draws without end', async () => {
    hub.attach(machine());
    const window = open();
    window.say({ type: 'look', screen: 0 });
    const [small, large] = [new TestPicture(64, 64, 0xff112233), new TestPicture(4000, 4000, 0xff445566)];
    const begin = performance.now();
    for (let i = 0; i < 2000; i++) {
      screens[0].show(i % 2 ? small : large);
      screens[0].damage({ x: 0, y: 0, width: 4000, height: 4000 });
      if (i % 20 === 0) await new Promise(setImmediate);
    }
    expect(performance.now() - begin).toBeLessThan(5000);
    expect(window.posted.length).toBeLessThanOrEqual(SCREEN_WINDOW);
    await vi.waitFor(
      () => {
        for (let i = 0; i < SCREEN_WINDOW; i++) window.say({ type: 'shown' });
        const last = window.posted.findLastIndex(({ type }) => type === 'size');
        expect(window.posted[last]).toEqual({ type: 'size', width: 64, height: 64 });
        expect(window.posted.slice(last).some(({ type }) => type === 'tiles')).toBe(true);
      },
      { timeout: 10_000, interval: 50 },
    );
  });

  it('tells of other sizes, and of a screen that goes dark', async () => {
    hub.attach(machine());
    const window = open();
    window.say({ type: 'look', screen: 0 });
    await vi.waitFor(() => expect(window.posted).toContainEqual({ type: 'size', width: 0, height: 0 }), SOON);
    screens[0].show(new TestPicture(64, 64, 0xff112233));
    await vi.waitFor(() => expect(window.size).toEqual({ width: 64, height: 64 }), SOON);
    const larger = new TestPicture(200, 150, 0xff778899);
    screens[0].show(larger);
    await vi.waitFor(() => expect(isSame(window.view, larger.pixels)).toBe(true), SOON);
    screens[0].show(undefined);
    await vi.waitFor(() => expect(window.size).toEqual({ width: 0, height: 0 }), SOON);
  });

  it('keeps quiet of a screen that is dark for a moment, as while a guest changes modes or its box ends', async () => {
    hub.attach(machine());
    const window = open();
    window.say({ type: 'look', screen: 0 });
    const picture = new TestPicture(640, 480, 0xff112233);
    screens[0].show(picture);
    // In the middle of it.
    await vi.waitFor(() => expect(window.posted.some(({ type }) => type === 'tiles')).toBe(true), SOON);
    screens[0].show(undefined);
    await aWhile();
    expect(window.posted.filter(({ type }) => type === 'size')).toHaveLength(1);
    picture.pixels.fill(0xff445566);
    screens[0].show(picture);
    await vi.waitFor(() => expect(isSame(window.view, picture.pixels)).toBe(true), SOON);
    expect(window.posted.filter(({ type }) => type === 'size')).toHaveLength(1);
  });

  it('sends the pointer when it looks otherwise, not where it is', async () => {
    hub.attach(machine());
    const window = open();
    window.say({ type: 'look', screen: 0 });
    const cursor = { width: 2, height: 1, hotX: 1, hotY: 0, pixels: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
    screens[0].setCursor(cursor, { x: 5, y: 5 });
    const { pixels, ...rest } = cursor;
    await vi.waitFor(() => expect(window.posted).toContainEqual({ type: 'cursor', ...rest, data: pixels }), SOON);
    await aWhile();
    window.posted.length = 0;
    screens[0].moveCursor({ x: 6, y: 6 });
    await aWhile();
    expect(window.posted).toEqual([]);
  });

  it('passes on what is typed and wanted, and lets go of keys for one who is gone', () => {
    hub.attach(machine());
    const window = open();
    window.say({ type: 'look', screen: 1 });
    window.say({ type: 'want', width: 801, height: 600, density: 192 });
    expect(screens[1].wanted).toMatchObject({ width: 801, height: 600, density: 192 });
    expect(screens[0].wanted).toMatchObject({ width: 640, height: 480 });
    const key = (code: number, value: number) => [{ type: 1, code, value }];
    window.say({ type: 'input', device: 'keyboard', reports: [key(29, 1), key(30, 1), key(30, 0)] });
    expect(inputs).toEqual([
      ['keyboard', key(29, 1)],
      ['keyboard', key(30, 1)],
      ['keyboard', key(30, 0)],
    ]);
    inputs.length = 0;
    window.close();
    expect(inputs).toEqual([['keyboard', key(29, 0)]]);
    window.say({ type: 'input', device: 'keyboard', reports: [key(30, 1)] });
    expect(inputs).toHaveLength(1);
  });

  it.each([
    [{ type: 'look', screen: -1 }],
    [{ type: 'look', screen: 9 }],
    [{ type: 'want', width: 1e9, height: 600, density: 96 }],
    [{ type: 'input', device: 'joystick', reports: [] }],
    [{ type: 'input', device: 'keyboard', reports: [[{ type: 1, code: 5000, value: 1 }]] }],
    [{ type: 'tiles', parts: [], data: new Uint8Array(0) }],
    ['shown'],
    [null],
  ])('is not impressed by %j', async (message) => {
    hub.attach({ ...machine(), input: () => expect.fail('It was passed on.') });
    screens[0].show(new TestPicture(64, 64, 0xff112233));
    const window = open();
    window.say(message);
    await aWhile();
    expect(window.posted).toEqual([]);
    expect(screens[0].wanted.width).toBe(640);
  });

  it('takes input for a device that the machine lacks as heard by nobody', () => {
    hub.attach({
      scanouts: screens,
      input: () => {
        throw new Error('The machine has no tablet.');
      },
    });
    const window = open();
    window.say({ type: 'input', device: 'tablet', reports: [[{ type: 1, code: 0x110, value: 1 }]] });
    window.close();
  });
});
