import { openTap, type TapInterface } from '../../host/tap';
import { VmError } from '../../errors/vm-error';
import { type BackendStatistics, type Frame, FRAME_MAX, type GuestPort, type NetworkBackend, plainFrame } from './packet-port';
import { plainFrames } from './plain-frames';

/** virtio_net_hdr before each frame (virtio 1.3 §5.1.6), without the number of buffers. */
const HEADER_BYTES = 10;
const NEEDS_CHECKSUM = 1;
const CHECKSUM_VALID = 2;
const GSO = { none: 0, tcp4: 1, tcp6: 4 } as const;
const GSO_ECN = 0x80;
/** Frames that are read in one turn of the event loop. */
const FRAMES_PER_TURN = 256;
/** A host that fills the queue faster than it is read has lost frames itself; an interface that is down is waited for, in ms. */
const DOWN_MS = 500;

/** A network interface of this Linux, whose other end is the guest's adapter. Large segments pass whole where the guest takes them. */
export class TapBackend implements NetworkBackend {
  readonly name: string;
  readonly isUp = true;
  readonly #tap: TapInterface;
  readonly #statistics = { droppedFromGuest: 0, droppedToGuest: 0 };
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #fields = new DataView(this.#header.buffer);
  readonly #pieces: Uint8Array[] = [];
  readonly #buffer = new Uint8Array(HEADER_BYTES + FRAME_MAX);
  readonly #read = new DataView(this.#buffer.buffer);
  /** What the guest had no room for. */
  readonly #kept: Frame[] = [];
  #guest: GuestPort | undefined;
  #isClosed = false;
  #isBlocked = false;
  #saidDown = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(interfaceName: string, tap: TapInterface) {
    this.name = `tap ${interfaceName}`;
    this.#tap = tap;
  }

  /** Throws VmError as openTap. */
  static open(interfaceName: string): TapBackend {
    return new TapBackend(interfaceName, openTap(interfaceName));
  }

  attach(guest: GuestPort): void {
    this.#guest = guest;
    this.#wait();
  }

  take(frame: Frame): boolean {
    if (frame.segmentation === 'udp') for (const bytes of plainFrames(frame)) this.#write(plainFrame([bytes]));
    else this.#write(frame);
    return true;
  }

  flush(): void {}

  resume(): void {
    if (!this.#isBlocked) return;
    while (this.#kept.length > 0) {
      if (!this.#guest?.take(this.#kept[0])) return;
      this.#kept.shift();
    }
    this.#isBlocked = false;
    this.#wait();
  }

  linkChanged(): void {}

  statistics(): BackendStatistics {
    return { ...this.#statistics };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#tap.close();
  }

  #write({ views, checksumStart, checksumOffset, checksumValid, segmentation, segmentSize, headerLength, ecn }: Frame): void {
    const fields = this.#fields;
    const needsChecksum = checksumStart >= 0;
    fields.setUint8(0, needsChecksum ? NEEDS_CHECKSUM : checksumValid ? CHECKSUM_VALID : 0);
    fields.setUint8(1, segmentation === 'none' || segmentation === 'udp' ? 0 : GSO[segmentation] | (ecn ? GSO_ECN : 0));
    fields.setUint16(2, headerLength, true);
    fields.setUint16(4, segmentation === 'none' ? 0 : segmentSize, true);
    fields.setUint16(6, needsChecksum ? checksumStart : 0, true);
    fields.setUint16(8, needsChecksum ? checksumOffset : 0, true);
    const pieces = this.#pieces;
    pieces.length = 0;
    pieces.push(this.#header, ...views);
    if (this.#tap.write(pieces)) this.#saidDown = false;
    else this.#lost();
    pieces.length = 0;
  }

  #lost(): void {
    this.#statistics.droppedFromGuest++;
    if (this.#saidDown) return;
    this.#saidDown = true;
    this.#guest?.warn(
      new VmError('Network', `The ${this.name} takes no packets: on this computer it is down. Bring it up, with ip link set … up.`, {
        code: 'tap-down',
        params: { name: this.name },
      }),
    );
  }

  #wait(): void {
    if (!this.#isClosed) this.#tap.whenReadable(() => this.#receive());
  }

  #receive(): void {
    for (let frames = 0; frames < FRAMES_PER_TURN; frames++) {
      if (this.#isClosed || this.#isBlocked) return;
      let bytes: number;
      try {
        bytes = this.#tap.read(this.#buffer);
      } catch {
        // It was removed from the host.
        this.#statistics.droppedToGuest++;
        return;
      }
      if (bytes === 0) {
        // An interface that is down would say again and again that it has something.
        if (frames === 0) this.#timer = setTimeout(() => this.#wait(), DOWN_MS);
        else this.#wait();
        return;
      }
      if (bytes > HEADER_BYTES) this.#deliver(bytes);
    }
    setImmediate(() => this.#receive());
  }

  #deliver(bytes: number): void {
    const read = this.#read;
    const gso = read.getUint8(1) & ~GSO_ECN;
    const flags = read.getUint8(0);
    const frame: Frame = {
      views: [this.#buffer.subarray(HEADER_BYTES, bytes)],
      length: bytes - HEADER_BYTES,
      checksumStart: flags & NEEDS_CHECKSUM ? read.getUint16(6, true) : -1,
      checksumOffset: read.getUint16(8, true),
      checksumValid: (flags & CHECKSUM_VALID) !== 0,
      segmentation: gso === GSO.tcp4 ? 'tcp4' : gso === GSO.tcp6 ? 'tcp6' : 'none',
      segmentSize: read.getUint16(4, true),
      headerLength: read.getUint16(2, true),
      ecn: (read.getUint8(1) & GSO_ECN) !== 0,
    };
    const guest = this.#guest!;
    const { accepts } = guest;
    const { segmentation } = frame;
    const asItIs =
      (frame.checksumStart < 0 || accepts.checksum) && (segmentation === 'none' || (accepts[segmentation] && (!frame.ecn || accepts.ecn)));
    if (asItIs && this.#kept.length === 0 && guest.take(frame)) return;
    const all = plainFrames(frame).map((one) => plainFrame([one]));
    if (!asItIs) while (all.length > 0 && this.#kept.length === 0 && guest.take(all[0])) all.shift();
    if (all.length === 0) return;
    this.#kept.push(...all);
    this.#isBlocked = true;
  }
}
