import type { Socket } from 'node:net';
import { FrameStream } from './frame-stream';
import { LearningTable } from './learning-table';
import { type Frame, type GuestPort, plainFrame } from './packet-port';
import { copyOf, plainFrames } from './plain-frames';

/** The length before each frame on a stream. */
const LENGTH_BYTES = 4;
/** Frames for our own guest that are kept while it has no room. */
const KEPT_MAX = 512;
/** Members that a switch takes, the one that is it not counted. */
const MEMBERS_MAX = 63;
const HEAD_BYTES = 12;

/**
 * A learning switch: our own guest is at one of its ports, the others are streams (switch.ts). A frame goes where its receiver was heard of
 * last, or to all. Where there is no room, frames are lost, as on every switch: one that does not read keeps nobody else from the others.
 */
export class SwitchHub {
  dropped = 0;
  /** For our own guest. */
  droppedToGuest = 0;
  readonly #members = new Set<FrameStream>();
  readonly #table = new LearningTable<FrameStream | 'guest'>();
  readonly #kept: Uint8Array[] = [];
  readonly #head = new Uint8Array(HEAD_BYTES);

  constructor(private readonly guest: () => GuestPort | undefined) {}

  join(socket: Socket): void {
    if (this.#members.size >= MEMBERS_MAX) {
      socket.destroy();
      return;
    }
    const member: FrameStream = new FrameStream(socket, {
      frame: (views) => {
        this.#pass(member, views);
        return true;
      },
      drain: () => undefined,
      close: () => {
        this.#members.delete(member);
        this.#table.forget(member);
      },
    });
    this.#members.add(member);
  }

  /** A frame of our own guest. */
  take(frame: Frame): void {
    for (const bytes of plainFrames(frame, LENGTH_BYTES)) {
      const head = bytes.subarray(LENGTH_BYTES);
      this.#table.learn(head, 'guest');
      const to = this.#table.portFor(head);
      if (to === 'guest') continue;
      for (const member of to ? [to] : this.#members) this.#send(member, bytes);
    }
  }

  flush(): void {
    for (const member of this.#members) member.flush();
  }

  /** Our own guest has room. */
  resume(): void {
    while (this.#kept.length > 0 && this.guest()?.take(plainFrame([this.#kept[0]]))) this.#kept.shift();
  }

  close(): void {
    for (const member of [...this.#members]) member.destroy();
  }

  #pass(from: FrameStream, views: readonly Uint8Array[]): void {
    const head = this.#headOf(views);
    if (!head) return;
    this.#table.learn(head, from);
    const to = this.#table.portFor(head);
    if (to === from) return;
    const others = to === 'guest' ? [] : to ? [to] : [...this.#members].filter((member) => member !== from);
    if (others.length > 0) {
      let length = 0;
      for (const view of views) length += view.length;
      const bytes = copyOf({ views, length }, LENGTH_BYTES);
      for (const member of others) {
        this.#send(member, bytes);
        member.flush();
      }
    }
    if (to === undefined || to === 'guest') this.#deliver(views);
  }

  #send(member: FrameStream, bytes: Uint8Array): void {
    if (member.hasRoom) member.send(bytes);
    else this.dropped++;
  }

  #deliver(views: readonly Uint8Array[]): void {
    const frame = plainFrame(views);
    if (this.#kept.length === 0 && (this.guest()?.take(frame) ?? true)) return;
    if (this.#kept.length < KEPT_MAX) this.#kept.push(copyOf(frame));
    else this.droppedToGuest++;
  }

  /** Both addresses; undefined for what is too short for a frame. */
  #headOf(views: readonly Uint8Array[]): Uint8Array | undefined {
    if (views[0].length >= HEAD_BYTES) return views[0];
    let at = 0;
    for (const view of views) {
      const part = view.subarray(0, HEAD_BYTES - at);
      this.#head.set(part, at);
      at += part.length;
      if (at === HEAD_BYTES) return this.#head;
    }
    return undefined;
  }
}
