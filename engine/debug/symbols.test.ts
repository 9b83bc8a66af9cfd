import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildElf } from '../../test/support/elf-builder';
import { SymbolTable } from './symbols';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-symbols-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(contents: string | Uint8Array): string {
  const path = join(folder, 'symbols');
  writeFileSync(path, contents);
  return path;
}

describe('SymbolTable', () => {
  it('finds the function that holds an address, and none where none does', () => {
    const table = new SymbolTable();
    table.add([
      { name: 'second', address: 0x2000n, size: 0x100n },
      { name: 'first', address: 0x1000n, size: 0x100n },
      { name: 'alias', address: 0x1000n, size: 0x100n },
      { name: 'label', address: 0x1010n, size: 0n },
      { name: 'unsized', address: 0x3000n, size: 0n },
    ]);
    const found = [0xfffn, 0x1000n, 0x1020n, 0x10ffn, 0x1100n, 0x2000n, 0x3800n, 0x10_0000n].map((address) => table.nameOf(address));
    expect(found).toEqual([undefined, 'first', 'first', 'first', undefined, 'second', 'unsized', undefined]);
  });

  it('reads ELF files, moved to where they were loaded', async () => {
    const table = new SymbolTable();
    await table.addFile(file(buildElf({ entry: 0, parts: [], symbols: { main: 0x400 } })), 0x2a_0000_0000n);
    expect(table.nameOf(0x2a_0000_0404n)).toBe('main');
    expect(table.nameOf(0x404n)).toBeUndefined();
  });

  it("reads the kernel's own list", async () => {
    const table = new SymbolTable();
    const list = 'ffffffff80000000 T _start\nffffffff80000040 d data\nffffffff80000080 t helper\t[fuse]\n';
    await table.addFile(file(list));
    expect(table.nameOf(0xffffffff80000048n)).toBe('_start');
    expect(table.nameOf(0xffffffff80000080n)).toBe('helper [fuse]');
  });

  it.each([
    ['hello', /names no function/],
    ['0000000000000000 T _start\n', /addresses hidden/],
    [buildElf({ entry: 0, parts: [] }), /names no function/],
  ])('refuses what gives no names', async (contents, message) => {
    await expect(new SymbolTable().addFile(file(contents))).rejects.toThrow(message);
  });
});
