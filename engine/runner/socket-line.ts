import type { Socket } from 'node:net';
import { CONSOLE_LIMITS } from './console-sender';
import { BaseLine } from './transport';

/**
 * A line over a local socket. It carries frames: the number of bytes that follow (32 bits, little-endian), one byte that says what they are,
 * then JSON; or for a channel's message with bytes as its `data` the number of the channel (32 bits), how many bytes of JSON follow with the rest of
 * the message (32 bits), these, and the bytes; or, shorter, for the bytes of a console the number of its channel and the bytes.
 */

const HEADER_BYTES = 5;
const JSON_FRAME = 0;
const CONSOLE_FRAME = 1;
const DATA_FRAME = 2;
/** How long a closed line's last bytes may take to leave, in milliseconds. */
const LAST_BYTES_MS = 1000;

/** Most bytes of a frame that a box takes, and that a client does: an answer may hold a whole log. */
export const FRAME_LIMITS = { fromClient: 4 * CONSOLE_LIMITS.message, fromServer: 16 * 1024 * 1024 } as const;

export class SocketLine extends BaseLine {
  private readonly head = Buffer.alloc(HEADER_BYTES);
  /** The frame's payload that is being received, once its header is there: pieces, however small, take no more memory than it. */
  private payload: Buffer | undefined;
  /** Bytes of header or payload that are there. */
  private received = 0;
  private isHeld = false;
  /** Came while the line was held. */
  private left: Buffer | undefined;

  constructor(
    private readonly socket: Socket,
    /** Bytes of the largest frame; who sends a larger one is no longer listened to. */
    private readonly limit: number,
  ) {
    super();
    socket.on('data', (chunk) => this.take(chunk));
    socket.on('drain', () => this.drained());
    // `close` follows.
    socket.on('error', () => undefined);
    socket.on('close', () => this.end());
  }

  override get backlog(): number {
    return this.socket.writableLength;
  }

  send(message: unknown): void {
    if (this.isClosed || !this.socket.writable) return;
    this.socket.write(dataFrame(message) ?? frame(JSON_FRAME, [Buffer.from(JSON.stringify(message))]));
  }

  override hold(hold: boolean): void {
    if (this.isHeld === hold) return;
    this.isHeld = hold;
    if (hold) {
      this.socket.pause();
      return;
    }
    const { left } = this;
    this.left = undefined;
    if (left) this.take(left);
    if (!this.isHeld) this.socket.resume();
  }

  close(): void {
    if (this.isClosed) return;
    this.end();
    this.socket.resume();
    this.socket.end();
    // Whoever does not read does not get the rest.
    setTimeout(() => this.socket.destroy(), LAST_BYTES_MS).unref();
  }

  private take(chunk: Buffer): void {
    let rest = this.left ? Buffer.concat([this.left, chunk]) : chunk;
    this.left = undefined;
    while (rest.length > 0 && !this.isClosed) {
      if (this.isHeld) {
        this.left = rest;
        return;
      }
      rest = this.payload ? this.takePayload(this.payload, rest) : this.takeHead(rest);
    }
  }

  /** Returns what comes behind it. */
  private takeHead(chunk: Buffer): Buffer {
    const count = chunk.copy(this.head, this.received);
    this.received += count;
    if (this.received === HEADER_BYTES) {
      const length = this.head.readUInt32LE(0);
      if (length > this.limit) {
        this.socket.destroy();
        this.end();
      } else if (length === 0) this.complete(Buffer.alloc(0));
      else {
        this.received = 0;
        this.payload = Buffer.allocUnsafeSlow(length);
      }
    }
    return chunk.subarray(count);
  }

  private takePayload(payload: Buffer, chunk: Buffer): Buffer {
    const count = chunk.copy(payload, this.received);
    this.received += count;
    if (this.received === payload.length) this.complete(payload);
    return chunk.subarray(count);
  }

  private complete(payload: Buffer): void {
    this.received = 0;
    this.payload = undefined;
    this.deliver(decode(this.head[4], payload));
  }
}

function frame(kind: number, parts: Uint8Array[]): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt32LE(
    parts.reduce((sum, part) => sum + part.length, 0),
    0,
  );
  head[4] = kind;
  return Buffer.concat([head, ...parts]);
}

/** Undefined for what is no message of a channel with bytes. */
function dataFrame(message: unknown): Buffer | undefined {
  const { channel, message: inner } = message as { channel?: number; message?: { type?: unknown; data?: unknown } };
  if (channel === undefined || !(inner?.data instanceof Uint8Array)) return undefined;
  const { data, ...rest } = inner;
  const number = littleEndian(channel);
  if (rest.type === 'data') return frame(CONSOLE_FRAME, [number, data]);
  const json = Buffer.from(JSON.stringify(rest));
  return frame(DATA_FRAME, [number, littleEndian(json.length), json, data]);
}

function littleEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** Whatever it is, the one who takes the message checks it. */
function decode(kind: number, payload: Buffer): unknown {
  if (kind === CONSOLE_FRAME && payload.length >= 4)
    return { channel: payload.readUInt32LE(0), message: { type: 'data', data: new Uint8Array(payload.subarray(4)) } };
  try {
    if (kind === DATA_FRAME && payload.length >= 8) {
      const end = 8 + payload.readUInt32LE(4);
      const rest = JSON.parse(payload.toString('utf8', 8, end)) as object;
      return { channel: payload.readUInt32LE(0), message: { ...rest, data: new Uint8Array(payload.subarray(end)) } };
    }
    return kind === JSON_FRAME ? (JSON.parse(payload.toString('utf8')) as unknown) : undefined;
  } catch {
    return undefined;
  }
}
