export const SECTOR = 512;

/** What may stand in a sector, in the order of the changes; `from` and `to` say when a change was asked for and was done. */
interface Change {
  tags: Set<number>;
  from: number;
  to: number;
}

/** What each sector of a disk may hold after a power cut, going by what was asked for, done, and flushed. */
export class SectorExpectation {
  private time = 0;
  private readonly changes: Change[][];

  constructor(initial: number[]) {
    this.changes = initial.map((tag) => [{ tags: new Set([tag]), from: 0, to: 0 }]);
  }

  /** A change of some sectors begins; call the result when it is done. */
  begin(first: number, count: number, tag: number, mayStay = false): () => void {
    const from = ++this.time;
    const begun: Change[] = [];
    for (let sector = first; sector < first + count; sector++) {
      const history = this.changes[sector];
      const tags = new Set([tag, ...(mayStay ? history.at(-1).tags : [])]);
      const change = { tags, from, to: Infinity };
      history.push(change);
      begun.push(change);
    }
    return () => {
      const to = ++this.time;
      for (const change of begun) change.to = to;
    };
  }

  /** A flush begins; call the result when it has been acknowledged. */
  flush(): () => void {
    const asked = ++this.time;
    return () => {
      for (const history of this.changes) {
        let last = history.length - 1;
        while (last > 0 && history[last].to > asked) last--;
        history.splice(0, last);
      }
    };
  }

  allows(sector: number, tag: number): boolean {
    return this.changes[sector].some(({ tags }) => tags.has(tag));
  }
}

/** Fill whole sectors with a number that says who wrote them. */
export function stamp(bytes: Uint8Array, tag: number): Uint8Array {
  new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).fill(tag);
  return bytes;
}

/** The tag of a sector, undefined if it has not the same all over. */
export function tagOf(sector: Uint8Array): number | undefined {
  const words = new Uint32Array(sector.buffer, sector.byteOffset, SECTOR / 4);
  return words.every((word) => word === words[0]) ? words[0] : undefined;
}
