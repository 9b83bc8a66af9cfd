/** What a page table maps (privileged ISA §12.3 to §12.6), for those who look on: nothing is marked as accessed, no right is asked for. */
export interface Mapping {
  virtual: bigint;
  physical: bigint;
  bytes: bigint;
  /** The entry's low eight bits: V, R, W, X, U, G, A, D. */
  flags: number;
}

/** Levels of the tables by satp's MODE. */
const LEVELS: Readonly<Record<number, number>> = { 8: 3, 9: 4, 10: 5 };
const PTE_V = 1n;
const PTE_RWX = 14n;
const PPN = 0x003f_ffff_ffff_fc00n;
const NAPOT = 1n << 63n;
const NAPOT_BYTES = 0x1_0000n;

/** The doubleword at a physical address; undefined where no memory is. */
export type ReadWord = (physical: bigint) => bigint | undefined;

/** Where a virtual address lies; undefined where it is not mapped. With satp's MODE 0 everything lies where it is. */
export function walk(satp: bigint, address: bigint, read: ReadWord): Mapping | undefined {
  const mode = Number(satp >> 60n);
  if (mode === 0) return { virtual: 0n, physical: 0n, bytes: 1n << 64n, flags: 0xf };
  const levels = LEVELS[mode] as number | undefined;
  if (levels === undefined || BigInt.asUintN(64, BigInt.asIntN(12 + 9 * levels, address)) !== address) return undefined;
  let table = (satp & 0xfff_ffff_ffffn) << 12n;
  for (let shift = BigInt(3 + 9 * levels); shift >= 12n; shift -= 9n) {
    const entry = read(table + ((address >> shift) & 511n) * 8n);
    if (entry === undefined || (entry & PTE_V) === 0n) return undefined;
    const base = (entry & PPN) << 2n;
    if ((entry & PTE_RWX) !== 0n) return leaf(address, entry, base, 1n << shift);
    table = base;
  }
  return undefined;
}

function leaf(address: bigint, entry: bigint, base: bigint, bytes: bigint): Mapping | undefined {
  // Svnapot: 64 KiB, of which the low bits of the page number say the size.
  const size = bytes === 4096n && (entry & NAPOT) !== 0n ? NAPOT_BYTES : bytes;
  const physical = base & ~(size - 1n);
  if (size === bytes && physical !== base) return undefined;
  return { virtual: address & ~(size - 1n), physical, bytes: size, flags: Number(entry & 0xffn) };
}

/** What an address space maps, in order, neighbours with the same rights as one; at most `most`. */
export function mappings(satp: bigint, read: ReadWord, most: number): { mappings: Mapping[]; complete: boolean } {
  const levels = LEVELS[Number(satp >> 60n)] as number | undefined;
  const found: Mapping[] = [];
  /** Tables that are looked at, so that one that contains itself ends. */
  let looks = 0;
  const visit = (table: bigint, first: bigint, shift: bigint): boolean => {
    if (++looks > TABLES_MOST) return false;
    for (let index = 0n; index < 512n; index++) {
      const entry = read(table + index * 8n);
      if (entry === undefined) return true;
      if ((entry & PTE_V) === 0n) continue;
      const virtual = first + (index << shift);
      if ((entry & PTE_RWX) === 0n) {
        if (shift > 12n && !visit((entry & PPN) << 2n, virtual, shift - 9n)) return false;
        continue;
      }
      const physical = (entry & PPN) << 2n;
      const flags = Number(entry & 0xffn);
      const last = found.at(-1);
      const joins = last && last.virtual + last.bytes === virtual && last.physical + last.bytes === physical && last.flags === flags;
      if (joins) last.bytes += 1n << shift;
      else if (found.length === most) return false;
      else found.push({ virtual, physical, bytes: 1n << shift, flags });
    }
    return true;
  };
  if (levels === undefined) return { mappings: [], complete: true };
  const top = BigInt(3 + 9 * levels);
  const complete = visit((satp & 0xfff_ffff_ffffn) << 12n, 0n, top);
  for (const mapping of found) mapping.virtual = BigInt.asUintN(64, BigInt.asIntN(Number(top) + 9, mapping.virtual));
  return { mappings: found, complete };
}

const TABLES_MOST = 65536;
