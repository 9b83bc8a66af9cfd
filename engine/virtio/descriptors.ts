import { DeviceError } from '../errors/vm-error';
import type { GuestMemory } from '../memory/guest-memory';

// What split and packed rings have in common: 16 bytes a descriptor, and these flags (virtio 1.3 §2.7.5, §2.8.13).
export const DESCRIPTOR_BYTES = 16;
export const DESCRIPTOR_NEXT = 1;
export const DESCRIPTOR_WRITE = 2;
export const DESCRIPTOR_INDIRECT = 4;

/**
 * Most entries of an indirect table. The specification says "no longer than the queue size", but Linux goes beyond that for
 * indirect chains, and QEMU allows this many.
 */
export const INDIRECT_MAX = 1024;

/** Most entries of a ring of either kind (§2.7, §2.8). */
export const QUEUE_SIZE_MAX = 32768;

/** Offset in the shared memory of a part of a queue. Throws DeviceError.InvalidParameter where it cannot lie. */
export function locate(memory: GuestMemory, what: string, address: number, length: number, alignment: number, forWriting: boolean): number {
  const offset = memory.offsetOf(address, length, forWriting);
  if (offset < 0 || address % alignment !== 0) {
    throw DeviceError.InvalidParameter(
      `The ${what} (${length} bytes at guest address 0x${address.toString(16)}) is not inside guest memory at a multiple of ${alignment}.`,
    );
  }
  return offset;
}

/** Offset in the shared memory of an indirect table of `length` bytes. Throws DeviceError.InvalidParameter where the driver made a mistake. */
export function locateIndirect(memory: GuestMemory, allowed: boolean, flags: number, address: number, length: number): number {
  if (!allowed) throw DeviceError.InvalidParameter('An indirect descriptor was used without VIRTIO_F_INDIRECT_DESC.');
  if (flags & DESCRIPTOR_NEXT) throw DeviceError.InvalidParameter('A descriptor is both indirect and continued.');
  if (length === 0 || length % DESCRIPTOR_BYTES !== 0 || length > INDIRECT_MAX * DESCRIPTOR_BYTES) {
    throw DeviceError.InvalidParameter(`An indirect table has ${length} bytes; expected 1 to ${INDIRECT_MAX} descriptors of 16.`);
  }
  return locate(memory, 'indirect table', address, length, 1, false);
}
