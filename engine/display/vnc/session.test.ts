import { constants, createInflate, deflateSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Random } from '../../../test/support/random';
import type { Picture } from '../../gpu/picture';
import { Scanout } from '../../gpu/scanout';
import { unpacked } from './cut-text';
import { answerTo } from './password';
import { formatPixelFormat, OWN_FORMAT, type PixelFormat } from './pixel-format';
import type { InputReport, Seat, SharedText } from './seat';
import { VncSession } from './session';

/** A screen whose pixels the test has. */
class Canvas implements Picture {
  readonly pixels: Uint32Array;
  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.pixels = new Uint32Array(width * height).fill(0xff000000);
  }
  readRow(x: number, y: number, width: number, target: Uint32Array, at: number): void {
    target.set(this.pixels.subarray(y * this.width + x, y * this.width + x + width), at);
  }
  fill(x: number, y: number, width: number, height: number, colour: (i: number) => number): void {
    for (let row = y; row < y + height; row++)
      for (let column = x; column < x + width; column++)
        this.pixels[row * this.width + column] = (0xff000000 | colour(row * this.width + column)) >>> 0;
  }
}

/** A client that keeps a picture by what it is told, written from the specification alone. */
class Viewer {
  readonly session: VncSession;
  readonly reports: [string, InputReport][] = [];
  /** The guest's clipboard. */
  text: string | undefined;
  copy: () => void = () => undefined;
  reads = 0;
  listens = false;
  readonly seat: Seat;
  isClosed = false;
  isBusy = false;
  width = 0;
  height = 0;
  pixels: number[] = [];
  bytes = 0;
  kinds: number[] = [];
  cursor: { hotX: number; hotY: number; width: number; height: number; mask: Buffer } | undefined;
  sizes: { why: number; how: number; width: number; height: number }[] = [];
  format = OWN_FORMAT;
  private received = Buffer.alloc(0);
  private waiting: { bytes: number; take: (bytes: Buffer) => void } | undefined;
  private readonly inflate = createInflate({ finishFlush: constants.Z_SYNC_FLUSH });

  constructor(
    readonly scanout: Scanout,
    password?: string,
  ) {
    this.seat = {
      name: 'Test',
      scanout,
      hasKeyboard: true,
      hasTablet: true,
      input: (device, report) => this.reports.push([device, report]),
      text: this.shared(),
    };
    const isBusy = (): boolean => this.isBusy;
    this.session = new VncSession(
      this.seat,
      {
        send: (bytes) => this.arrive(Buffer.from(bytes)),
        close: () => (this.isClosed = true),
        get isBusy() {
          return isBusy();
        },
      },
      { password },
    );
  }

  private shared(): SharedText {
    const hasText = (): boolean => this.text !== undefined;
    return {
      get hasText() {
        return hasText();
      },
      read: () => {
        this.reads++;
        return Promise.resolve(this.text);
      },
      offer: (text) => (this.text = text),
      onCopy: (listener) => {
        this.copy = listener;
        this.listens = true;
        return () => (this.listens = false);
      },
    };
  }

  /** A message about the client's clipboard; below zero it is one of the extension. */
  cut(length: number, data: Buffer): void {
    const head = Buffer.from([6, 0, 0, 0, 0, 0, 0, 0]);
    head.writeInt32BE(length, 4);
    this.say(head, data);
  }
  extended(flags: number, data = Buffer.alloc(0)): void {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(flags >>> 0);
    this.cut(-(4 + data.length), Buffer.concat([head, data]));
  }
  /** The next message of the server, which is about its own. */
  async told(): Promise<{ flags?: number; data: Buffer }> {
    const head = await this.take(8);
    expect(head[0]).toBe(3);
    const length = head.readInt32BE(4);
    if (length >= 0) return { data: await this.take(length) };
    const data = await this.take(-length);
    return { flags: data.readUInt32BE(0), data: data.subarray(4) };
  }

  arrive(bytes: Buffer): void {
    this.received = Buffer.concat([this.received, bytes]);
    this.bytes += bytes.length;
    this.look();
  }

  take(bytes: number): Promise<Buffer> {
    return new Promise((take) => {
      this.waiting = { bytes, take };
      this.look();
    });
  }

  say(...pieces: (number | number[] | Buffer)[]): void {
    this.session.receive(Buffer.concat(pieces.map((piece) => (typeof piece === 'number' ? Buffer.from([piece]) : Buffer.from(piece)))));
  }

  async enter({ version = 'RFB 003.008\n', password = '' } = {}): Promise<void> {
    expect((await this.take(12)).toString()).toBe('RFB 003.008\n');
    this.say(Buffer.from(version));
    const [, type] = await this.take(2);
    this.say(type);
    if (type === 2) this.say(answerTo(await this.take(16), password));
    expect((await this.take(4)).readUInt32BE()).toBe(0);
    this.say(1);
    const head = await this.take(24);
    [this.width, this.height] = [head.readUInt16BE(0), head.readUInt16BE(2)];
    this.pixels = Array.from({ length: this.width * this.height }, () => 0);
    expect((await this.take(head.readUInt32BE(20))).toString()).toBe('Test - Hartbox');
  }

  encodings(...list: number[]): void {
    const bytes = Buffer.alloc(4 + 4 * list.length);
    bytes[0] = 2;
    bytes.writeUInt16BE(list.length, 2);
    for (const [i, encoding] of list.entries()) bytes.writeInt32BE(encoding, 4 + 4 * i);
    this.say(bytes);
  }

  setFormat(format: PixelFormat): void {
    this.format = format;
    this.say([0, 0, 0, 0], formatPixelFormat(format));
  }

  ask(isIncremental = true): void {
    const bytes = Buffer.from([3, isIncremental ? 1 : 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.writeUInt16BE(this.width, 6);
    bytes.writeUInt16BE(this.height, 8);
    this.say(bytes);
  }

  /** One whole update. */
  async update(): Promise<void> {
    const head = await this.take(4);
    expect(head[0]).toBe(0);
    for (let parts = head.readUInt16BE(2); parts > 0; parts--) await this.part();
  }

  private async part(): Promise<void> {
    const head = await this.take(12);
    const [x, y, width, height] = [0, 2, 4, 6].map((at) => head.readUInt16BE(at));
    const encoding = head.readInt32BE(8);
    this.kinds.push(encoding);
    const { bytes } = this.format;
    if (encoding === 0) {
      const data = await this.take(bytes * width * height);
      const { redMax, redShift, greenMax, greenShift, blueMax, blueShift } = this.format;
      const colours = (redMax << redShift) | (greenMax << greenShift) | (blueMax << blueShift);
      for (let i = 0; i < width * height; i++)
        this.put(x + (i % width), y + Math.floor(i / width), (this.pixelAt(data, bytes * i, bytes) & colours) >>> 0);
    } else if (encoding === 16) {
      const data = await this.take((await this.take(4)).readUInt32BE());
      this.zrle(await this.inflated(data), x, y, width, height);
    } else if (encoding === -239) {
      const stride = Math.ceil(width / 8);
      await this.take(bytes * width * height);
      this.cursor = { hotX: x, hotY: y, width, height, mask: await this.take(stride * height) };
    } else if (encoding === -308 || encoding === -223) {
      if (encoding === -308) {
        const screen = await this.take(20);
        expect([screen[0], screen.readUInt16BE(12), screen.readUInt16BE(14)]).toEqual([1, width, height]);
      }
      this.sizes.push({ why: x, how: y, width, height });
      if (width !== this.width || height !== this.height) this.pixels = Array.from({ length: width * height }, () => 0);
      [this.width, this.height] = [width, height];
    } else expect(encoding).toBe(-258);
  }

  private inflated(data: Buffer): Promise<Buffer> {
    return new Promise((resolve) => {
      const chunks: Buffer[] = [];
      const take = (chunk: Buffer): number => chunks.push(chunk);
      this.inflate.on('data', take);
      this.inflate.write(data);
      this.inflate.flush(constants.Z_SYNC_FLUSH, () => {
        this.inflate.off('data', take);
        resolve(Buffer.concat(chunks));
      });
    });
  }

  private zrle(data: Buffer, left: number, top: number, wide: number, high: number): void {
    let at = 0;
    const { bytes } = this.format;
    const bytesOf = bytes === 4 ? 3 : bytes;
    const pixel = (): number => {
      at += bytesOf;
      return this.pixelAt(data, at - bytesOf, bytesOf);
    };
    const length = (): number => {
      let sum = 1;
      for (;;) {
        const octet = data[at++];
        sum += octet;
        if (octet !== 255) return sum;
      }
    };
    for (let y = top; y < top + high; y += 64) {
      for (let x = left; x < left + wide; x += 64) {
        const [width, height] = [Math.min(64, left + wide - x), Math.min(64, top + high - y)];
        const tile: number[] = [];
        const kind = data[at++];
        if (kind === 0) for (let i = 0; i < width * height; i++) tile.push(pixel());
        else if (kind === 1) tile.push(...Array.from({ length: width * height }, () => -1).fill(pixel()));
        else if (kind <= 16) {
          const palette = Array.from({ length: kind }, pixel);
          const bits = kind === 2 ? 1 : kind <= 4 ? 2 : 4;
          for (let row = 0; row < height; row++) {
            for (let column = 0; column < width; column++) {
              const octet = data[at + Math.floor((column * bits) / 8)];
              tile.push(palette[(octet >> (8 - bits - ((column * bits) % 8))) & ((1 << bits) - 1)]);
            }
            at += Math.ceil((width * bits) / 8);
          }
        } else if (kind === 128) {
          while (tile.length < width * height) {
            const value = pixel();
            tile.push(...Array.from({ length: length() }, () => value));
          }
        } else {
          expect(kind).toBeGreaterThanOrEqual(130);
          const palette = Array.from({ length: kind - 128 }, pixel);
          while (tile.length < width * height) {
            const octet = data[at++];
            const value = palette[octet & 127];
            tile.push(...Array.from({ length: octet & 128 ? length() : 1 }, () => value));
          }
        }
        expect(tile).toHaveLength(width * height);
        for (const [i, value] of tile.entries()) this.put(x + (i % width), y + Math.floor(i / width), value);
      }
    }
    expect(at).toBe(data.length);
  }

  private put(x: number, y: number, value: number): void {
    this.pixels[y * this.width + x] = value;
  }

  private pixelAt(data: Buffer, at: number, bytes: number): number {
    return this.format.isBigEndian ? data.readUIntBE(at, bytes) : data.readUIntLE(at, bytes);
  }

  private look(): void {
    const { waiting } = this;
    if (!waiting || this.received.length < waiting.bytes) return;
    const taken = this.received.subarray(0, waiting.bytes);
    this.received = this.received.subarray(waiting.bytes);
    this.waiting = undefined;
    waiting.take(taken);
  }
}

/** What a client with that format has to see of a picture. */
function seen(canvas: Canvas, { redMax, greenMax, blueMax, redShift, greenShift, blueShift }: PixelFormat): number[] {
  const part = (value: number, max: number, shift: number): number => Math.round((value * max) / 255) * 2 ** shift;
  return [...canvas.pixels].map(
    (word) =>
      part(word & 0xff, redMax, redShift) +
      part((word >>> 8) & 0xff, greenMax, greenShift) +
      part((word >>> 16) & 0xff, blueMax, blueShift),
  );
}

const screen = (width: number, height: number): { scanout: Scanout; canvas: Canvas } => {
  const scanout = new Scanout({ width: 640, height: 480 });
  const canvas = new Canvas(width, height);
  scanout.show(canvas);
  return { scanout, canvas };
};

const FORMATS: PixelFormat[] = [
  OWN_FORMAT,
  { ...OWN_FORMAT, isBigEndian: true, redShift: 0, blueShift: 16 },
  { bytes: 2, isBigEndian: false, redMax: 31, greenMax: 63, blueMax: 31, redShift: 11, greenShift: 5, blueShift: 0 },
  { bytes: 1, isBigEndian: false, redMax: 7, greenMax: 7, blueMax: 3, redShift: 0, greenShift: 3, blueShift: 6 },
];

let viewer: Viewer | undefined;
afterEach(() => viewer?.session.end());

describe('a client of VNC', () => {
  it('sees what the guest draws, in each encoding and format', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          width: fc.integer({ min: 64, max: 200 }),
          height: fc.integer({ min: 64, max: 150 }),
          encoding: fc.constantFrom(0, 16),
          format: fc.constantFrom(...FORMATS),
          seed: fc.nat(),
        }),
        async ({ width, height, encoding, format, seed }) => {
          const random = new Random(seed);
          const { scanout, canvas } = screen(width, height);
          viewer = new Viewer(scanout);
          await viewer.enter();
          viewer.encodings(encoding);
          viewer.setFormat(format);
          viewer.ask(false);
          await viewer.update();
          for (let round = 0; round < 4; round++) {
            const [x, y] = [random.below(width), random.below(height)];
            const [wide, high] = [1 + random.below(width - x), 1 + random.below(height - y)];
            // From flat to noise, by how many colours there are.
            const colours = Array.from({ length: random.pick([1, 2, 3, 9, 17, 100, 5000]) }, () => random.below(1 << 24));
            const run = random.pick([1, 1, 3, 300]);
            canvas.fill(x, y, wide, high, (i) => colours[Math.floor(i / run) % colours.length]);
            scanout.damage({ x, y, width: wide, height: high });
            viewer.ask(round !== 3);
            await viewer.update();
            expect(viewer.pixels).toEqual(seen(canvas, format));
          }
          viewer.session.end();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is told only of tiles that are otherwise, and of nothing where nothing is', async () => {
    const { scanout, canvas } = screen(640, 480);
    viewer = new Viewer(scanout);
    await viewer.enter();
    viewer.encodings(16);
    viewer.ask(false);
    await viewer.update();
    canvas.fill(70, 70, 5, 5, () => 0x123456);
    scanout.damage({ x: 0, y: 0, width: 640, height: 480 });
    const before = viewer.bytes;
    viewer.ask();
    await viewer.update();
    expect(viewer.bytes - before).toBeLessThan(200);
    scanout.damage({ x: 0, y: 0, width: 640, height: 480 });
    viewer.ask();
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(viewer.bytes - before).toBeLessThan(200);
    expect(viewer.pixels).toEqual(seen(canvas, OWN_FORMAT));
  });

  it('gets no more while it does not take what there is, and then the newest', async () => {
    const { scanout, canvas } = screen(128, 128);
    viewer = new Viewer(scanout);
    await viewer.enter();
    viewer.encodings(16);
    viewer.ask(false);
    await viewer.update();
    viewer.isBusy = true;
    viewer.ask();
    for (let i = 1; i <= 50; i++) {
      canvas.fill(0, 0, 128, 128, () => i);
      scanout.damage({ x: 0, y: 0, width: 128, height: 128 });
    }
    const before = viewer.bytes;
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(viewer.bytes).toBe(before);
    viewer.isBusy = false;
    viewer.session.drained();
    await viewer.update();
    expect(viewer.pixels).toEqual(seen(canvas, OWN_FORMAT));
  });

  it('follows the size of the screen, and asks for one', async () => {
    const { scanout } = screen(200, 100);
    viewer = new Viewer(scanout);
    await viewer.enter();
    viewer.encodings(16, -308);
    viewer.ask(false);
    await viewer.update();
    expect(viewer.sizes).toEqual([{ why: 0, how: 0, width: 200, height: 100 }]);
    viewer.ask(false);
    await viewer.update();
    const larger = new Canvas(300, 120);
    larger.fill(0, 0, 300, 120, (i) => i);
    scanout.show(larger);
    viewer.ask();
    await viewer.update();
    expect(viewer.sizes.at(-1)).toEqual({ why: 0, how: 0, width: 300, height: 120 });
    viewer.ask();
    await viewer.update();
    expect(viewer.pixels).toEqual(seen(larger, OWN_FORMAT));
    const wish = Buffer.alloc(24);
    wish.set([251, 0, 3, 32, 2, 88, 1]);
    viewer.say(wish);
    expect(scanout.wanted).toMatchObject({ width: 800, height: 600 });
    viewer.ask();
    await viewer.update();
    expect(viewer.sizes.at(-1)).toEqual({ why: 1, how: 4, width: 300, height: 120 });
  });

  it('keeps its size where it can have no other: what is beyond is black', async () => {
    const { scanout } = screen(200, 100);
    viewer = new Viewer(scanout);
    await viewer.enter();
    viewer.encodings(0);
    viewer.ask(false);
    await viewer.update();
    const smaller = new Canvas(70, 70);
    smaller.fill(0, 0, 70, 70, () => 0xffffff);
    scanout.show(smaller);
    viewer.ask(false);
    await viewer.update();
    expect([viewer.width, viewer.pixels.filter((value) => value === 0xffffff)]).toEqual([200, expect.objectContaining({ length: 4900 })]);
    scanout.show(undefined);
    viewer.ask();
    await viewer.update();
    expect(viewer.pixels.every((value) => value === 0)).toBe(true);
  });

  it('gets the pointer that the guest has the host draw', async () => {
    const { scanout } = screen(100, 100);
    const pixels = new Uint8Array(4 * 9 * 2);
    pixels.set([255, 255, 255, 255], 4 * 8);
    viewer = new Viewer(scanout);
    await viewer.enter();
    viewer.encodings(16, -239);
    scanout.setCursor({ width: 9, height: 2, pixels, hotX: 3, hotY: 1 }, { x: 0, y: 0 });
    viewer.ask(false);
    await viewer.update();
    expect(viewer.cursor).toEqual({ hotX: 3, hotY: 1, width: 9, height: 2, mask: Buffer.from([0, 0x80, 0, 0]) });
    scanout.setCursor(undefined, { x: 0, y: 0 });
    viewer.ask();
    await viewer.update();
    expect(viewer.cursor).toMatchObject({ width: 0, height: 0 });
  });

  it('types by what keys print and by where they are, points, turns the wheel, and lets all go when it leaves', async () => {
    const { scanout } = screen(101, 51);
    viewer = new Viewer(scanout);
    await viewer.enter();
    const keysym = (value: number, isDown: boolean): void => {
      const bytes = Buffer.alloc(8);
      bytes.set([4, isDown ? 1 : 0]);
      bytes.writeUInt32BE(value, 4);
      viewer?.say(bytes);
    };
    const keys = (): unknown[] => {
      const list = viewer?.reports.splice(0) ?? [];
      return list.flatMap(([, report]) => report.map(({ type, code, value }) => [type, code, value]));
    };
    keysym(0x61, true);
    keysym(0x61, true);
    keysym(0x61, false);
    expect(keys()).toEqual([
      [1, 30, 1],
      [1, 30, 0],
    ]);
    keysym(0x41, true);
    expect(keys()).toEqual([
      [1, 42, 1],
      [1, 30, 1],
      [1, 42, 0],
    ]);
    // 0x38 with 0xe0 before: the right Alt, whatever it prints.
    viewer.say([255, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xb8]);
    viewer.say([5, 0b1001, 0, 100, 0, 25]);
    viewer.say([5, 0b0001, 0, 0, 0, 0]);
    expect(keys()).toEqual([
      [1, 100, 1],
      [3, 0, 32767],
      [3, 1, 16384],
      [1, 0x110, 1],
      [2, 8, 1],
      [2, 11, 120],
      [3, 0, 0],
      [3, 1, 0],
    ]);
    viewer.session.end();
    expect(keys()).toEqual([
      [1, 30, 0],
      [1, 100, 0],
      [1, 0x110, 0],
    ]);
  });

  it('shares its clipboard with the guest: plain text, and all letters where it knows of the extension', async () => {
    const viewer = new Viewer(new Scanout({ width: 64, height: 64 }));
    await viewer.enter();
    viewer.cut(6, Buffer.from('caf\xe9\r\n', 'latin1'));
    expect(viewer.text).toBe('café\n');
    viewer.text = 'naïve 字';
    viewer.copy();
    expect(await viewer.told()).toEqual({ data: Buffer.from('na\xefve ?', 'latin1') });

    const [CAPABILITIES, REQUEST, PEEK, NOTIFY, PROVIDE, TEXT] = [1 << 24, 1 << 25, 1 << 26, 1 << 27, 1 << 28, 1];
    viewer.encodings(-0x3f5e1a32);
    expect(await viewer.told()).toEqual({ flags: CAPABILITIES | REQUEST | PEEK | NOTIFY | PROVIDE | TEXT, data: Buffer.alloc(4) });
    viewer.extended(CAPABILITIES | NOTIFY | REQUEST | PROVIDE | TEXT, Buffer.alloc(4));
    // The client has copied something, and hands it out when it is asked.
    viewer.extended(NOTIFY | TEXT);
    expect(await viewer.told()).toMatchObject({ flags: REQUEST | TEXT });
    const text = Buffer.from('字 and\r\nlines\0');
    const whole = Buffer.concat([Buffer.from([0, 0, 0, text.length]), text]);
    // As TigerVNC does: the stream goes on.
    viewer.extended(PROVIDE | TEXT, deflateSync(whole, { finishFlush: constants.Z_SYNC_FLUSH }));
    await vi.waitFor(() => expect(viewer.text).toBe('字 and\nlines'));
    // The guest has: who asks gets it, and so often.
    const reads = viewer.reads;
    viewer.text = 'ganz\nneu 字';
    viewer.isBusy = true;
    for (let i = 0; i < 100; i++) viewer.copy();
    viewer.isBusy = false;
    viewer.session.drained();
    expect(await viewer.told()).toMatchObject({ flags: NOTIFY | TEXT });
    expect(viewer.reads).toBe(reads);
    viewer.extended(PEEK);
    expect(await viewer.told()).toMatchObject({ flags: NOTIFY | TEXT });
    for (let i = 0; i < 100; i++) viewer.extended(REQUEST | TEXT);
    const { flags, data } = await viewer.told();
    expect(flags).toBe(PROVIDE | TEXT);
    const provided = inflateSync(data);
    expect(provided.readUInt32BE(0)).toBe(provided.length - 4);
    expect(provided.subarray(4).toString()).toBe('ganz\r\nneu 字\0');
    await viewer.told();
    expect(viewer.reads).toBe(reads + 2);

    // What is none, or grows without end, changes nothing; who has gone hears nothing.
    viewer.text = 'stays';
    viewer.extended(PROVIDE | TEXT, Buffer.from('nonsense'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(viewer.text).toBe('stays');
    await expect(unpacked(deflateSync(Buffer.alloc(4 << 20)))).resolves.toBe('');
    await expect(unpacked(deflateSync(Buffer.alloc(5 << 20)))).rejects.toThrow();
    await expect(unpacked(Buffer.alloc(0))).rejects.toThrow();
    const { bytes } = viewer;
    viewer.session.end();
    viewer.copy();
    expect(viewer.bytes).toBe(bytes);
    expect(viewer.listens).toBe(false);
  });

  it('comes in with the right password alone', async () => {
    vi.useFakeTimers();
    try {
      viewer = new Viewer(screen(64, 64).scanout, 'geheim');
      await viewer.take(12);
      viewer.say(Buffer.from('RFB 003.008\n'));
      expect([...(await viewer.take(2))]).toEqual([1, 2]);
      viewer.say(2);
      viewer.say(answerTo(await viewer.take(16), 'falsch'));
      viewer.say(Buffer.alloc(1000));
      await vi.advanceTimersByTimeAsync(2000);
      expect((await viewer.take(8)).readUInt32BE(0)).toBe(1);
      expect(viewer.isClosed).toBe(true);
    } finally {
      vi.useRealTimers();
    }
    viewer = new Viewer(screen(64, 64).scanout, 'geheim');
    await viewer.enter({ password: 'geheim' });
    expect(viewer.width).toBe(64);
  });

  it('is harmed by nothing that it says', async () => {
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(fc.constantFrom(0, 2, 3, 4, 5, 6, 251, 255, 150, 248), fc.uint8Array({ minLength: 0, maxLength: 64 }))
        .map(([type, rest]) => Uint8Array.from([type, ...rest])),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 60 }), fc.boolean(), async (messages, isIn) => {
        const { scanout, canvas } = screen(96, 80);
        const client = new Viewer(scanout);
        if (isIn) await client.enter();
        else client.say(Buffer.from('RFB 003.003\n'), 1);
        for (const [i, bytes] of messages.entries()) {
          client.say(Buffer.from(bytes));
          canvas.fill(0, 0, 96, 80, () => i);
          scanout.damage({ x: 0, y: 0, width: 96, height: 80 });
        }
        await new Promise((resolve) => setImmediate(resolve));
        client.session.end();
        expect([client.isClosed, scanout.listenerCount('damage'), scanout.wanted.width <= 4088]).toEqual([true, 0, true]);
      }),
      { numRuns: 300 },
    );
  });
});

it('encrypts as VNC does', () => {
  // By openssl enc -des-ecb with the mirrored bits of "password" as the key.
  expect(answerTo(Buffer.from('00112233445566778899aabbccddeeff', 'hex'), 'password').toString('hex')).toBe(
    'b7b9c87777661a7a2299733209bfdfce',
  );
});
