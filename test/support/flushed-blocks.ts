export const BLOCK = 4096;
const WRITERS = 4;
const STRIPE = 8;
const ZEROES = Buffer.alloc(BLOCK);

/** As in flushing-writer.c. */
function mix(x: number): number {
  let mixed = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** What a disk has to hold of what test/support/flushing-writer.c writes to it. */
export class FlushedBlocks {
  /** The number that each block has at least; 0: it may be as it was made, all zeroes. */
  readonly #numbers: Uint32Array;
  /** Up to which number the writes of each writer are known to be flushed. */
  #flushed: number[] = [];

  constructor(private readonly blocks: number) {
    this.#numbers = new Uint32Array(blocks);
  }

  /** The writers start, with the number that follows. */
  start(after: number): void {
    this.#flushed = Array.from({ length: WRITERS }, () => after);
  }

  /** A writer has seen the end of a flush behind its write `number`. */
  flushed(writer: number, number: number): void {
    for (let known = this.#flushed[writer] + 1; known <= number; known++) {
      const { first, end } = this.#place(writer, known);
      this.#numbers.fill(known, first, end);
    }
    this.#flushed[writer] = number;
  }

  /** What is wrong with the disk's content. What is there now has to stay there. */
  check(content: Buffer): string[] {
    const problems: string[] = [];
    for (let block = 0; block < this.blocks; block++) {
      const bytes = content.subarray(block * BLOCK, (block + 1) * BLOCK);
      const expected = this.#numbers[block];
      if (expected === 0 && bytes.equals(ZEROES)) continue;
      const number = bytes.readUInt32LE(0);
      const writer = Math.floor(block / STRIPE) % WRITERS;
      const { first, end } = this.#place(writer, number);
      if (number < expected) problems.push(`block ${block} has write ${number}, but write ${expected} was flushed`);
      else if (block < first || block >= end) problems.push(`block ${block} has write ${number}, which went elsewhere`);
      else if (!isWhole(bytes, block, number)) problems.push(`block ${block} has only a part of write ${number}`);
      this.#numbers[block] = number;
    }
    return problems;
  }

  /** The blocks of a write. */
  #place(writer: number, number: number): { first: number; end: number } {
    const place = mix(Math.imul(number, WRITERS) + writer);
    const extent = mix(place + 1);
    const start = extent % STRIPE;
    const first = ((place % (this.blocks / STRIPE / WRITERS)) * WRITERS + writer) * STRIPE + start;
    return { first, end: first + 1 + ((extent >>> 8) % (STRIPE - start)) };
  }
}

function isWhole(bytes: Buffer, block: number, number: number): boolean {
  const seed = mix(number ^ mix(block));
  for (let word = 1; word < BLOCK / 4; word++) if (bytes.readUInt32LE(4 * word) !== mix(seed + word)) return false;
  return true;
}
