/** The first bytes of a qcow2 image: "QFI" and 0xfb. */
export const QCOW2_MAGIC = Uint8Array.of(0x51, 0x46, 0x49, 0xfb);

export function hasQcow2Magic(start: Uint8Array): boolean {
  return QCOW2_MAGIC.every((byte, i) => start[i] === byte);
}
