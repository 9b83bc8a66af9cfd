import { CodeBuffer } from './code-buffer';
import type { Emitter, ValueType } from './emitter';

export interface FunctionType {
  parameters: ValueType[];
  results: ValueType[];
}

/** Assembles a WebAssembly module from function bodies (core spec §5.5). Imports come before own functions. */
export class ModuleBuilder {
  private readonly types: FunctionType[] = [];
  private readonly imports: { module: string; name: string; type: number }[] = [];
  private readonly functions: { type: number; body: ReturnType<Emitter['body']> }[] = [];
  private readonly exports: { name: string; index: number }[] = [];
  private table: { module: string; name: string } | undefined;
  private memory: { module: string; name: string; maximum: number } | undefined;

  /** Import the shared memory; `maximum` in 64 KiB pages. */
  importMemory(module: string, name: string, maximum: number): void {
    this.memory = { module, name, maximum };
  }

  /** Import the table that call_indirect uses. */
  importTable(module: string, name: string): void {
    this.table = { module, name };
  }

  importFunction(module: string, name: string, type: FunctionType): number {
    if (this.functions.length) throw new Error('imports come before functions');
    return this.imports.push({ module, name, type: this.typeIndex(type) }) - 1;
  }

  addFunction(type: FunctionType, emitter: Emitter, exportName?: string): number {
    const index = this.imports.length + this.functions.push({ type: this.typeIndex(type), body: emitter.body() }) - 1;
    if (exportName !== undefined) this.exports.push({ name: exportName, index });
    return index;
  }

  build(): Uint8Array<ArrayBuffer> {
    const out = new CodeBuffer();
    for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(byte);
    this.section(out, 1, this.types, (at, type) => {
      at.byte(0x60);
      at.u32(type.parameters.length);
      for (const parameter of type.parameters) at.byte(parameter);
      at.u32(type.results.length);
      for (const result of type.results) at.byte(result);
    });
    const { memory, table } = this;
    const imports: ((at: CodeBuffer) => void)[] = this.imports.map(({ module, name, type }) => (at) => {
      at.name(module);
      at.name(name);
      at.byte(0);
      at.u32(type);
    });
    if (memory) {
      imports.push((at) => {
        at.name(memory.module);
        at.name(memory.name);
        at.byte(2);
        at.byte(3);
        at.u32(1);
        at.u32(memory.maximum);
      });
    }
    if (table) {
      imports.push((at) => {
        at.name(table.module);
        at.name(table.name);
        at.byte(1);
        at.byte(0x70);
        at.byte(0);
        at.u32(0);
      });
    }
    this.section(out, 2, imports, (at, write) => write(at));
    this.section(out, 3, this.functions, (at, { type }) => at.u32(type));
    this.section(out, 7, this.exports, (at, { name, index }) => {
      at.name(name);
      at.byte(0);
      at.u32(index);
    });
    this.branchHints(out);
    this.section(out, 10, this.functions, (at, { body }) => at.section(body.code));
    return out.finish();
  }

  /** The custom section of the branch hinting proposal; it stands before the code section. */
  private branchHints(out: CodeBuffer): void {
    const hinted = this.functions
      .map(({ body }, i) => ({ index: this.imports.length + i, hints: body.hints }))
      .filter(({ hints }) => hints.length > 0);
    if (hinted.length === 0) return;
    const content = new CodeBuffer();
    content.name('metadata.code.branch_hint');
    content.u32(hinted.length);
    for (const { index, hints } of hinted) {
      content.u32(index);
      content.u32(hints.length);
      for (const { at, likely } of hints) {
        content.u32(at);
        content.u32(1);
        content.byte(likely ? 1 : 0);
      }
    }
    out.byte(0);
    out.section(content);
  }

  private section<T>(out: CodeBuffer, id: number, items: T[], write: (at: CodeBuffer, item: T) => void): void {
    if (items.length === 0) return;
    const content = new CodeBuffer();
    content.u32(items.length);
    for (const item of items) write(content, item);
    out.byte(id);
    out.section(content);
  }

  /** Index of a function type, for call_indirect. */
  typeIndex(type: FunctionType): number {
    const same = (a: ValueType[], b: ValueType[]): boolean => a.length === b.length && a.every((t, i) => t === b[i]);
    const known = this.types.findIndex((t) => same(t.parameters, type.parameters) && same(t.results, type.results));
    return known >= 0 ? known : this.types.push(type) - 1;
  }
}
