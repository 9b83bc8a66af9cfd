import type { DiskFile } from '../disk-file';
import { damaged } from './header';

/** A metadata table of one cluster: an L2 table or a refcount block. */
export interface Table {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Changed since it was last saved. */
  dirty: boolean;
  /** Being saved: what is in memory is not all in the file yet. */
  saving: boolean;
}

/**
 * Tables of an image in memory, bounded: the clean ones that were used least recently make room.
 *
 * A table may be used only until the next `await`: afterwards it has to be asked for again.
 */
export class TableCache {
  readonly #tables = new Map<number, Table>();
  readonly #loading = new Map<number, Promise<Table>>();
  #dirty = 0;

  constructor(
    private readonly file: DiskFile,
    private readonly tableBytes: number,
    /** Tables to keep. Dirty ones stay beyond it: see `isCrowded`. */
    private readonly limit: number,
  ) {}

  /** Whether tables should be saved so that others find room. */
  get isCrowded(): boolean {
    return this.#dirty > this.limit / 2;
  }

  get hasDirty(): boolean {
    return this.#dirty > 0;
  }

  /** The table at this offset if it is in memory. */
  peek(offset: number): Table | undefined {
    const table = this.#tables.get(offset);
    if (table) {
      this.#tables.delete(offset);
      this.#tables.set(offset, table);
    }
    return table;
  }

  /** The table at this offset. Throws VmError 'Image' if there can be none. */
  async load(offset: number): Promise<Table> {
    const present = this.peek(offset);
    if (present) return present;
    let loading = this.#loading.get(offset);
    if (!loading) {
      loading = this.#load(offset).finally(() => this.#loading.delete(offset));
      this.#loading.set(offset, loading);
    }
    return loading;
  }

  /** A new table, not in the file yet. */
  adopt(offset: number, bytes: Uint8Array): Table {
    const table = this.#insert(offset, bytes);
    this.markDirty(table);
    return table;
  }

  markDirty(table: Table): void {
    // It may have made room for others since it was asked for.
    this.#tables.set(table.offset, table);
    if (table.dirty) return;
    table.dirty = true;
    this.#dirty++;
  }

  /** What there is to save: copies of the dirty tables as they are now. Give the result to `saved`. */
  takeDirty(): { table: Table; copy: Uint8Array }[] {
    const taken: { table: Table; copy: Uint8Array }[] = [];
    for (const table of this.#tables.values()) {
      if (!table.dirty) continue;
      table.dirty = false;
      table.saving = true;
      taken.push({ table, copy: table.bytes.slice() });
    }
    this.#dirty = 0;
    return taken;
  }

  async save(taken: { table: Table; copy: Uint8Array }[]): Promise<void> {
    await Promise.all(taken.map(({ table, copy }) => this.file.writev(table.offset, [copy])));
  }

  /** Saving has ended, well or badly. */
  saved(taken: { table: Table }[], isDone: boolean): void {
    for (const { table } of taken) {
      table.saving = false;
      if (!isDone) this.markDirty(table);
    }
    this.#evict();
  }

  /** There is no table here any more. */
  forget(offset: number): void {
    const table = this.#tables.get(offset);
    if (table?.dirty) this.#dirty--;
    if (table) table.dirty = false;
    this.#tables.delete(offset);
  }

  async #load(offset: number): Promise<Table> {
    if (offset === 0 || offset % this.tableBytes !== 0 || offset >= this.file.length)
      throw damaged(this.file.path, `a table would be at byte ${offset}, of ${this.file.length} in the file`);
    const bytes = new Uint8Array(this.tableBytes);
    await this.file.readv(offset, [bytes]);
    return this.peek(offset) ?? this.#insert(offset, bytes);
  }

  #insert(offset: number, bytes: Uint8Array): Table {
    this.forget(offset);
    const table = { offset, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), dirty: false, saving: false };
    this.#tables.set(offset, table);
    this.#evict();
    return table;
  }

  #evict(): void {
    if (this.#tables.size <= this.limit) return;
    let surplus = this.#tables.size - this.limit;
    for (const [offset, table] of this.#tables) {
      if (surplus === 0) break;
      if (table.dirty || table.saving) continue;
      this.#tables.delete(offset);
      surplus--;
    }
  }
}
