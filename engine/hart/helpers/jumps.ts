import { HART_JUMPS, HART_JUMP_NEXT, JUMP_ROWS, JUMP_ROW_BYTES } from '../hart-layout';
import { hart } from './state';

/** Note where the indirect jump at a record goes: tier 1 expects it to go there again. */
export function note_jump(record: u32, target: u64): void {
  const row = hart + HART_JUMPS + ((record >> 3) & (JUMP_ROWS - 1)) * JUMP_ROW_BYTES;
  for (let entry = row; entry < row + JUMP_ROW_BYTES; entry += 8) {
    const known = load<u64>(entry);
    if (known == target) return;
    if (known == 0) {
      store<u64>(entry, target);
      return;
    }
  }
  const next = load<u32>(hart + HART_JUMP_NEXT);
  store<u64>(row + (next & (JUMP_ROW_BYTES - 8)), target);
  store<u32>(hart + HART_JUMP_NEXT, next + 8);
}
