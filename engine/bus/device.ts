import type { DeviceState } from './device-state';
import type { DeviceTreeNode } from './device-tree';

export type AccessSize = 1 | 2 | 4;

/** The sizes in bytes of the accesses that a device takes; the bus refuses others with an access fault. */
export interface AccessSizes {
  min: AccessSize;
  max: AccessSize;
}

/** What is left of an access that takes long; each step takes some milliseconds at most. */
export type LongAccess = Iterator<void>;

/** A device of a machine, wherever it sits. */
export interface ManagedDevice {
  /** Unique on the machine, for traces and errors: `serial@10000000`. */
  readonly name: string;
  /** Accesses to its registers. Values are unsigned. */
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
  /** Where it has a lifecycle (DESIGN §4). */
  readonly deviceStatus?: DeviceStatus;
  /** Send an interrupt to the guest, where the device has several or is not wired. Throws DeviceError where it has no such. */
  interrupt?(vector: number): void;
  /** Back to the state after power-on. */
  reset?(): void;
  /** What snapshots hold of it. All devices of the board have it; a machine with a device that has none cannot be saved. */
  readonly state?: DeviceState;
  /** The node that describes this device to the guest, if it has one. */
  deviceTreeNode?(): DeviceTreeNode;
}

/**
 * A device on the memory-mapped bus: the few things that the bus needs to know.
 * The bus guarantees: 0 ≤ offset, offset + size ≤ this.size, natural alignment, size ≤ 4 (harts split 8-byte accesses
 * into two of 4, low half first). Values are unsigned.
 */
export interface MmioDevice extends ManagedDevice {
  /** Guest-physical address and length in bytes. */
  readonly base: number;
  readonly size: number;
  /** As write(), by a device that may work long for it: returns what is left, for which the hart's next access waits. */
  begin?(offset: number, size: AccessSize, value: number): LongAccess | undefined;
  /** Without this a device takes 1, 2 and 4 bytes. */
  readonly accessSizes?: AccessSizes;
  /** A hart waits until the device has taken a write; else it goes on at once. */
  readonly holdsWriters?: boolean;
}

/** A device as the board itself has them: one that can be saved and restored. */
export type BoardDevice = MmioDevice & { readonly state: DeviceState };

/** A wire into an interrupt controller, level-triggered. */
export interface InterruptLine {
  /** How a device-tree node says that its interrupt is this wire. */
  readonly deviceTree: { interrupts: number[]; 'interrupt-parent': [{ ref: string }] };
  setLevel(asserted: boolean): void;
}

/** Derived from a device's lifecycle (DESIGN §4); `Error` carries its message. */
export type DeviceStatus =
  | { kind: 'Uninitialized' }
  | { kind: 'Initialized' }
  | { kind: 'Running' }
  | { kind: 'Stopped' }
  | { kind: 'Error'; message: string };
