/*
 * The packet interface: how frames pass between an adapter in the guest and what is at the other end of its cable. It knows neither
 * virtio nor the host. Both ends are a `PacketPort`, so whatever stands between them (capture, limits, filters) is one to each side.
 *
 * For who writes a back end, the NAT for one:
 * - Implement `NetworkBackend`. `attach(guest)` comes once, before anything else; what arrives from the guest comes to `take(frame)`,
 *   what goes to the guest is handed to `guest.take(frame)`. Both are called on the device thread and never wait.
 * - A frame is lent for the call only: its views are the guest's own memory (or the back end's), and the guest may change them at any
 *   time. Read a header once into locals, then check it. What has to be kept is copied; what can be written at once (writev) is not.
 *   The `Frame` object itself is used again for the next frame. Towards the guest likewise: it has copied when `take` returns, so headers
 *   and buffers may be used again at once. `views` may be a header of yours and a part of what a socket read: [header, payload].
 * - Back-pressure is the same both ways. `take` says false when there is no room: nothing was taken, keep the frame (a bounded number) and
 *   try again once your `resume()` is called. Who says false calls `resume()` of the other end when there is room, once, and not from
 *   within that `take`. A back end may also say true and drop, as networks do, and counts that.
 *   A guest without a driver, or with its link down, takes everything and drops it.
 * - `flush()` follows the last `take` of a batch: put off there what can be done once for many frames (acknowledgements, writes).
 * - Offloads: a frame of the guest may have a checksum that is still to be made (`checksumStart` ≥ 0), and may be one large frame that stands
 *   for many (`segmentation`; then there always is a checksum to make). Who reads headers itself, as the NAT does, verifies nothing that the
 *   guest has left to it and never makes that checksum. Who passes frames on uses `plainFrames` (plain-frames.ts): copies as they belong on
 *   a wire. Towards the guest look at `guest.accepts` for each frame: drivers change their mind. Where it has `checksum`, either set
 *   `checksumValid` and leave the checksum field as it is, or leave the checksum to be made; where it has `tcp4` or `tcp6`, up to 64 KiB may go
 *   at once, with `segmentation`, `segmentSize`, `checksumStart`, `checksumOffset`, and the sum of the pseudo-header (not complemented) in the
 *   field, as in Linux's CHECKSUM_PARTIAL. Otherwise frames are plain, with right checksums.
 * - `linkChanged(up)` tells whether the guest listens (driver there, cable in). After up, everything from before may be forgotten or not.
 * - `save()` and `load()` are for what the guest relies on and a new back end would not know, as addresses that were given out; they are part of
 *   the adapter's state. Flows of the host's cannot live on in it: their guest is told so, once it listens.
 * - `isUp` and `guest.linkChanged(up)` tell the guest of the back end's own carrier; the NAT is always up.
 */
import type { VmError } from '../../errors/vm-error';

/** Longest frame, headers and all: 64 KiB of payload and what can stand before it. */
export const FRAME_MAX = 65536 + 4096;

/** A frame that stands for many: TCP over IPv4 or IPv6, or several UDP datagrams. */
export type Segmentation = 'none' | 'tcp4' | 'tcp6' | 'udp';

/** An Ethernet frame, from the destination's address on and without its check sequence, in one or more pieces. */
export interface Frame {
  views: readonly Uint8Array[];
  /** Bytes of all views: 14 to FRAME_MAX. */
  length: number;
  /** From this byte on the checksum is still to be made; -1 where there is nothing to make. */
  checksumStart: number;
  /** Where it goes, counted from `checksumStart`. There stands the sum of the pseudo-header. */
  checksumOffset: number;
  /** Who sends the frame knows that its TCP or UDP checksum is right, or that it cannot have been damaged. */
  checksumValid: boolean;
  segmentation: Segmentation;
  /** Payload bytes of each segment. */
  segmentSize: number;
  /** Bytes of all headers; a hint of the sender's, 0 where it gave none. Check before use. */
  headerLength: number;
  /** The TCP segments carry CWR: only the first is to keep it. */
  ecn: boolean;
}

/** What a guest takes beyond plain frames. */
export interface Offloads {
  checksum: boolean;
  tcp4: boolean;
  tcp6: boolean;
  /** TCP segments with ECN. */
  ecn: boolean;
  udp: boolean;
}

export const NO_OFFLOADS: Readonly<Offloads> = {
  checksum: false,
  tcp4: false,
  tcp6: false,
  ecn: false,
  udp: false,
};

/** One end of a cable. */
export interface PacketPort {
  /** A frame from the other end, lent for the call. False: no room, not taken; the other end's `resume` follows. */
  take(frame: Frame): boolean;
  /** The last of a batch was given to `take`. */
  flush(): void;
  /** The other end, which had no room, has some. */
  resume(): void;
  /** The other end listens, or no longer does. */
  linkChanged(up: boolean): void;
}

/** An adapter, as its back end sees it. */
export interface GuestPort extends PacketPort {
  /** Six bytes: the address that it has of us; its driver may use others. */
  readonly mac: Uint8Array;
  /** Largest IP packet, in bytes. */
  readonly mtu: number;
  /** What it takes beyond plain frames, now. */
  readonly accepts: Readonly<Offloads>;
  /** Tell the user of something that is wrong, once. */
  warn(error: VmError): void;
}

/** What happened since the back end was made, beside what the adapter counts itself. */
export interface BackendStatistics {
  /** Frames of the guest that it threw away, and frames for the guest for which there was no room. */
  droppedFromGuest: number;
  droppedToGuest: number;
}

/** What is at the other end of an adapter's cable. */
export interface NetworkBackend extends PacketPort {
  /** For people: `nat`, `stream to 127.0.0.1:1234`. */
  readonly name: string;
  /** Whether there is anybody at the other end. */
  readonly isUp: boolean;
  /** Comes once, before all else. */
  attach(guest: GuestPort): void;
  statistics(): BackendStatistics;
  /** What a back end of that kind would have to know to go on with this guest: plain data, as JSON has it. */
  save?(): unknown;
  /** Returns what puts it into this back end, which is new; `refuse` throws for what is no such state. That of another kind means nothing. */
  load?(saved: unknown, refuse: (why: string) => never): () => void;
  /** The machine is switched on anew: its guest has forgotten everything. */
  powerOn?(): void;
  /** The machine is paused, and goes on: no time passes for the guest meanwhile. */
  freeze?(): void;
  thaw?(): void;
  /** Let go of all that the host lent; nothing is called afterwards. */
  close(): Promise<void>;
}

/** A plain frame of these pieces. */
export function plainFrame(views: readonly Uint8Array[]): Frame {
  let length = 0;
  for (const view of views) length += view.length;
  return {
    views,
    length,
    checksumStart: -1,
    checksumOffset: 0,
    checksumValid: false,
    segmentation: 'none',
    segmentSize: 0,
    headerLength: 0,
    ecn: false,
  };
}
