/** Entries of a refcount block: 1 to 64 bits wide, the first in the least significant bits of the first byte. */
export function readRefcount(view: DataView, index: number, bits: number): number {
  switch (bits) {
    case 8:
      return view.getUint8(index);
    case 16:
      return view.getUint16(2 * index);
    case 32:
      return view.getUint32(4 * index);
    case 64:
      return view.getUint32(8 * index) * 0x1_0000_0000 + view.getUint32(8 * index + 4);
    default: {
      const perByte = 8 / bits;
      return (view.getUint8(Math.floor(index / perByte)) >> ((index % perByte) * bits)) & ((1 << bits) - 1);
    }
  }
}

export function writeRefcount(view: DataView, index: number, bits: number, count: number): void {
  switch (bits) {
    case 8:
      view.setUint8(index, count);
      break;
    case 16:
      view.setUint16(2 * index, count);
      break;
    case 32:
      view.setUint32(4 * index, count);
      break;
    case 64:
      view.setUint32(8 * index, Math.floor(count / 0x1_0000_0000));
      view.setUint32(8 * index + 4, count % 0x1_0000_0000);
      break;
    default: {
      const perByte = 8 / bits;
      const at = Math.floor(index / perByte);
      const shift = (index % perByte) * bits;
      view.setUint8(at, (view.getUint8(at) & ~(((1 << bits) - 1) << shift)) | (count << shift));
    }
  }
}

/** The highest count that fits. */
export function refcountMax(bits: number): number {
  return bits === 64 ? Number.MAX_SAFE_INTEGER : 2 ** bits - 1;
}
