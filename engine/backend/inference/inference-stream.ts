import type { InferenceClient } from './inference-server';
import { ANSWER, HEADER_BYTES, type Header, MESSAGE_MAX, readHeader, ROOM_DEFAULT, STATUS, writeHeader } from './message';

/** Bytes of requests that are worked at together, and of room for their answers; what comes behind them waits in the guest. One may have more. */
const WORK_MAX = MESSAGE_MAX;
/** What a small request counts as. */
const WORK_MIN = 1 << 20;
/** Bytes that are copied to go with their header. */
const TOGETHER_MAX = 32 << 10;
/** Bytes made room for before they have come: a header's word for the length costs nothing. */
const FIRST_ROOM = 1 << 20;

interface Message {
  header: Header;
  body: Uint8Array<ArrayBuffer>;
  received: number;
}

/** Takes requests out of a stream of bytes, and hands answers out as they are ready. */
export class InferenceStream {
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  #message: Message | undefined;
  /** It is whole, and waits for others to be done. */
  #whole: Message | undefined;
  #isBroken = false;
  #isClosed = false;
  #work = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(
    private readonly client: InferenceClient,
    /** Resolves when there is room for more. */
    private readonly send: (...pieces: Uint8Array[]) => Promise<void>,
  ) {}

  /** Bytes of the guest's, which may be kept. A promise: more may come when it has resolved. */
  receive(data: Uint8Array): Promise<void> | undefined {
    let at = 0;
    for (;;) {
      if (this.#isBroken || this.#isClosed) return undefined;
      if (this.#whole && !this.#begin(this.#whole)) return this.#later(data.subarray(at));
      if (at === data.length) return undefined;
      at += this.#take(data.subarray(at));
    }
  }

  async #later(data: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await this.receive(data);
  }

  /** Nothing is sent any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
    await this.client.close();
  }

  /** Returns how many bytes it used. */
  #take(data: Uint8Array): number {
    const message = this.#message;
    if (!message) {
      const part = data.subarray(0, HEADER_BYTES - this.#headerBytes);
      this.#header.set(part, this.#headerBytes);
      this.#headerBytes += part.length;
      if (this.#headerBytes === HEADER_BYTES) this.#expect(readHeader(this.#header));
      return part.length;
    }
    const bodyBytes = message.header.length - HEADER_BYTES;
    const part = data.subarray(0, bodyBytes - message.received);
    const end = message.received + part.length;
    if (end > message.body.length) {
      const longer = new Uint8Array(Math.min(bodyBytes, Math.max(end, 2 * message.body.length)));
      longer.set(message.body);
      message.body = longer;
    }
    message.body.set(part, message.received);
    message.received = end;
    if (end === bodyBytes) {
      this.#whole = message;
      this.#message = undefined;
    }
    return part.length;
  }

  #expect(header: Header): void {
    this.#headerBytes = 0;
    const { length } = header;
    if (length < HEADER_BYTES || length > MESSAGE_MAX) {
      // Where the next one begins nobody knows.
      this.#isBroken = true;
      const why = `A message has ${HEADER_BYTES} to ${MESSAGE_MAX} bytes, not ${length}; what follows is not read. Open the port again.`;
      const text = new TextEncoder().encode(why);
      void this.send(writeHeader({ ...answerTo(header, HEADER_BYTES + text.length), status: STATUS.badMessage }), text);
      return;
    }
    const message = { header, body: new Uint8Array(Math.min(length - HEADER_BYTES, FIRST_ROOM)), received: 0 };
    if (length === HEADER_BYTES) this.#whole = message;
    else this.#message = message;
  }

  /** False while too much is worked at. */
  #begin({ header, body }: Message): boolean {
    const room = Math.min(header.room || ROOM_DEFAULT, MESSAGE_MAX);
    const work = Math.max(WORK_MIN, body.length + room);
    if (this.#work > 0 && this.#work + work > WORK_MAX) return false;
    this.#whole = undefined;
    this.#work += work;
    void this.#answer({ ...header, room }, body).finally(() => {
      this.#work -= work;
      for (const resolve of this.#waiting.splice(0)) resolve();
    });
    return true;
  }

  async #answer(header: Header, body: Uint8Array): Promise<void> {
    const { status, handle, needed, length, body: answer } = await this.client.answer(header, [body]);
    if (this.#isClosed) return;
    const head = writeHeader({ ...answerTo(header, HEADER_BYTES + length), status, handle, room: needed });
    // Small ones in one piece: each piece wakes the guest.
    if (answer && length <= TOGETHER_MAX) await this.send(Buffer.concat([head, answer]));
    else await this.send(head, ...(answer ? [answer] : []));
  }
}

/** The header of the answer to a request, all well. */
export function answerTo({ operation, id, handle }: Header, length: number): Header {
  return { length, operation: (operation & (ANSWER - 1)) | ANSWER, status: STATUS.ok, id, handle, room: 0 };
}
