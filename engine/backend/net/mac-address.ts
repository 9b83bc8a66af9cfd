import { createHash } from 'node:crypto';
import { VmError } from '../../errors/vm-error';

/**
 * What our adapters' addresses begin with: locally administered, so that no maker of cards has it (IEEE 802c), and none of the quadrant
 * that is given out. "HB" in the middle.
 */
const PREFIX = [0x02, 0x48, 0x42];

/** Six bytes of `52:54:00:12:34:56`. Throws VmError 'Config' for anything else, and for an address of a group. */
export function parseMac(text: string): Uint8Array<ArrayBuffer> {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text))
    throw VmError.config(`'${text}' is no MAC address; expected six bytes as 52:54:00:12:34:56.`, {
      code: 'mac-invalid',
      params: { mac: text },
    });
  const bytes = Uint8Array.from(text.split(/[:-]/), (byte) => Number.parseInt(byte, 16));
  if (bytes[0] & 1 || bytes.every((byte) => byte === 0))
    throw VmError.config(`${text} is no address that an adapter can have: the first byte of one is even, and not all are 0.`, {
      code: 'mac-of-group',
      params: { mac: text },
    });
  return bytes;
}

export function formatMac(mac: Uint8Array): string {
  return [...mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** The address of a box's adapter: always the same for the same box. `seed` is what the box is known by. */
export function macFor(seed: string, adapter: number): Uint8Array<ArrayBuffer> {
  const digest = createHash('sha256').update(`${seed}\0${adapter}`).digest();
  return Uint8Array.of(...PREFIX, digest[0], digest[1], digest[2]);
}
