import { promisify } from 'node:util';
import { constants, deflate, inflate } from 'node:zlib';
import { CLIPBOARD_MAX } from '../agent/guest-agent';
import type { SharedText } from './seat';

// rfbproto, "Extended Clipboard Pseudo-Encoding": what a message does in the highest bits of its flags, what it is about in the lowest.
const SERVER_CUT_TEXT = 3;
const TEXT = 1 << 0;
const [CAPABILITIES, REQUEST, PEEK, NOTIFY, PROVIDE] = [1 << 24, 1 << 25, 1 << 26, 1 << 27, 1 << 28];
/** What ISO 8859-1 lacks, which is all that plain cut text has. */
const BEYOND_LATIN = /[^\u0000-\u00ff]/gu;

/**
 * The clipboard of one client and that of the guest, texts alone. Clients say when something was copied there; what is copied in the guest is told,
 * and handed out to clients that ask for it, to others at once.
 */
export class CutText {
  #isExtended = false;
  /** Something was copied in the guest of which the client has not been told, and it has asked for that. */
  #isNew = false;
  #isAsked = false;
  #isReading = false;
  #isOver = false;
  readonly #stop: () => void;

  constructor(
    private readonly shared: SharedText,
    private readonly line: { send(bytes: Uint8Array): void; readonly isBusy: boolean },
  ) {
    this.#stop = shared.onCopy(() => {
      this.#isNew = true;
      this.go();
    });
  }

  /** The client knows of the extension, by which it has all letters. */
  extend(): void {
    if (this.#isExtended) return;
    this.#isExtended = true;
    // The most that it sends without being asked: nothing.
    this.#say(CAPABILITIES | REQUEST | PEEK | NOTIFY | PROVIDE | TEXT, Buffer.alloc(4));
  }

  /** Take plain text of the client's. */
  plain(text: Buffer): void {
    this.shared.offer(text.toString('latin1').replaceAll('\r\n', '\n'));
  }

  /** Take a message of the extension. One that is not understood is left alone. */
  extended(message: Buffer): void {
    if (message.length < 4) return;
    const flags = message.readUInt32BE(0);
    if (flags & CAPABILITIES || !(flags & (TEXT | PEEK))) return;
    if (flags & NOTIFY) this.#say(REQUEST | TEXT);
    else if (flags & PEEK) this.#say(NOTIFY | (this.shared.hasText ? TEXT : 0));
    else if (flags & PROVIDE) void this.#provided(message.subarray(4));
    else if (flags & REQUEST) {
      this.#isAsked = true;
      this.go();
    }
  }

  /** Say what there is to say, if the client takes it: one text at a time. */
  go(): void {
    if (this.#isReading || this.#isOver || this.line.isBusy) return;
    if (this.#isNew && this.#isExtended) {
      this.#isNew = false;
      this.#say(NOTIFY | TEXT);
    }
    if (!this.#isNew && !this.#isAsked) return;
    [this.#isNew, this.#isAsked, this.#isReading] = [false, false, true];
    void this.#read();
  }

  end(): void {
    this.#isOver = true;
    this.#stop();
  }

  async #read(): Promise<void> {
    const text = await this.shared.read().catch(() => undefined);
    const extended = this.#isExtended && text !== undefined ? await packed(text) : undefined;
    this.#isReading = false;
    if (this.#isOver) return;
    if (extended) this.#say(PROVIDE | TEXT, extended);
    else if (text !== undefined) {
      const bytes = Buffer.from(text.replaceAll(BEYOND_LATIN, '?'), 'latin1');
      this.#message(bytes.length, bytes);
    }
    this.go();
  }

  async #provided(bytes: Buffer): Promise<void> {
    const content = await unpacked(bytes).catch(() => undefined);
    if (content !== undefined && !this.#isOver) this.shared.offer(content);
  }

  #say(flags: number, data: Buffer = Buffer.alloc(0)): void {
    const message = Buffer.alloc(4 + data.length);
    message.writeUInt32BE(flags >>> 0);
    message.set(data, 4);
    this.#message(-message.length, message);
  }

  #message(length: number, data: Buffer): void {
    const head = Buffer.alloc(8);
    head[0] = SERVER_CUT_TEXT;
    head.writeInt32BE(length, 4);
    this.line.send(Buffer.concat([head, data]));
  }
}

/** As it travels: lines end as on Windows, the whole with a zero. */
async function packed(text: string): Promise<Buffer> {
  const bytes = Buffer.from(`${text.replaceAll(/\r?\n/g, '\r\n')}\0`);
  const whole = Buffer.alloc(4 + bytes.length);
  whole.writeUInt32BE(bytes.length);
  whole.set(bytes, 4);
  return promisify(deflate)(whole);
}

/** The text of a message. Rejects what is none, and what is too long. */
export async function unpacked(bytes: Buffer): Promise<string> {
  // Not every client brings its stream to an end.
  const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 4 + CLIPBOARD_MAX };
  const whole = await (promisify(inflate) as (data: Buffer, options: object) => Promise<Buffer>)(bytes, options);
  const text = whole.subarray(4, 4 + whole.readUInt32BE(0)).toString('utf8');
  return text.replace(/\0.*$/s, '').replaceAll('\r\n', '\n');
}
