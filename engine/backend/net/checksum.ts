/** The Internet checksum (RFC 1071), as sums that are folded at the end. */

/** Sum of the bytes from `start` to `end` as big-endian 16-bit words, added to `sum`; an odd last byte is filled up with zero. */
export function addBytes(bytes: Uint8Array, start: number, end: number, sum = 0): number {
  let at = start;
  // Sums of up to 2^21 words stay exact; frames have 2^15.
  for (; at + 8 <= end; at += 8) {
    sum +=
      ((bytes[at] << 8) | bytes[at + 1]) +
      ((bytes[at + 2] << 8) | bytes[at + 3]) +
      ((bytes[at + 4] << 8) | bytes[at + 5]) +
      ((bytes[at + 6] << 8) | bytes[at + 7]);
  }
  for (; at + 2 <= end; at += 2) sum += (bytes[at] << 8) | bytes[at + 1];
  if (at < end) sum += bytes[at] << 8;
  return sum;
}

/** The 16 bits of a sum, carries added. */
export function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
}

/** What goes into the checksum field for bytes that sum up to `sum`. */
export function checksumOf(sum: number): number {
  return ~fold(sum) & 0xffff;
}

export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
