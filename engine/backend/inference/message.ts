/**
 * The messages by which guests ask for inference, as docs/ai.md has them: little-endian, a header of 24 bytes, then the body. They are the
 * same over a console port and over the device's own virtqueue.
 */

export const INFERENCE_VERSION = 1;
export const HEADER_BYTES = 24;
/** Bytes of a message, whole, at most: of either direction. */
export const MESSAGE_MAX = 64 << 20;
/** What an answer may have where the request says 0. */
export const ROOM_DEFAULT = 64 << 10;

/** What a guest can ask for: the field `operation`, with bit 15 set in the answer. */
export const OPERATION = { hello: 1, list: 2, upload: 3, open: 4, run: 5, close: 6, leave: 7 } as const;
export const ANSWER = 0x8000;

/** How it went: the field `status` of answers. */
export const STATUS = {
  ok: 0,
  /** The message is not one of those that there are, or wrong in itself. */
  badMessage: 1,
  /** Another version, an operation or a type of tensor that there is not. */
  unsupported: 2,
  /** No model of that name, or nothing of that handle. */
  notFound: 3,
  /** More than a limit allows. */
  tooLarge: 4,
  /** As many as there may be, are. */
  busy: 5,
  badModel: 6,
  /** The model did not take what it was given, or failed at it. */
  failed: 7,
  /** It took longer than it may; the model is closed. */
  timeout: 8,
  outOfMemory: 9,
  /** The answer has no room: the field `room` says how much it needs. */
  noRoom: 10,
  /** The model was closed because of what happened before: open it again. */
  gone: 11,
} as const;
export type Status = (typeof STATUS)[keyof typeof STATUS];

/** Why a request is answered with an error. The text goes to the guest. */
export class InferenceError extends Error {
  constructor(
    readonly status: Status,
    message: string,
    /** With `noRoom`: bytes that the whole answer has. */
    readonly needed = 0,
  ) {
    super(message);
  }
}

export interface Header {
  /** Bytes of the whole message. */
  length: number;
  operation: number;
  status: number;
  /** The guest's number for the request; the answer has it too. */
  id: number;
  /** A model, or an upload; 0 where there is none. */
  handle: number;
  /** Bytes that the whole answer may have. */
  room: number;
}

/** Throws RangeError for less than HEADER_BYTES bytes. */
export function readHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    length: view.getUint32(0, true),
    operation: view.getUint16(4, true),
    status: view.getUint16(6, true),
    id: view.getUint32(8, true),
    handle: view.getUint32(12, true),
    room: view.getUint32(16, true),
  };
}

export function writeHeader({ length, operation, status, id, handle, room }: Header): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  view.setUint16(4, operation, true);
  view.setUint16(6, status, true);
  view.setUint32(8, id, true);
  view.setUint32(12, handle, true);
  view.setUint32(16, room, true);
  return bytes;
}

/** Bytes in all. */
export function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

/** Copy `bytes` into the pieces from byte `at` of them on; returns how many fitted. */
export function putInto(pieces: readonly Uint8Array[], at: number, bytes: Uint8Array): number {
  let done = 0;
  let skip = at;
  for (const piece of pieces) {
    if (done === bytes.length) break;
    if (skip >= piece.length) {
      skip -= piece.length;
      continue;
    }
    const part = bytes.subarray(done, done + piece.length - skip);
    piece.set(part, skip);
    done += part.length;
    skip = 0;
  }
  return done;
}
