import { VmError } from '../errors/vm-error';
import type { AccessSize } from '../bus/device';

/** PCI Express: 4 KiB for each function. */
export const CONFIGURATION_BYTES = 4096;

const CAPABILITIES_POINTER = 0x34;
const FIRST_CAPABILITY = 0x40;
const CAPABILITIES_END = 0x100;
const STATUS = 0x06;
const STATUS_CAPABILITIES = 0x10;

/** Something that happens around a driver's accesses to a part of the space. */
interface Hook {
  first: number;
  last: number;
  beforeRead?: () => void;
  afterWrite?: () => void;
}

/**
 * The configuration space of one function as data: bytes, and which bits of them a driver may write. Sizing a BAR, for one, is
 * nothing but writing ones and reading back those that are writable.
 */
export class ConfigurationSpace {
  readonly #view = new DataView(new ArrayBuffer(CONFIGURATION_BYTES));
  readonly #initial = new DataView(new ArrayBuffer(CONFIGURATION_BYTES));
  readonly #writable = new DataView(new ArrayBuffer(CONFIGURATION_BYTES));
  readonly #hooks: Hook[] = [];
  #capabilitiesEnd = FIRST_CAPABILITY;
  #lastPointer = CAPABILITIES_POINTER;

  /** A field, its value after power-on and the bits that a driver may write. */
  define(offset: number, size: AccessSize, value: number, writable = 0): void {
    set(this.#view, offset, size, value);
    set(this.#initial, offset, size, value);
    set(this.#writable, offset, size, writable);
  }

  /** Append a capability (PCI 3.0 §6.7) of `length` bytes, its header of two included; the offset where it stands. */
  addCapability(id: number, length: number): number {
    const at = this.#capabilitiesEnd;
    if (at + length > CAPABILITIES_END) throw new VmError('Internal', 'The capabilities of a PCI function take more than 192 bytes.');
    this.define(at, 1, id);
    this.define(this.#lastPointer, 1, at);
    this.define(STATUS, 2, this.get(STATUS, 2) | STATUS_CAPABILITIES);
    this.#lastPointer = at + 1;
    this.#capabilitiesEnd = (at + length + 3) & ~3;
    return at;
  }

  hook(offset: number, bytes: number, hook: { beforeRead?: () => void; afterWrite?: () => void }): void {
    this.#hooks.push({ first: offset, last: offset + bytes - 1, ...hook });
  }

  /** A driver reads. */
  read(offset: number, size: AccessSize): number {
    for (const hook of this.#hooks) if (offset <= hook.last && offset + size > hook.first) hook.beforeRead?.();
    return this.get(offset, size);
  }

  /** A driver writes. */
  write(offset: number, size: AccessSize, value: number): void {
    const writable = get(this.#writable, offset, size);
    set(this.#view, offset, size, (this.get(offset, size) & ~writable) | (value & writable));
    for (const hook of this.#hooks) if (offset <= hook.last && offset + size > hook.first) hook.afterWrite?.();
  }

  /** A field as it is, unsigned. */
  get(offset: number, size: AccessSize): number {
    return get(this.#view, offset, size);
  }

  /** Change a field from the device's side. */
  set(offset: number, size: AccessSize, value: number): void {
    set(this.#view, offset, size, value);
  }

  /** All fields as after power-on; no driver writes, so no hook is called. */
  reset(): void {
    bytesOf(this.#view).set(bytesOf(this.#initial));
  }

  /** All fields as they are: a copy. */
  get bytes(): Uint8Array {
    return bytesOf(this.#view).slice();
  }

  /** Whether these are all fields of a function like this: vendor, device and class tell functions apart. */
  fits(saved: Uint8Array): boolean {
    const initial = bytesOf(this.#initial);
    return saved.length === CONFIGURATION_BYTES && [0, 1, 2, 3, 9, 10, 11].every((at) => saved[at] === initial[at]);
  }

  /** Make the fields what they were, as far as drivers may write them; as with `reset`, no hook is called. */
  load(saved: Uint8Array): void {
    const writable = bytesOf(this.#writable);
    const view = bytesOf(this.#view);
    const initial = bytesOf(this.#initial);
    for (let at = 0; at < CONFIGURATION_BYTES; at++) view[at] = (initial[at] & ~writable[at]) | (saved[at] & writable[at]);
  }
}

function bytesOf(view: DataView<ArrayBuffer>): Uint8Array {
  return new Uint8Array(view.buffer);
}

function get(view: DataView, offset: number, size: AccessSize): number {
  if (size === 1) return view.getUint8(offset);
  return size === 2 ? view.getUint16(offset, true) : view.getUint32(offset, true);
}

function set(view: DataView, offset: number, size: AccessSize, value: number): void {
  if (size === 1) view.setUint8(offset, value);
  else if (size === 2) view.setUint16(offset, value, true);
  else view.setUint32(offset, value, true);
}
