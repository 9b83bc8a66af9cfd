/** What passes between spice-vdagentd in the guest and who serves it: spice-protocol's spice/vd_agent.h. All numbers are little-endian. */

/** The console port by which the agent is reached. */
export const AGENT_PORT = 'com.redhat.spice.0';

/** Of a chunk: whom it is for or from, and how many bytes of messages follow. */
const CHUNK_HEADER = 8;
/** Bytes of messages in a chunk that is sent (VD_AGENT_MAX_DATA_SIZE). The agent itself sends each message in one, however long. */
const CHUNK_MAX = 2048;
const CLIENT_PORT = 1;
/** Protocol, type, a value for the agent alone (64 bits), and how many bytes follow. */
const MESSAGE_HEADER = 20;
const PROTOCOL = 1;

export const MONITORS_CONFIG = 2;
export const CLIPBOARD = 4;
export const ANNOUNCE_CAPABILITIES = 6;
export const CLIPBOARD_GRAB = 7;
export const CLIPBOARD_REQUEST = 8;
export const CLIPBOARD_RELEASE = 9;
export const FILE_START = 10;
export const FILE_STATUS = 11;
export const FILE_DATA = 12;

export const NO_TYPE = 0;
export const TEXT = 1;
export const PNG = 2;

// Of FILE_STATUS; all others say that it failed.
export const FILE_GO_ON = 0;
export const FILE_CANCELLED = 1;
export const FILE_DONE = 3;
export const FILE_NO_SPACE = 4;
export const FILE_LOCKED = 5;
export const FILE_NOBODY = 6;
export const FILE_DISABLED = 7;

/** Of MONITORS_CONFIG: where each lies is said too. */
export const USE_POSITIONS = 1;
/** Bits for each pixel, of which it wants to know. */
export const DEPTH = 32;

// Capabilities, by bit.
export const SETS_MONITORS = 1;
const CLIPBOARD_BY_DEMAND = 5;
export const CLIPBOARD_SELECTION = 6;
const CLIPBOARD_NO_RELEASE_ON_REGRAB = 16;
export const CAPABILITIES = (1 << CLIPBOARD_BY_DEMAND) | (1 << CLIPBOARD_SELECTION) | (1 << CLIPBOARD_NO_RELEASE_ON_REGRAB);

export interface AgentMessage {
  type: number;
  data: Uint8Array;
}

/** A message as it is written to the port. */
export function encodeMessage({ type, data }: AgentMessage): Uint8Array {
  const message = new Uint8Array(MESSAGE_HEADER + data.length);
  const header = new DataView(message.buffer);
  header.setUint32(0, PROTOCOL, true);
  header.setUint32(4, type, true);
  header.setUint32(16, data.length, true);
  message.set(data, MESSAGE_HEADER);
  const chunks = Math.ceil(message.length / CHUNK_MAX);
  const bytes = new Uint8Array(message.length + CHUNK_HEADER * chunks);
  const view = new DataView(bytes.buffer);
  for (let chunk = 0; chunk < chunks; chunk++) {
    const piece = message.subarray(chunk * CHUNK_MAX, (chunk + 1) * CHUNK_MAX);
    const at = chunk * (CHUNK_MAX + CHUNK_HEADER);
    view.setUint32(at, CLIENT_PORT, true);
    view.setUint32(at + 4, piece.length, true);
    bytes.set(piece, at + CHUNK_HEADER);
  }
  return bytes;
}

/** Numbers of 32 bits as bytes. */
export function words(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

/** Collects so many bytes, or lets them go by. */
class Collector {
  #kept = new Uint8Array(0);
  #count = 0;
  #wanted = 0;
  #isKept = true;

  constructor(bytes: number) {
    this.want(bytes, true);
  }

  want(bytes: number, isKept: boolean): void {
    this.#kept = new Uint8Array(isKept ? bytes : 0);
    this.#count = 0;
    this.#wanted = bytes;
    this.#isKept = isKept;
  }

  /** Answers how many it took. */
  take(bytes: Uint8Array): number {
    const piece = bytes.subarray(0, this.#wanted - this.#count);
    if (this.#isKept) this.#kept.set(piece, this.#count);
    this.#count += piece.length;
    return piece.length;
  }

  get isFull(): boolean {
    return this.#count === this.#wanted;
  }

  get bytes(): Uint8Array {
    return this.#kept;
  }
}

/**
 * Takes what the agent writes apart. `mayBe` says how long a message of a type may be; longer ones go by unread. What makes no sense ends it: nothing
 * is read any more.
 */
export class MessageReader {
  readonly #header = new Collector(CHUNK_HEADER);
  readonly #message = new Collector(MESSAGE_HEADER);
  /** What follows of the chunk, and whether it is for us. */
  #chunk = 0;
  #isOurs = false;
  /** The type of the message whose data come; undefined: its header does. */
  #type: number | undefined;
  #isWanted = false;
  isBroken = false;

  constructor(
    private readonly mayBe: (type: number) => number,
    private readonly deliver: (message: AgentMessage) => void,
  ) {}

  push(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0 && !this.isBroken) {
      if (this.#chunk === 0) {
        rest = rest.subarray(this.#header.take(rest));
        if (this.#header.isFull) this.#begin();
        continue;
      }
      const piece = rest.subarray(0, this.#chunk);
      this.#chunk -= piece.length;
      rest = rest.subarray(piece.length);
      if (this.#isOurs) this.#read(piece);
    }
  }

  #begin(): void {
    const { buffer } = this.#header.bytes;
    const view = new DataView(buffer);
    this.#isOurs = view.getUint32(0, true) === CLIENT_PORT;
    this.#chunk = view.getUint32(4, true);
    this.#header.want(CHUNK_HEADER, true);
  }

  #read(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0 && !this.isBroken; ) {
      rest = rest.subarray(this.#message.take(rest));
      if (this.#message.isFull) this.#step();
    }
  }

  #step(): void {
    if (this.#type === undefined) {
      const view = new DataView(this.#message.bytes.buffer);
      if (view.getUint32(0, true) !== PROTOCOL) {
        this.isBroken = true;
        return;
      }
      const type = view.getUint32(4, true);
      const size = view.getUint32(16, true);
      this.#type = type;
      this.#isWanted = size <= this.mayBe(type);
      this.#message.want(size, this.#isWanted);
      if (size > 0) return;
    }
    const message = { type: this.#type, data: this.#message.bytes };
    this.#type = undefined;
    this.#message.want(MESSAGE_HEADER, true);
    if (this.#isWanted) this.deliver(message);
  }
}
