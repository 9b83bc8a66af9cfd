import type { Socket } from 'node:net';
import { FRAME_MAX } from './packet-port';

const LENGTH_BYTES = 4;
/** Bytes that may wait for the other end to read them; beyond there is no room. */
const WAITING_MAX = 1 << 20;
/** Pieces of what was received that are kept as they are: who sends byte by byte costs no more than that. */
const PIECES_MAX = 64;

export interface FrameListener {
  /** A frame, in one or more pieces that are only lent. False: no room, it comes again after `resume()`. */
  frame(views: readonly Uint8Array[]): boolean;
  /** There is room again. */
  drain(): void;
  /** The connection has ended; with what was wrong where the other end sent what is no frame. */
  close(problem?: string): void;
}

/**
 * Ethernet frames on a byte stream, as QEMU's `-netdev stream` sends them: the number of bytes, 32 bits big-endian, then the frame. What
 * arrives is cut up where it lies; a frame that came in several pieces is given on in pieces.
 */
export class FrameStream {
  /** Received and not given on. */
  #pieces: Buffer[] = [];
  #received = 0;
  #isHeld = false;
  #isFull = false;
  #isOver = false;
  #isCorked = false;

  constructor(
    readonly socket: Socket,
    private readonly listener: FrameListener,
  ) {
    socket.on('data', (chunk: Buffer) => {
      this.#pieces.push(chunk);
      this.#received += chunk.length;
      if (this.#pieces.length > PIECES_MAX) this.#pieces = [Buffer.concat(this.#pieces)];
      this.#deliver();
    });
    socket.on('drain', () => {
      if (!this.#isFull) return;
      this.#isFull = false;
      listener.drain();
    });
    // `close` follows.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#end());
  }

  /** Whether there is room for another frame; `drain` tells of it where there was none. */
  get hasRoom(): boolean {
    if (this.socket.writableLength < WAITING_MAX) return true;
    this.#isFull = true;
    this.flush();
    return false;
  }

  /** Send a frame that stands behind four bytes of room for its length. It is kept until it is sent. */
  send(bytes: Uint8Array): void {
    if (this.#isOver || !this.socket.writable) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.socket.cork();
    }
    const length = bytes.length - LENGTH_BYTES;
    bytes[0] = length >>> 24;
    bytes[1] = length >>> 16;
    bytes[2] = length >>> 8;
    bytes[3] = length;
    this.socket.write(bytes);
  }

  /** Frames go out together, at the end of a batch. */
  flush(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.socket.uncork();
  }

  /** Go on with the frame for which there was no room. */
  resume(): void {
    if (!this.#isHeld || this.#isOver) return;
    this.#isHeld = false;
    this.#deliver();
    if (!this.#isHeld) this.socket.resume();
  }

  destroy(): void {
    this.socket.destroy();
    this.#end();
  }

  #deliver(): void {
    while (!this.#isHeld && !this.#isOver && this.#received >= LENGTH_BYTES) {
      const length = this.#peekLength();
      if (length === 0 || length > FRAME_MAX) {
        this.socket.destroy();
        this.#end(`a frame of ${length} bytes was announced; frames have 1 to ${FRAME_MAX}`);
        return;
      }
      if (this.#received < LENGTH_BYTES + length) return;
      if (!this.listener.frame(this.#views(length))) {
        this.#isHeld = true;
        this.socket.pause();
        return;
      }
      this.#drop(LENGTH_BYTES + length);
    }
  }

  #peekLength(): number {
    if (this.#pieces[0].length < LENGTH_BYTES) {
      // A length in several pieces, of which each may be one byte.
      this.#pieces = [Buffer.concat(this.#pieces)];
    }
    return this.#pieces[0].readUInt32BE(0);
  }

  #views(length: number): Uint8Array[] {
    const views: Uint8Array[] = [];
    let skip = LENGTH_BYTES;
    let left = length;
    for (const piece of this.#pieces) {
      if (left === 0) break;
      if (skip < piece.length) {
        const view = piece.subarray(skip, skip + left);
        views.push(view);
        left -= view.length;
      }
      skip = Math.max(0, skip - piece.length);
    }
    return views;
  }

  #drop(length: number): void {
    this.#received -= length;
    let left = length;
    let whole = 0;
    while (left > 0 && left >= this.#pieces[whole].length) left -= this.#pieces[whole++].length;
    if (whole > 0) this.#pieces.splice(0, whole);
    if (left > 0) this.#pieces[0] = this.#pieces[0].subarray(left);
  }

  #end(problem?: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pieces = [];
    this.#received = 0;
    this.listener.close(problem);
  }
}
