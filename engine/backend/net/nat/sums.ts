import { addBytes } from '../checksum';

/** The sum of the pseudo header: addresses that follow each other, protocol and length (RFC 9293 §3.1, RFC 8200 §8.1). */
export function pseudoHeader(bytes: Uint8Array, addressesAt: number, addressesEnd: number, protocol: number, length: number): number {
  return addBytes(bytes, addressesAt, addressesEnd, protocol + (length & 0xffff) + (length >>> 16));
}

/** Adds pieces, of odd length too, as one run of bytes. */
export function addPieces(pieces: readonly Uint8Array[], sum: number): number {
  let isOdd = false;
  for (const piece of pieces) {
    if (piece.length === 0) continue;
    const from: number = isOdd ? 1 : 0;
    if (isOdd) sum += piece[0];
    sum = addBytes(piece, from, piece.length, sum);
    isOdd = ((piece.length - from) & 1) === 1;
  }
  return sum;
}
