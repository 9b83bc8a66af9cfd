import type { NamedFunction } from '../hart/function-names';

/**
 * The names of a Linux kernel's functions, out of the tables that it keeps in its own memory for its stack traces (CONFIG_KALLSYMS; what lies
 * where: scripts/kallsyms.c of Linux). No file with symbols is needed, and a kernel that chose its own addresses has them right.
 *
 *   until 6.3   offsets, relative_base, num_syms, names, markers, (seqs,) token_table, token_index
 *   from 6.4    num_syms, names, markers, token_table, token_index, offsets, relative_base
 */

/** Digits are tokens of themselves, one behind the other. */
const DIGITS = Buffer.from(Array.from({ length: 10 }, (_, digit) => [0x30 + digit, 0]).flat());
const TOKENS = 256;
/** Names from one marker to the next. */
const NAMES_PER_MARKER = 256;
/** The token table is no longer than that: its index has 16 bits, and tokens are short. */
const TABLE_MAX = 16384;
/** No kernel has more symbols: bounds what a table that is none can cost. */
const SYMBOLS_MAX = 1_000_000;
/** A name with its length, in bytes, on average: no kernel comes near. */
const NAME_MAX = 64;

/** Finds the tables in a piece of memory that holds all of them; undefined where there are none. */
export function kernelSymbols(memory: Uint8Array): NamedFunction[] | undefined {
  const bytes = Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength);
  for (let at = bytes.indexOf(DIGITS); at >= 0; at = bytes.indexOf(DIGITS, at + 1)) {
    const found = new Tables(bytes).read(at);
    if (found) return found;
  }
  return undefined;
}

class Tables {
  private readonly data: DataView;

  constructor(private readonly bytes: Buffer) {
    this.data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** `digits`: where in the token table, perhaps, the digits stand. */
  read(digits: number): NamedFunction[] | undefined {
    const tokens = this.tokens(digits);
    if (!tokens) return undefined;
    const markers = this.markers(tokens.start);
    if (!markers) return undefined;
    for (const before of markers) {
      const names = this.names(before, tokens.texts);
      if (!names) continue;
      const functions = this.functions(names, tokens.end);
      if (functions) return functions;
    }
    return undefined;
  }

  /** The token table by its index, which comes behind it, aligned. */
  private tokens(digits: number): { start: number; end: number; texts: string[] } | undefined {
    const last = Math.min(digits + TABLE_MAX, this.bytes.length - 2 * TOKENS);
    for (let index = (digits + DIGITS.length + 3) & ~3; index <= last; index += 4) {
      const offset = this.data.getUint16(index + 2 * 0x30, true);
      if (this.data.getUint16(index, true) !== 0 || this.data.getUint16(index + 2 * 0x39, true) !== offset + 18) continue;
      const start = digits - offset;
      if (start < 0) continue;
      const texts: string[] = [];
      let end = start - 1;
      for (let token = 0; token < TOKENS; token++) {
        const from = start + this.data.getUint16(index + 2 * token, true);
        const to = this.bytes.indexOf(0, from);
        // One behind the other, with the end of each between.
        if (from !== end + 1 || to < from || to >= index) break;
        texts.push(this.bytes.toString('latin1', from, to));
        end = to;
      }
      if (texts.length === TOKENS) return { start, end: index + 2 * TOKENS, texts };
    }
    return undefined;
  }

  /** Where names begin whose markers may end before `end`: what comes behind the markers, if anything, is the numbers of the names by order. */
  private *markers(end: number): Generator<{ first: number; last: number; start: number; count: number }> {
    // Up to 8 bytes of alignment, or three bytes for each name.
    for (let at = end - 4; at >= Math.max(0, end - 3 * SYMBOLS_MAX - 16); at -= 4) {
      let start = at;
      while (start >= 4 && this.data.getUint32(start - 4, true) < this.data.getUint32(start, true)) start -= 4;
      const count = (at - start) / 4 + 1;
      if (count > 1 && this.data.getUint32(start, true) === 0)
        yield { first: this.data.getUint32(start + 4, true), last: this.data.getUint32(at, true), start, count };
    }
  }

  /** The names, with their types before them, and where their number stands. */
  private names(
    { first, last, start, count }: { first: number; last: number; start: number; count: number },
    texts: string[],
  ): { at: number; names: string[] } | undefined {
    const nearest = (start - last) & ~7;
    const least = Math.max(8, nearest - NAMES_PER_MARKER * NAME_MAX);
    for (let at = nearest; at >= least; at -= 8) {
      const symbols = this.data.getUint32(at - 8, true);
      if (symbols > SYMBOLS_MAX || Math.ceil(symbols / NAMES_PER_MARKER) !== count || this.data.getUint32(at - 4, true) !== 0) continue;
      const names: string[] = [];
      let next = at;
      while (names.length < symbols && next < start) {
        if (names.length === NAMES_PER_MARKER && next - at !== first) break;
        let length = this.bytes[next++];
        // From 6.1 on long names have lengths of two bytes.
        if (length > 0x7f) length = (length & 0x7f) | (this.bytes[next++] << 7);
        let name = '';
        for (let i = 0; i < length; i++) name += texts[this.bytes[next + i]];
        next += length;
        names.push(name);
      }
      if (names.length === symbols && next <= start) return { at: at - 8, names };
    }
    return undefined;
  }

  /** With their addresses: a base, and the distance of each from it. */
  private functions({ at, names }: { at: number; names: string[] }, end: number): NamedFunction[] | undefined {
    const bytes = 4 * names.length;
    const offsets = [(end + 7) & ~7, at - 8 - ((bytes + 7) & ~7)];
    for (const [place, base] of [
      [offsets[0], (offsets[0] + bytes + 7) & ~7],
      [offsets[1], at - 8],
    ]) {
      if (place < 0 || base + 8 > this.bytes.length) continue;
      const relative = this.data.getBigUint64(base, true);
      // Kernels live in the last 4 GiB.
      if (relative >> 32n !== 0xffff_ffffn || !this.isSorted(place, names.length)) continue;
      const functions: NamedFunction[] = [];
      for (const [i, name] of names.entries())
        if (/^[tTwW]/.test(name))
          functions.push({ name: name.slice(1), address: relative + BigInt(this.data.getUint32(place + 4 * i, true)), size: 0n });
      return functions;
    }
    return undefined;
  }

  /** The kernel's table is in the order of the addresses. */
  private isSorted(place: number, count: number): boolean {
    for (let i = 1; i < count; i++)
      if (this.data.getUint32(place + 4 * i, true) < this.data.getUint32(place + 4 * (i - 1), true)) return false;
    return true;
  }
}
