import { randomBytes } from 'node:crypto';
import type { Rectangle, Scanout } from '../../gpu/scanout';
import { TILE, TileDiffer } from '../../gpu/tile-differ';
import { CutText } from './cut-text';
import { Deflater } from './deflater';
import { Hands } from './hands';
import { CHALLENGE_BYTES, isRightAnswer } from './password';
import { FORMAT_BYTES, formatPixelFormat, OWN_FORMAT, parsePixelFormat, PixelWriter } from './pixel-format';
import type { Seat } from './seat';
import { UpdateMessage } from './update-message';
import { TileEncoder } from './zrle';

// RFC 6143, and for what is beyond it the community's description of the protocol (rfbproto).
const VERSION = 'RFB 003.008\n';
const SECURITY_NONE = 1;
const SECURITY_PASSWORD = 2;
const [SET_PIXEL_FORMAT, SET_ENCODINGS, UPDATE_REQUEST, KEY, POINTER, CUT_TEXT, SET_DESKTOP_SIZE, QEMU] = [0, 2, 3, 4, 5, 6, 251, 255];
const RAW = 0;
const ZRLE = 16;
const DESKTOP_SIZE = -223;
const CURSOR = -239;
const EXTENDED_KEYS = -258;
const EXTENDED_DESKTOP_SIZE = -308;
const EXTENDED_CLIPBOARD = -0x3f5e1a32;
const [QEMU_KEY, QEMU_AUDIO] = [0, 1];
/** Of an EXTENDED_DESKTOP_SIZE: why, and how it ended: QEMU's "asked the guest". */
const [BY_SERVER, BY_CLIENT] = [0, 1];
const FORWARDED = 4;
/** The longest text that a client's clipboard may have, in bytes as it travels. */
const TEXT_MOST = 1 << 20;
/** So many encodings are looked at, and so many screens of a wish. */
const ENCODINGS_MOST = 1024;
/** Skipped at once of what nobody wants. */
const PIECE = 64 << 10;
/** Shortest time from one picture to the next, from when they are begun, in milliseconds. */
const FRAME_MS = 14;
/** How many times as long as a picture took to make it rests until the next, so that devices have their turn. */
const REST = 1;
/** How long a wrong password is thought about, in milliseconds. */
const WRONG_MS = 1000;
/** Pixels of one update, in bytes as they are before they are encoded: the rest comes with the next. */
const UPDATE_MOST = 8 << 20;
const BLACK = 0xff000000;
const EMPTY: Rectangle = { x: 0, y: 0, width: 0, height: 0 };

export interface VncLine {
  send(bytes: Uint8Array): void;
  close(): void;
  /** Whether what was sent has not left yet: then nothing more is made, and what is sent stays as it is. */
  readonly isBusy: boolean;
}

/** One client of a VNC server. */
export class VncSession {
  readonly #hands: Hands;
  #text: CutText | undefined;
  readonly #parser: Generator<number, void, Buffer>;
  #wanted = 0;
  #chunks: Buffer[] = [];
  #received = 0;

  #writer = new PixelWriter(OWN_FORMAT);
  #encodings = new Set<number>();
  #deflater: Deflater | undefined;
  /** What the client has, and its size. */
  #shown: TileDiffer;
  #isDamaged = true;
  /** The client waits for a picture. */
  #isAsked = false;
  #hasNewCursor = false;
  #hasToldOfKeys = false;
  /** The size is to be told though it has not changed, and why. */
  #sizeReason: { why: number; how: number } | undefined;
  readonly #update = new UpdateMessage();
  #isSending = false;
  /** When the next picture may begin. */
  #nextAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  readonly #onPicture = (): void => this.#changed({ x: 0, y: 0, width: this.#shown.width, height: this.#shown.height });
  readonly #onDamage = (part: Rectangle): void => this.#changed(part);
  readonly #onCursor = (): void => {
    this.#hasNewCursor = true;
    this.#later();
  };

  /** `password`: of at most 8 bytes that count; undefined where everybody may come in. */
  constructor(
    private readonly seat: Seat,
    private readonly line: VncLine,
    private readonly options: { password?: string | undefined; onEntered?: () => void },
  ) {
    this.#hands = new Hands(seat);
    const { width, height } = seat.scanout.size ?? seat.scanout.wanted;
    this.#shown = differFor(seat.scanout, width, height);
    this.#parser = this.#talk();
    this.#step(undefined);
  }

  /** Take what came from the client. */
  receive(chunk: Buffer): void {
    if (this.#isOver || this.#wanted === Infinity) return;
    this.#chunks.push(chunk);
    this.#received += chunk.length;
    while (!this.#isOver && this.#wanted > 0 && this.#received >= this.#wanted) {
      const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
      const taken = all.subarray(0, this.#wanted);
      this.#received -= this.#wanted;
      this.#chunks = this.#received > 0 ? [all.subarray(this.#wanted)] : [];
      this.#step(taken);
    }
  }

  /** What was sent has left. */
  drained(): void {
    this.#text?.go();
    this.#later();
  }

  /** The client has gone, or has to go. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    const { scanout } = this.seat;
    scanout.off('picture', this.#onPicture);
    scanout.off('damage', this.#onDamage);
    scanout.off('cursor', this.#onCursor);
    this.#deflater?.close();
    this.#hands.letGo();
    this.#text?.end();
    this.line.close();
  }

  #step(bytes: Buffer | undefined): void {
    const { value, done } = bytes ? this.#parser.next(bytes) : this.#parser.next();
    if (done) this.end();
    else this.#wanted = value;
  }

  // ---- what the client says -------------------------------------------------------------------------------------------

  /** The whole conversation; ends where it can not go on. Yields how many bytes come next, which it gets. */
  *#talk(): Generator<number, void, Buffer> {
    const { line, seat } = this;
    line.send(Buffer.from(VERSION));
    const minor = Number(/^RFB 003\.(\d{3})\n$/.exec((yield VERSION.length).toString('latin1'))?.[1] ?? -1);
    // Others than 3, 7 and 8 are to be taken for 3 (§7.1.1).
    if (minor < 3) return;
    if (!(yield* this.#letIn(minor >= 8 ? 8 : minor === 7 ? 7 : 3))) return;
    // Whether others may look too: always.
    yield 1;
    this.options.onEntered?.();
    const { scanout } = seat;
    this.#resized();
    const name = Buffer.from(`${seat.name} - Hartbox`);
    const sizes = Buffer.alloc(4);
    sizes.writeUInt16BE(this.#shown.width, 0);
    sizes.writeUInt16BE(this.#shown.height, 2);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(name.length);
    line.send(Buffer.concat([sizes, formatPixelFormat(OWN_FORMAT), length, name]));
    scanout.on('picture', this.#onPicture);
    scanout.on('damage', this.#onDamage);
    scanout.on('cursor', this.#onCursor);
    this.#hasNewCursor = scanout.cursor !== undefined;
    this.#text = seat.text && new CutText(seat.text, line);
    for (let goesOn = true; goesOn; ) goesOn = yield* this.#message((yield 1)[0]);
  }

  *#letIn(minor: 3 | 7 | 8): Generator<number, boolean, Buffer> {
    const { line } = this;
    const { password } = this.options;
    const security = password === undefined ? SECURITY_NONE : SECURITY_PASSWORD;
    if (minor === 3) line.send(Buffer.from([0, 0, 0, security]));
    else {
      line.send(Buffer.from([1, security]));
      if ((yield 1)[0] !== security) return false;
    }
    if (password !== undefined) {
      const challenge = randomBytes(CHALLENGE_BYTES);
      line.send(challenge);
      if (!isRightAnswer(yield CHALLENGE_BYTES, challenge, password)) {
        this.#refuse(minor === 8 ? 'The password is wrong.' : '');
        // Whatever comes meanwhile is left unread.
        yield Infinity;
        return false;
      }
    }
    if (password !== undefined || minor === 8) line.send(Buffer.alloc(4));
    return true;
  }

  /** After a while, so that guessing takes long. */
  #refuse(reason: string): void {
    this.#timer = setTimeout(() => {
      const text = Buffer.from(reason);
      const head = Buffer.alloc(text.length > 0 ? 8 : 4);
      head.writeUInt32BE(1);
      if (text.length > 0) head.writeUInt32BE(text.length, 4);
      this.line.send(Buffer.concat([head, text]));
      this.end();
    }, WRONG_MS);
  }

  /** False where the conversation ends. */
  *#message(type: number): Generator<number, boolean, Buffer> {
    switch (type) {
      case SET_PIXEL_FORMAT: {
        const format = parsePixelFormat((yield 3 + FORMAT_BYTES).subarray(3));
        if (!format) return false;
        this.#writer = new PixelWriter(format);
        return true;
      }
      case SET_ENCODINGS:
        yield* this.#setEncodings((yield 3).readUInt16BE(1));
        return true;
      case UPDATE_REQUEST: {
        const bytes = yield 9;
        const [x, y, width, height] = [1, 3, 5, 7].map((at) => bytes.readUInt16BE(at));
        if (bytes[0] === 0) {
          this.#shown.forget(inside(this.#shown, { x, y, width, height }));
          this.#isDamaged = true;
        }
        this.#isAsked = true;
        this.#later();
        return true;
      }
      case KEY: {
        const bytes = yield 7;
        this.#hands.key(bytes.readUInt32BE(3), bytes[0] !== 0);
        return true;
      }
      case POINTER: {
        const bytes = yield 5;
        this.#hands.pointer(bytes.readUInt16BE(1), bytes.readUInt16BE(3), bytes[0], this.seat.scanout.size ?? this.#shown);
        return true;
      }
      case CUT_TEXT: {
        // Below zero: of the extended clipboard.
        const length = (yield 7).readInt32BE(3);
        if (Math.abs(length) > TEXT_MOST) return false;
        if (!this.#text || length === 0) yield* skip(Math.abs(length));
        else if (length < 0) this.#text.extended(yield -length);
        else this.#text.plain(yield length);
        return true;
      }
      case SET_DESKTOP_SIZE:
        yield* this.#setDesktopSize(yield 7);
        return true;
      case QEMU:
        return yield* this.#qemuMessage((yield 1)[0]);
      default:
        return false;
    }
  }

  *#setEncodings(count: number): Generator<number, void, Buffer> {
    const encodings = new Set<number>();
    for (let i = 0; i < count; i++) {
      const encoding = (yield 4).readInt32BE(0);
      if (i < ENCODINGS_MOST) encodings.add(encoding);
    }
    this.#encodings = encodings;
    if (encodings.has(EXTENDED_CLIPBOARD)) this.#text?.extend();
    // Who can be told of sizes is told the first.
    if (encodings.has(EXTENDED_DESKTOP_SIZE)) this.#sizeReason ??= { why: BY_SERVER, how: 0 };
  }

  *#setDesktopSize(head: Buffer): Generator<number, void, Buffer> {
    const [width, height, screens] = [head.readUInt16BE(1), head.readUInt16BE(3), head[5]];
    yield* skip(16 * screens);
    if (width === 0 || height === 0) return;
    this.seat.scanout.want({ width, height });
    this.#sizeReason = { why: BY_CLIENT, how: FORWARDED };
    this.#later();
  }

  *#qemuMessage(subtype: number): Generator<number, boolean, Buffer> {
    if (subtype === QEMU_KEY) {
      const bytes = yield 10;
      this.#hands.scancode(bytes.readUInt32BE(6), bytes.readUInt32BE(2), bytes.readUInt16BE(0) !== 0);
      return true;
    }
    if (subtype !== QEMU_AUDIO) return false;
    // Sound was not offered; a format that is asked for all the same is six bytes.
    if ((yield 2).readUInt16BE(0) === 2) yield 6;
    return true;
  }

  // ---- what the client is shown ---------------------------------------------------------------------------------------

  #changed(part: Rectangle): void {
    this.#shown.damage(inside(this.#shown, part));
    this.#isDamaged = true;
    this.#later();
  }

  /** Send what there is as soon as the client wants it, has taken the last, and not too often. */
  #later(): void {
    if (this.#isOver || !this.#isAsked || this.#isSending || this.#timer || this.line.isBusy) return;
    const wait = Math.max(0, this.#nextAt - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#send();
    }, wait);
  }

  async #send(): Promise<void> {
    if (this.#isOver || !this.#isAsked || this.line.isBusy) return;
    this.#isSending = true;
    const begin = performance.now();
    try {
      const update = this.#update;
      update.clear();
      if (!this.#size(update)) {
        this.#greeting(update);
        this.#cursor(update);
        await this.#picture(update);
      }
      const bytes = update.take();
      if (bytes && !this.#isOver) {
        this.#isAsked = false;
        this.line.send(bytes);
      }
    } catch {
      // The stream was closed under it, or there is no memory for the picture: the client comes again.
      this.end();
    }
    this.#isSending = false;
    const end = performance.now();
    this.#nextAt = Math.max(begin + FRAME_MS, end + REST * (end - begin));
    if (this.#isDamaged || this.#hasNewCursor || this.#sizeReason) this.#later();
  }

  /** The guest's screen has another size: then this goes out alone (rfbproto, DesktopSize), and it is true. */
  #size(update: UpdateMessage): boolean {
    const canExtended = this.#encodings.has(EXTENDED_DESKTOP_SIZE);
    const isOther = (canExtended || this.#encodings.has(DESKTOP_SIZE)) && this.#resized();
    const reason = this.#sizeReason ?? (isOther ? { why: BY_SERVER, how: 0 } : undefined);
    this.#sizeReason = undefined;
    if (!reason || !(canExtended || isOther)) return false;
    const { width, height } = this.#shown;
    if (!canExtended) {
      update.rectangle({ x: 0, y: 0, width, height }, DESKTOP_SIZE);
      return true;
    }
    update.rectangle({ x: reason.why, y: reason.how, width, height }, EXTENDED_DESKTOP_SIZE);
    const screen = Buffer.alloc(20);
    screen[0] = 1;
    screen.writeUInt16BE(width, 12);
    screen.writeUInt16BE(height, 14);
    update.append(screen);
    return true;
  }

  /** Whether the screen is not as large any more as the client believes; from now on it is. */
  #resized(): boolean {
    const { size } = this.seat.scanout;
    if (!size || (size.width === this.#shown.width && size.height === this.#shown.height)) return false;
    this.#shown = differFor(this.seat.scanout, size.width, size.height);
    this.#isDamaged = true;
    return true;
  }

  /** We take keys by where they are. */
  #greeting(update: UpdateMessage): void {
    if (this.#hasToldOfKeys || !this.#encodings.has(EXTENDED_KEYS)) return;
    this.#hasToldOfKeys = true;
    update.rectangle(EMPTY, EXTENDED_KEYS);
  }

  #cursor(update: UpdateMessage): void {
    if (!this.#hasNewCursor || !this.#encodings.has(CURSOR)) return;
    this.#hasNewCursor = false;
    const { cursor } = this.seat.scanout;
    if (!cursor) {
      update.rectangle(EMPTY, CURSOR);
      return;
    }
    const { width, height, hotX, hotY, pixels } = cursor;
    const stride = Math.ceil(width / 8);
    const picture = Buffer.alloc(this.#writer.bytes * width * height);
    const mask = Buffer.alloc(stride * height);
    for (let i = 0, at = 0; i < width * height; i++) {
      const [red, green, blue, opacity] = pixels.subarray(4 * i, 4 * i + 4);
      at = this.#writer.write(red | (green << 8) | (blue << 16), picture, at);
      const [x, y] = [i % width, Math.floor(i / width)];
      if (opacity >= 128) mask[y * stride + (x >> 3)] |= 0x80 >> (x & 7);
    }
    update.rectangle({ x: hotX, y: hotY, width, height }, CURSOR);
    update.append(picture);
    update.append(mask);
  }

  async #picture(update: UpdateMessage): Promise<void> {
    const found = this.#shown.next(UPDATE_MOST);
    this.#isDamaged = found !== undefined;
    if (!found) return;
    const isCompressed = this.#encodings.has(ZRLE);
    // A format that the client asks for meanwhile counts from the next picture on.
    const writer = this.#writer;
    const encoder = new TileEncoder(writer);
    const all = new Uint32Array(found.data.buffer, 0, found.data.length / 4);
    let at = 0;
    for (const part of found.parts) {
      const pixels = all.subarray(at, at + part.width * part.height);
      at += pixels.length;
      if (!isCompressed) {
        update.rectangle(part, RAW);
        update.pixels(pixels, writer);
        continue;
      }
      for (let left = 0; left < part.width; left += TILE)
        encoder.add(pixels, left, part.width, Math.min(TILE, part.width - left), part.height);
      this.#deflater ??= new Deflater();
      const deflated = await this.#deflater.deflate(encoder.take());
      update.rectangle(part, ZRLE);
      update.length(deflated.length);
      update.append(deflated);
    }
  }
}

/** What is beyond the picture, as where there is none, is black. All is to be sent at first. */
function differFor(scanout: Scanout, width: number, height: number): TileDiffer {
  const differ = new TileDiffer(width, height, (part, target) => {
    const size = scanout.size ?? { width: 0, height: 0 };
    const there = inside(size, part);
    if (there.width === part.width && there.height === part.height) {
      scanout.read(part, target);
      return;
    }
    target.fill(BLACK, 0, part.width * part.height);
    if (there.width === 0 || there.height === 0) return;
    const pixels = new Uint32Array(there.width * there.height);
    scanout.read(there, pixels);
    for (let line = 0; line < there.height; line++)
      target.set(pixels.subarray(line * there.width, (line + 1) * there.width), line * part.width);
  });
  differ.forget({ x: 0, y: 0, width, height });
  return differ;
}

/** As much of a part as there is. */
function inside(size: { width: number; height: number }, { x, y, width, height }: Rectangle): Rectangle {
  const [left, top] = [Math.min(x, size.width), Math.min(y, size.height)];
  return { x: left, y: top, width: Math.min(x + width, size.width) - left, height: Math.min(y + height, size.height) - top };
}

function* skip(bytes: number): Generator<number, void, Buffer> {
  for (let left = bytes; left > 0; left -= PIECE) yield Math.min(left, PIECE);
}
