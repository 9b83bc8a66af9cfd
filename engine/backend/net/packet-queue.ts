import { plainFrames } from './plain-frames';
import { type BackendStatistics, type Frame, type GuestPort, type NetworkBackend, plainFrame } from './packet-port';

/** Frames that are kept in each direction. */
const FRAMES_MAX = 256;

/** A back end without a host: what the guest sends is fetched by a program, which sends what the guest is to get. */
export class PacketQueue implements NetworkBackend {
  readonly name = 'program';
  readonly isUp = true;
  readonly #fromGuest: Uint8Array[] = [];
  readonly #toGuest: Uint8Array[] = [];
  readonly #statistics = { droppedFromGuest: 0, droppedToGuest: 0 };
  #guest: GuestPort | undefined;

  attach(guest: GuestPort): void {
    this.#guest = guest;
  }

  /** A frame for the guest; false where it is lost, since too many wait already. */
  send(frame: Uint8Array): boolean {
    if (this.#toGuest.length === 0 && this.#guest?.take(plainFrame([frame]))) return true;
    if (this.#toGuest.length === FRAMES_MAX) {
      this.#statistics.droppedToGuest++;
      return false;
    }
    this.#toGuest.push(frame.slice());
    return true;
  }

  /** The oldest frame of the guest that was not fetched yet. */
  receive(): Uint8Array | undefined {
    return this.#fromGuest.shift();
  }

  take(frame: Frame): boolean {
    for (const bytes of plainFrames(frame)) {
      if (this.#fromGuest.length < FRAMES_MAX) this.#fromGuest.push(bytes);
      else this.#statistics.droppedFromGuest++;
    }
    return true;
  }

  flush(): void {}

  resume(): void {
    while (this.#toGuest.length > 0 && this.#guest?.take(plainFrame([this.#toGuest[0]]))) this.#toGuest.shift();
  }

  linkChanged(): void {}

  statistics(): BackendStatistics {
    return { ...this.#statistics };
  }

  async close(): Promise<void> {
    this.#toGuest.length = 0;
  }
}
