import { z } from 'zod';
import type { AccessSize } from '../../bus/device';
import { DeviceState, unsigned } from '../../bus/device-state';
import { DeviceError, VmError } from '../../errors/vm-error';
import { VirtioDevice } from '../device';

// Event types of Linux (include/uapi/linux/input-event-codes.h), which the device's events are made of (virtio 1.3 §5.8.6).
export const EV_SYN = 0x00;
export const EV_KEY = 0x01;
export const EV_REL = 0x02;
export const EV_ABS = 0x03;
export const EV_LED = 0x11;
export const EV_REP = 0x14;

/** What the configuration space can be asked for (§5.8.2). */
const ID_NAME = 0x01;
const ID_SERIAL = 0x02;
const ID_DEVIDS = 0x03;
const PROP_BITS = 0x10;
const EV_BITS = 0x11;
const ABS_INFO = 0x12;

// Offsets in the configuration space (§5.8.4).
const CONFIG_SELECT = 0;
const CONFIG_SUBSELECT = 1;
const CONFIG_SIZE = 2;
const CONFIG_ANSWER = 8;
const ANSWER_BYTES = 128;

const EVENT_QUEUE = 0;
const STATUS_QUEUE = 1;
const QUEUE_SIZE = 64;
/** le16 type, le16 code, le32 value. */
const EVENT_BYTES = 8;
/** Events that wait for buffers of the driver; a report for which there is no room is lost as a whole (§5.8.6.2). */
const PENDING_MAX = 1024;
/** Bit numbers of all kinds, and types of events, are below this. */
const CODES = 8 * ANSWER_BYTES;

/** How far an absolute axis goes (Linux's struct input_absinfo). */
export interface InputAxis {
  min: number;
  max: number;
  /** Noise and dead zone that the guest filters out; units per millimetre. */
  fuzz?: number;
  flat?: number;
  resolution?: number;
}

/** What kind of input device it is: all that the driver is told of it. Codes are Linux's (input-event-codes.h). */
export interface InputProfile {
  /** What the guest calls it; at most 128 bytes of UTF-8, as `serial`. */
  name: string;
  serial?: string;
  /** Linux's bus type (6 is "virtual"), vendor, product and version, 16 bits each. */
  ids?: { bus: number; vendor: number; product: number; version: number };
  /** INPUT_PROP_…: INPUT_PROP_DIRECT for a touch screen, for one. */
  properties?: readonly number[];
  /** Codes by type: keys and buttons under EV_KEY, relative axes under EV_REL, lamps that the guest switches under EV_LED; EV_REP with any code has the guest repeat keys that are held. */
  events: Readonly<Record<number, readonly number[]>>;
  /** Absolute axes, by their codes: EV_ABS. */
  axes?: Readonly<Record<number, InputAxis>>;
}

export interface InputEvent {
  type: number;
  code: number;
  /** 32 bits, signed: of a key, 1 for pressed and 0 for released. */
  value: number;
}

export interface VirtioInputOptions {
  profile: InputProfile;
  /** Gets what the driver asks of the device: lamps to switch (EV_LED), how fast keys repeat (EV_REP). */
  onStatus?: (event: InputEvent) => void;
}

const eventSchema = z.strictObject({ type: unsigned(16), code: unsigned(16), value: z.int32() });
const stateSchema = z.strictObject({ select: unsigned(8), subselect: unsigned(8), pending: z.array(eventSchema).max(PENDING_MAX) });

/** The input device (virtio 1.3 §5.8): what it is, a profile says; reports of events go to the driver, states of lamps come from it. */
export class VirtioInput extends VirtioDevice {
  readonly name: string;
  readonly deviceId = 18;
  override readonly pciClass = 0x098000;
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly #profile: InputProfile;
  readonly #onStatus: VirtioInputOptions['onStatus'];
  #pending: InputEvent[] = [];

  override readonly state = new DeviceState(this, {
    version: 1,
    schema: stateSchema,
    save: () => ({
      select: this.config.getUint8(CONFIG_SELECT),
      subselect: this.config.getUint8(CONFIG_SUBSELECT),
      pending: this.#pending.map((event) => ({ ...event })),
    }),
    load: ({ select, subselect, pending }, refuse) => {
      if (!pending.every((event) => this.#has(event))) refuse('it has events that this device does not make');
      return () => {
        this.#select(select, subselect);
        this.#pending = pending;
      };
    },
  });

  /** Throws VmError 'Config' for a profile that the configuration space cannot tell of. */
  constructor({ profile, onStatus }: VirtioInputOptions) {
    super([], new DataView(new ArrayBuffer(CONFIG_ANSWER + ANSWER_BYTES)));
    for (const text of [profile.name, profile.serial ?? '']) {
      if (utf8(text).length > ANSWER_BYTES)
        throw VmError.config(`An input device's name and serial number have at most ${ANSWER_BYTES} bytes.`);
    }
    const { events, axes = {}, properties = [] } = profile;
    const codes = [...Object.keys(events), ...Object.values(events).flat(), ...Object.keys(axes), ...properties].map(Number);
    const unknown = codes.find((code) => !(Number.isInteger(code) && code >= 0 && code < CODES));
    if (unknown !== undefined) throw VmError.config(`Codes of an input device go from 0 to ${CODES - 1}; ${unknown} is none.`);
    this.name = `virtio-input (${profile.name})`;
    this.#profile = profile;
    this.#onStatus = onStatus;
  }

  /**
   * Tell the guest of what happened at one moment: the events go to it together, followed by a SYN_REPORT. False where they are lost: no
   * driver listens, or it does not keep up. Throws VmError 'Config' for events that the profile does not name.
   */
  report(events: readonly InputEvent[]): boolean {
    for (const event of events) {
      if (!this.#has(event)) throw VmError.config(`${this.name} makes no events of type ${event.type} with code ${event.code}.`);
    }
    if (!this.hasListener || this.#pending.length + events.length + 1 > PENDING_MAX) return false;
    for (const { type, code, value } of events) this.#pending.push({ type, code, value: value | 0 });
    this.#pending.push({ type: EV_SYN, code: 0, value: 0 });
    this.enter(() => this.#send());
    return true;
  }

  /** Whether the guest has a driver for it. */
  get hasListener(): boolean {
    return this.status.kind === 'Running' || this.status.kind === 'Stopped';
  }

  /** The driver selects what it wants to read. */
  override writeConfig(offset: number, size: AccessSize, value: number): void {
    if (size !== 1) return;
    if (offset === CONFIG_SELECT) this.#select(value, this.config.getUint8(CONFIG_SUBSELECT));
    if (offset === CONFIG_SUBSELECT) this.#select(this.config.getUint8(CONFIG_SELECT), value);
  }

  protected override onReset(): void {
    this.#select(0, 0);
    this.#pending = [];
  }

  protected override serve(index: number): void {
    if (index === EVENT_QUEUE) this.#send();
    else if (index === STATUS_QUEUE) this.#receive();
  }

  /** Waiting events → buffers of the driver, one each. */
  #send(): void {
    while (this.#pending.length > 0) {
      const chain = this.take(EVENT_QUEUE);
      if (!chain) return;
      const bytes = new Uint8Array(EVENT_BYTES);
      const { type, code, value } = this.#pending[0];
      const view = new DataView(bytes.buffer);
      view.setUint16(0, type, true);
      view.setUint16(2, code, true);
      view.setInt32(4, value, true);
      const fits = chain.writable.length >= EVENT_BYTES;
      if (fits) this.#pending.shift();
      this.queue(EVENT_QUEUE)?.complete(chain, fits ? chain.writable.copyFrom(bytes) : 0);
      if (!fits)
        throw DeviceError.InvalidParameter(`A buffer for an input event has ${chain.writable.length} bytes; it needs ${EVENT_BYTES}.`);
    }
  }

  #receive(): void {
    for (let chain = this.take(STATUS_QUEUE); chain; chain = this.take(STATUS_QUEUE)) {
      const bytes = new Uint8Array(EVENT_BYTES);
      const length = chain.readable.copyTo(bytes);
      this.queue(STATUS_QUEUE)?.complete(chain, 0);
      if (length < EVENT_BYTES)
        throw DeviceError.InvalidParameter(`An input device's status has ${length} bytes; it needs ${EVENT_BYTES}.`);
      const view = new DataView(bytes.buffer);
      const event = { type: view.getUint16(0, true), code: view.getUint16(2, true), value: view.getInt32(4, true) };
      if (this.#has(event)) this.#onStatus?.(event);
    }
  }

  #has({ type, code }: InputEvent): boolean {
    const { events, axes = {} } = this.#profile;
    if (type === EV_SYN) return code === 0;
    if (type === EV_ABS) return Object.hasOwn(axes, code);
    // The driver sets delay and period, whatever the profile names.
    if (type === EV_REP) return Object.hasOwn(events, type);
    return events[type]?.includes(code) ?? false;
  }

  #select(select: number, subselect: number): void {
    const answer = this.#answer(select, subselect);
    new Uint8Array(this.config.buffer).fill(0);
    this.config.setUint8(CONFIG_SELECT, select);
    this.config.setUint8(CONFIG_SUBSELECT, subselect);
    this.config.setUint8(CONFIG_SIZE, answer.length);
    new Uint8Array(this.config.buffer).set(answer, CONFIG_ANSWER);
  }

  /** Empty for what there is not (§5.8.5.2). */
  #answer(select: number, subselect: number): Uint8Array {
    const { name, serial = '', ids, properties = [], events, axes = {} } = this.#profile;
    if (select === EV_BITS) return bitmap(subselect === EV_ABS ? Object.keys(axes).map(Number) : (events[subselect] ?? []));
    if (select === ABS_INFO) {
      const axis = axes[subselect];
      return axis ? littleEndian(4, [axis.min, axis.max, axis.fuzz ?? 0, axis.flat ?? 0, axis.resolution ?? 0]) : new Uint8Array(0);
    }
    if (subselect !== 0) return new Uint8Array(0);
    switch (select) {
      case ID_NAME:
        return utf8(name);
      case ID_SERIAL:
        return utf8(serial);
      case ID_DEVIDS:
        return ids ? littleEndian(2, [ids.bus, ids.vendor, ids.product, ids.version]) : new Uint8Array(0);
      case PROP_BITS:
        return bitmap(properties);
      default:
        return new Uint8Array(0);
    }
  }
}

/** As many bytes as there are up to the last bit that is set. */
function bitmap(bits: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(bits.length === 0 ? 0 : (Math.max(...bits) >>> 3) + 1);
  for (const bit of bits) bytes[bit >>> 3] |= 1 << (bit & 7);
  return bytes;
}

function littleEndian(size: 2 | 4, values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(size * values.length);
  for (const [i, value] of values.entries()) for (let at = 0; at < size; at++) bytes[size * i + at] = value >> (8 * at);
  return bytes;
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
