import { z } from 'zod';
import { formatMac, parseMac } from '../../../backend/net/mac-address';
import { PacketQueue } from '../../../backend/net/packet-queue';
import { FRAME_MAX, type Frame, type GuestPort, type NetworkBackend, NO_OFFLOADS, type Offloads } from '../../../backend/net/packet-port';
import { bytesSchema, DeviceState, loadBytes, saveBytes, unsigned } from '../../../bus/device-state';
import { DeviceError, VmError } from '../../../errors/vm-error';
import { type Activation, VirtioDevice } from '../../device';
import type { DescriptorChain } from '../../queue';
import { type Controlled, performControl } from './control';
import {
  guestOffloads,
  NET_FEATURES,
  netFeaturesAgree,
  offloadsOf,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
} from './features';
import { FlowSteering } from './flow-steering';
import { HEADER_BYTES, HeaderReader, writeHeader } from './header';
import { ReceiveBuffers } from './receive-buffers';
import { ReceiveFilter, receiveFilterSchema } from './receive-filter';

// Offsets in the configuration space (virtio 1.3 §5.1.4).
const CONFIG_MAC = 0;
const CONFIG_STATUS = 6;
const CONFIG_MAX_PAIRS = 8;
const CONFIG_MTU = 10;
const CONFIG_SPEED = 12;
const CONFIG_DUPLEX = 16;
const CONFIG_BYTES = 17;

const STATUS_LINK_UP = 1;
const STATUS_ANNOUNCE = 2;
const DUPLEX_FULL = 1;

const CONTROL_OK = 0;
const CONTROL_ERROR = 1;

/** A frame has two addresses and a type. */
const HEAD_MIN = 14;
const QUEUE_SIZE = 256;
const CONTROL_QUEUE_SIZE = 64;
const PAIRS_MAX = 16;
const WARNINGS_MAX = 16;
/** What every IPv4 host takes, and the largest packet that there is. */
export const MTU_MIN = 68;
export const MTU_MAX = 65535;
const DEFAULT_MTU = 1500;
/** In Mbit/s; what there is to say is that the guest need not wait. */
const SPEED = 10_000;

export interface VirtioNetOptions {
  /** `52:54:00:12:34:56`. */
  mac: string;
  /** Pairs of queues; one unless given. */
  queues?: number;
  /** Largest IP packet that the guest is to send, 68 to 65535; 1500 unless given. */
  mtu?: number;
  /** What is at the other end; a queue for `sendPacket` and `receivePacket` unless given. */
  backend?: NetworkBackend;
  /** Whether the cable is in; it is unless given. */
  link?: boolean;
}

/** What went through an adapter since it was made: frames and bytes, and frames that were thrown away. */
export interface NetStatistics {
  framesFromGuest: number;
  bytesFromGuest: number;
  framesToGuest: number;
  bytesToGuest: number;
  droppedFromGuest: number;
  droppedToGuest: number;
}

const stateSchema = z.strictObject({
  mac: bytesSchema,
  announce: z.boolean(),
  pairs: unsigned(5),
  offloads: z.array(unsigned(6)).nullable(),
  filter: receiveFilterSchema,
  /** What its back end knows of the guest. */
  backend: z.unknown(),
});

/**
 * The network device (virtio 1.3 §5.1). Frames pass straight between the guest's buffers and the back end's hands: see packet-port.ts.
 */
export class VirtioNet extends VirtioDevice {
  readonly name = 'virtio-net';
  readonly deviceId = 1;
  override readonly pciClass = 0x020000;
  readonly queueSizes: readonly number[];
  readonly backend: NetworkBackend;

  readonly #ownMac: Uint8Array;
  readonly #mac: Uint8Array;
  readonly #maxPairs: number;
  readonly #mtu: number;
  #cable: boolean;
  /** Whether the back end was told that the guest listens. */
  #listens = false;
  #pairs = 1;
  /** The guest offloads that are on, as feature bits; none before the driver is up. */
  #offloads: readonly number[] | undefined;
  #accepts: Readonly<Offloads> = NO_OFFLOADS;
  #features: ReadonlySet<number> = new Set();
  /** The guest is to tell its neighbours where it is. */
  #announce = false;
  /** Its state was restored, and the driver has not gone on yet. */
  #isRestored = false;
  /** The back end had no room for the guest's frames; the guest had no buffers for the back end's. */
  #backendFull = false;
  #guestFull = false;
  /** Looks on: gets each frame that the guest has sent or received, lent for the call. */
  observer: ((direction: 'in' | 'out', frame: Frame) => void) | undefined;
  readonly #filter = new ReceiveFilter();
  readonly #steering = new FlowSteering();
  readonly #reader = new HeaderReader();
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #head = new Uint8Array(18);
  readonly #buffers = new ReceiveBuffers();
  readonly #untold: VmError[] = [];
  readonly #statistics: NetStatistics = {
    framesFromGuest: 0,
    bytesFromGuest: 0,
    framesToGuest: 0,
    bytesToGuest: 0,
    droppedFromGuest: 0,
    droppedToGuest: 0,
  };

  override readonly state = new DeviceState(this, {
    version: 2,
    schema: stateSchema,
    save: () => ({
      mac: saveBytes(this.#mac),
      announce: this.#announce,
      pairs: this.#pairs,
      offloads: this.#offloads ? [...this.#offloads] : null,
      filter: this.#filter.save(),
      backend: this.backend.save?.() ?? null,
    }),
    load: ({ mac, announce, pairs, offloads, filter, backend }, refuse) => {
      const address = loadBytes(mac);
      if (address.length !== this.#mac.length) refuse('its address has not six bytes');
      if (pairs < 1 || pairs > this.#maxPairs) refuse(`it uses ${pairs} pairs of queues, and there are ${this.#maxPairs}`);
      const loadBackend = this.backend.load?.(backend, refuse);
      return () => {
        this.#setMac(address);
        this.#announce = announce;
        this.#pairs = pairs;
        this.#offloads = offloads ?? undefined;
        this.#isRestored = offloads !== null;
        this.#filter.load(filter);
        loadBackend?.();
      };
    },
  });

  /** Throws VmError 'Config' for what no adapter can have. */
  constructor({ mac, queues = 1, mtu = DEFAULT_MTU, backend = new PacketQueue(), link = true }: VirtioNetOptions) {
    if (!(Number.isInteger(queues) && queues >= 1 && queues <= PAIRS_MAX))
      throw VmError.config(`A network adapter has 1 to ${PAIRS_MAX} pairs of queues, not ${queues}.`);
    if (!(Number.isInteger(mtu) && mtu >= MTU_MIN && mtu <= MTU_MAX))
      throw VmError.config(`The MTU of a network adapter is ${MTU_MIN} to ${MTU_MAX} bytes, not ${mtu}.`);
    super(queues > 1 ? [...NET_FEATURES, VIRTIO_NET_F_MQ] : NET_FEATURES, new DataView(new ArrayBuffer(CONFIG_BYTES)));
    this.#ownMac = parseMac(mac);
    this.#mac = this.#ownMac.slice();
    this.#maxPairs = queues;
    this.#mtu = mtu;
    this.#cable = link;
    this.backend = backend;
    this.queueSizes = [...Array.from({ length: 2 * queues }, () => QUEUE_SIZE), CONTROL_QUEUE_SIZE];
    this.#setMac(this.#ownMac);
    this.config.setUint16(CONFIG_MAX_PAIRS, queues, true);
    this.config.setUint16(CONFIG_MTU, mtu, true);
    this.config.setUint32(CONFIG_SPEED, SPEED, true);
    this.config.setUint8(CONFIG_DUPLEX, DUPLEX_FULL);
    backend.attach(this.#guestPort());
    this.#writeStatus(this.config);
  }

  /** One that a program sends packets to, with several pairs of queues, as in the devices' reference. */
  static withQueues(mac: string, queues: number, mtu: number): VirtioNet {
    return new VirtioNet({ mac, queues, mtu });
  }

  /** The address that the adapter has now: its own, or one that the driver has set. */
  get mac(): string {
    return formatMac(this.#mac);
  }

  get mtu(): number {
    return this.#mtu;
  }

  /** Pairs of queues that the driver uses. */
  get queuePairs(): number {
    return this.#pairs;
  }

  get statistics(): NetStatistics {
    return { ...this.#statistics };
  }

  /** Whether the cable is in; what the guest sees needs somebody at the other end too. */
  get link(): boolean {
    return this.#cable;
  }

  /** Put the cable in or pull it out. */
  set link(cable: boolean) {
    if (this.#cable === cable) return;
    this.#cable = cable;
    this.#linkChanged();
  }

  /** Whether the guest sees that it is connected. */
  get isUp(): boolean {
    return this.#cable && this.backend.isUp;
  }

  /**
   * Send a packet, an Ethernet frame, to the guest. False where it is lost: too many wait already, or nothing in the guest listens. Throws
   * VmError 'State' where the adapter is connected to something else than the program.
   */
  sendPacket(packet: Uint8Array): boolean {
    return this.#listens && this.#program().send(packet);
  }

  /** The oldest packet that the guest has sent and that was not fetched yet, an Ethernet frame. Throws as sendPacket(). */
  receivePacket(): Uint8Array | undefined {
    return this.#program().receive();
  }

  override acceptsFeatures(features: ReadonlySet<number>): boolean {
    return netFeaturesAgree(features);
  }

  protected override onActivate({ features }: Activation): void {
    this.#features = features;
    // After a sleep or a restore the driver's choice stands.
    this.#setOffloads(this.#offloads ?? guestOffloads(features));
    if (this.#isRestored) {
      this.#isRestored = false;
      this.#announce = features.has(VIRTIO_NET_F_GUEST_ANNOUNCE);
      this.changeConfig((config) => this.#writeStatus(config));
    }
    this.#tellBackend();
    this.#resumeBackend();
    for (const warning of this.#untold.splice(0)) this.emit('warning', warning);
  }

  protected override onReset(): void {
    this.#features = new Set();
    this.#offloads = undefined;
    this.#accepts = NO_OFFLOADS;
    this.#pairs = 1;
    this.#announce = false;
    this.#isRestored = false;
    this.#backendFull = false;
    this.#filter.reset();
    this.#steering.reset();
    this.#setMac(this.#ownMac);
    this.#writeStatus(this.config);
    this.#tellBackend();
    this.#resumeBackend();
  }

  protected override serve(index: number): void {
    if (index === this.#controlQueue) this.#control(index);
    else if (index % 2 === 1) this.#transmit(index);
    // The guest has given buffers.
    else if (index >>> 1 < this.#pairs) this.#resumeBackend();
  }

  /** Behind all the pairs, or behind the one that a driver without MQ knows. */
  get #controlQueue(): number {
    return 2 * (this.#features.has(VIRTIO_NET_F_MQ) ? this.#maxPairs : 1);
  }

  #guestPort(): GuestPort {
    const accepts = (): Readonly<Offloads> => this.#accepts;
    return {
      mac: this.#ownMac,
      mtu: this.#mtu,
      get accepts() {
        return accepts();
      },
      take: (frame) => this.#deliver(frame),
      flush: () => undefined,
      resume: () => this.#resumeGuest(),
      linkChanged: () => this.#linkChanged(),
      warn: (error) => this.#warn(error),
    };
  }

  #program(): PacketQueue {
    if (this.backend instanceof PacketQueue) return this.backend;
    throw new VmError('State', `The adapter is connected to ${this.backend.name}: packets go there, not to the program.`);
  }

  /** The guest's frames → the back end, as long as it has room. */
  #transmit(index: number): void {
    let sent = false;
    while (!this.#backendFull) {
      const chain = this.take(index);
      if (!chain) break;
      const queue = this.queue(index);
      let taken = true;
      try {
        taken = this.#send(chain, index >>> 1);
        sent ||= taken;
      } finally {
        if (taken) queue?.complete(chain, 0);
        else queue?.putBack(chain);
      }
      this.#backendFull = !taken;
    }
    if (sent) this.backend.flush();
  }

  /** False where the back end has no room. */
  #send(chain: DescriptorChain, pair: number): boolean {
    const frame = this.#reader.read(chain, this.#features);
    const statistics = this.#statistics;
    if (!frame || !this.isUp) {
      statistics.droppedFromGuest++;
      return true;
    }
    const { views, length } = frame;
    if (!this.backend.take(frame)) return false;
    this.observer?.('out', frame);
    statistics.framesFromGuest++;
    statistics.bytesFromGuest += length;
    if (this.#pairs > 1) this.#steering.learn(views, pair);
    return true;
  }

  #resumeGuest(): void {
    if (!this.#backendFull) return;
    this.#backendFull = false;
    this.enter(() => {
      for (let pair = 0; pair < this.#maxPairs; pair++) if (2 * pair + 1 !== this.#controlQueue) this.#transmit(2 * pair + 1);
    });
  }

  #resumeBackend(): void {
    if (!this.#guestFull) return;
    this.#guestFull = false;
    this.backend.resume();
  }

  /** A frame of the back end's; false where the guest has no room for it. */
  #deliver(frame: Frame): boolean {
    if (!this.isActive || !this.#cable) {
      // Asleep it wakes again.
      if (this.status.kind === 'Stopped') this.#guestFull = true;
      else this.#statistics.droppedToGuest++;
      return !this.#guestFull;
    }
    let taken = true;
    this.enter(() => {
      taken = this.#receive(frame);
    });
    if (!taken) this.#guestFull = true;
    return taken;
  }

  #receive(frame: Frame): boolean {
    const { length, views, segmentation } = frame;
    const acceptable = length >= HEAD_MIN && length <= FRAME_MAX && (segmentation === 'none' || this.#accepts[segmentation]);
    const pair = this.#pairs > 1 && acceptable ? this.#steering.pairFor(views, this.#pairs) : 0;
    const queue = this.queue(2 * pair);
    if (!acceptable || !queue) {
      this.#statistics.droppedToGuest++;
      return true;
    }
    if (!this.#filter.accepts(this.#headOf(views), this.#mac, this.#features.has(VIRTIO_NET_F_CTRL_VLAN))) return true;

    const mergeable = this.#features.has(VIRTIO_NET_F_MRG_RXBUF);
    switch (this.#buffers.take(queue, HEADER_BYTES + length, mergeable)) {
      case 'few':
        return false;
      case 'small':
        this.#statistics.droppedToGuest++;
        return true;
      case 'enough':
        writeHeader(this.#header, frame, this.#buffers.count);
        this.#buffers.fill(queue, this.#header, views);
        this.observer?.('in', frame);
        this.#statistics.framesToGuest++;
        this.#statistics.bytesToGuest += length;
        return true;
    }
  }

  /** The first bytes of a frame, as far as the filter looks. */
  #headOf(views: readonly Uint8Array[]): Uint8Array {
    const head = this.#head;
    if (views[0].length >= head.length) return views[0];
    let at = 0;
    head.fill(0);
    for (const view of views) {
      if (at === head.length) break;
      head.set(view.subarray(0, head.length - at), at);
      at += Math.min(view.length, head.length - at);
    }
    return head;
  }

  #control(index: number): void {
    for (let chain = this.take(index); chain; chain = this.take(index)) {
      const { readable, writable } = chain;
      let written = 0;
      try {
        if (writable.length === 0) throw DeviceError.InvalidParameter('A control command has no room for its answer.');
        writable.writeU8(0, performControl(readable, this.#controlled) ? CONTROL_OK : CONTROL_ERROR);
        written = 1;
      } finally {
        this.queue(index)?.complete(chain, written);
      }
    }
  }

  /** What the driver's commands act on. */
  get #controlled(): Controlled {
    return {
      features: this.#features,
      filter: this.#filter,
      maxPairs: this.#maxPairs,
      setMac: (address) => this.#setMac(address),
      setPairs: (pairs) => {
        this.#pairs = pairs;
        this.#steering.reset();
        this.#resumeBackend();
      },
      setOffloads: (bits) => this.#setOffloads(bits),
      announced: () => {
        this.#announce = false;
        this.#writeStatus(this.config);
      },
    };
  }

  #setMac(address: Uint8Array): void {
    this.#mac.set(address);
    for (const [i, byte] of this.#mac.entries()) this.config.setUint8(CONFIG_MAC + i, byte);
  }

  #setOffloads(bits: readonly number[]): void {
    this.#offloads = bits;
    this.#accepts = offloadsOf(bits);
  }

  #writeStatus(config: DataView): void {
    config.setUint16(CONFIG_STATUS, (this.isUp ? STATUS_LINK_UP : 0) | (this.#announce ? STATUS_ANNOUNCE : 0), true);
  }

  /** Cable or back end came or went. */
  #linkChanged(): void {
    const wasUp = (this.config.getUint16(CONFIG_STATUS, true) & STATUS_LINK_UP) !== 0;
    if (wasUp !== this.isUp) {
      // Who is at the other end now may not know where the guest is.
      this.#announce = this.isUp && this.#features.has(VIRTIO_NET_F_GUEST_ANNOUNCE);
      this.changeConfig((config) => this.#writeStatus(config));
    }
    this.#tellBackend();
    if (!this.#cable) this.#resumeBackend();
  }

  /** What is wrong before anybody listens is told once the driver is up. */
  #warn(error: VmError): void {
    if (this.listenerCount('warning') > 0) this.emit('warning', error);
    else if (this.#untold.length < WARNINGS_MAX) this.#untold.push(error);
  }

  #tellBackend(): void {
    const listens = this.isActive && this.#cable;
    if (listens === this.#listens) return;
    this.#listens = listens;
    this.backend.linkChanged(listens);
  }
}
