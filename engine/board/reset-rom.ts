/** Where the harts start: the same place and the same hand-over as QEMU's virt board. */
export const RESET_ROM_BASE = 0x1000;
export const RESET_ROM_SIZE = 0xf000;

// OpenSBI's fw_dynamic_info, version 2.
const FW_DYNAMIC_MAGIC = 0x4942534f;
const FW_DYNAMIC_VERSION = 2;
const NEXT_MODE_S = 1;

/** a0 = hart id, a1 = device tree, a2 = fw_dynamic_info, jump to the entry. */
const CODE = [
  0x00000297, // auipc t0, 0
  0x02828613, // addi  a2, t0, 40
  0xf1402573, // csrr  a0, mhartid
  0x0202b583, // ld    a1, 32(t0)
  0x0182b283, // ld    t0, 24(t0)
  0x00028067, // jr    t0
];

export interface ResetTarget {
  /** Where the harts go in M-mode: the firmware, or without firmware the kernel. */
  entry: number;
  /** Address of the device tree. */
  deviceTree: number;
  /** Where fw_dynamic firmware goes on in S-mode; 0 where there is nothing. */
  next: number;
}

/** Contents of the reset ROM from its first byte on. */
export function resetRom(target: ResetTarget): Uint8Array {
  const rom = new Uint8Array(88);
  const view = new DataView(rom.buffer);
  for (const [i, instruction] of CODE.entries()) view.setUint32(4 * i, instruction, true);
  const quads = [target.entry, target.deviceTree, FW_DYNAMIC_MAGIC, FW_DYNAMIC_VERSION, target.next, NEXT_MODE_S, 0, 0];
  for (const [i, value] of quads.entries()) view.setBigUint64(24 + 8 * i, BigInt(value), true);
  return rom;
}
