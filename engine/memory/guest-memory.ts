import { DeviceError } from '../errors/vm-error';
import { MACHINE_CODE_EPOCH, MACHINE_MAP_EPOCH, MEMORY_REGIONS, MEMORY_REGION_STRIDE, REGION_FLAGS, REGION_HIDDEN } from './layout';
import type { MemoryPlan } from './memory-plan';

/**
 * Guest-physical memory as the device thread sees it: views of the shared memory, no copies.
 * Addresses are guest-physical byte addresses below 2^53.
 */
export class GuestMemory {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly data: DataView;

  constructor(
    readonly memory: WebAssembly.Memory,
    readonly plan: MemoryPlan,
  ) {
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Int32Array(memory.buffer);
    this.data = new DataView(memory.buffer);
  }

  /**
   * Offset in the shared memory of `length` bytes at `address`, or -1 where they are not all in one region
   * (one that devices may write, if `forWriting`).
   */
  offsetOf(address: number, length: number, forWriting = false): number {
    for (const region of this.plan.regions) {
      const at = address - region.base;
      if (at >= 0 && length >= 0 && at + length <= region.size) return forWriting && region.readonly ? -1 : region.offset + at;
    }
    return -1;
  }

  contains(address: number, length: number): boolean {
    return this.offsetOf(address, length) >= 0;
  }

  /** The bytes themselves (not a copy). Throws DeviceError.InvalidParameter outside RAM. */
  view(address: number, length: number): Uint8Array {
    const at = this.locate(address, length);
    return this.bytes.subarray(at, at + length);
  }

  readU16(address: number): number {
    return this.data.getUint16(this.locate(address, 2), true);
  }
  readU32(address: number): number {
    return this.data.getUint32(this.locate(address, 4), true);
  }
  /** A 64-bit value as a number; exact below 2^53, which is all that addresses and lengths need. */
  readU64(address: number): number {
    const at = this.locate(address, 8);
    return this.data.getUint32(at, true) + this.data.getUint32(at + 4, true) * 0x1_0000_0000;
  }
  writeU16(address: number, value: number): void {
    this.data.setUint16(this.locate(address, 2), value, true);
    this.wrote(address, 2);
  }
  writeU32(address: number, value: number): void {
    this.data.setUint32(this.locate(address, 4), value, true);
    this.wrote(address, 4);
  }
  writeU64(address: number, value: number): void {
    const at = this.locate(address, 8);
    this.data.setUint32(at, value >>> 0, true);
    this.data.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
    this.wrote(address, 8);
  }
  copyIn(address: number, source: Uint8Array): void {
    this.view(address, source.length).set(source);
    this.wrote(address, source.length);
  }

  /**
   * Whether harts read the device's region at `base` past the memory, from the device. A hart notices at its next poll, one that wrote to
   * the device before it goes on.
   */
  hide(base: number, hidden: boolean): void {
    const region = this.plan.regions.findIndex((one) => one.base === base && one.device);
    if (region < 0) throw DeviceError.InvalidParameter(`No device has memory at 0x${base.toString(16)}.`);
    const flags = (MEMORY_REGIONS + region * MEMORY_REGION_STRIDE + REGION_FLAGS) >>> 2;
    const before = hidden ? Atomics.or(this.words, flags, REGION_HIDDEN) : Atomics.and(this.words, flags, ~REGION_HIDDEN);
    if (((before & REGION_HIDDEN) !== 0) !== hidden) Atomics.add(this.words, MACHINE_MAP_EPOCH >>> 2, 1);
  }

  /**
   * Tell the harts that a device wrote here: pages that hold translated code lose their version, so that the
   * next `fence.i` drops their translations. Call it after every write that did not go through this class.
   */
  wrote(address: number, length: number): void {
    if (length <= 0) return;
    let versions = this.plan.pageVersions;
    for (const region of this.plan.regions) {
      const at = address - region.base;
      if (at >= 0 && at < region.size) {
        const last = Math.floor(Math.min(at + length, region.size) - 1) >>> 12;
        for (let page = Math.floor(at / 4096); page <= last; page++) {
          const word = (versions >>> 2) + page;
          // Not a mere load: that may come before what was written is seen. A hart that makes this a code page does so either before
          // this, or after, and then reads what was written.
          const version = Atomics.or(this.words, word, 0);
          if (version < 0 && Atomics.compareExchange(this.words, word, version, 0) === version) {
            Atomics.add(this.words, MACHINE_CODE_EPOCH >>> 2, 1);
          }
        }
        return;
      }
      versions += (region.size / 4096) * 4;
    }
  }

  private locate(address: number, length: number): number {
    const at = this.offsetOf(address, length);
    if (at < 0) {
      throw DeviceError.InvalidParameter(`Guest address 0x${address.toString(16)} (+${length} bytes) lies outside the machine's memory.`);
    }
    return at;
  }
}
