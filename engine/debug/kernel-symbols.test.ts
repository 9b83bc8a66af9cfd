import { describe, expect, it } from 'vitest';
import { kernelSymbols } from './kernel-symbols';

const BASE = 0xffff_ffff_8000_0000n;

interface Symbols {
  name: string;
  offset: number;
}

/** Tables as scripts/kallsyms.c makes them, somewhere in memory: with or without the numbers of the names behind the markers. */
function memoryOf(
  symbols: Symbols[],
  { layout, base = BASE, seqs = false }: { layout: 'old' | 'new'; base?: bigint; seqs?: boolean },
): Buffer {
  const parts: Buffer[] = [Buffer.alloc(4096, 0xa5)];
  const length = (): number => parts.reduce((sum, part) => sum + part.length, 0);
  const align = (): void => void parts.push(Buffer.alloc(-length() & 7));
  const u32 = (values: number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);
  const addresses = (): void => {
    align();
    parts.push(u32(symbols.map(({ offset }) => offset)));
    align();
    const relative = Buffer.alloc(8);
    relative.writeBigUInt64LE(base);
    parts.push(relative);
  };
  if (layout === 'old') addresses();
  align();
  parts.push(u32([symbols.length]));
  align();
  const markers: number[] = [];
  const names: Buffer[] = [];
  let at = 0;
  for (const [i, { name }] of symbols.entries()) {
    if (i % 256 === 0) markers.push(at);
    // Token 1 is the one that saves something.
    const text = Buffer.from(name.replaceAll('long_', '\x01'), 'latin1');
    const size = text.length > 0x7f ? [0x80 | (text.length & 0x7f), text.length >> 7] : [text.length];
    names.push(Buffer.from([...size, ...text]));
    at += size.length + text.length;
  }
  parts.push(...names);
  align();
  parts.push(u32(markers));
  align();
  if (seqs) {
    parts.push(Buffer.from(symbols.flatMap((_, i) => [0, i >> 8, i & 255])));
    align();
  }
  const index: number[] = [];
  let table = '';
  for (let token = 0; token < 256; token++) {
    index.push(table.length);
    table += `${token === 1 ? 'long_' : token === 0 ? '' : String.fromCharCode(token)}\0`;
  }
  parts.push(Buffer.from(table, 'latin1'));
  align();
  parts.push(Buffer.from(Uint16Array.from(index).buffer));
  if (layout === 'new') addresses();
  parts.push(Buffer.alloc(4096, 0x5a));
  return Buffer.concat(parts);
}

const many: Symbols[] = Array.from({ length: 700 }, (_, i) => ({ name: `${i % 3 === 0 ? 'd' : 'T'}long_name_${i}`, offset: 16 * i }));
many[300] = { name: `t${'very_'.repeat(40)}deep`, offset: 16 * 300 };

describe('kernelSymbols', () => {
  it.each([{ layout: 'new' as const }, { layout: 'old' as const }, { layout: 'old' as const, seqs: true }])(
    'reads the functions of a kernel, where they were moved to: %o',
    (kind) => {
      const found = kernelSymbols(memoryOf(many, { ...kind, base: BASE + 0x1234_0000n }));
      //      expect(found?.length).toBe(many.filter(({ name }) => !name.startsWith('d')).length);
      expect(found?.find(({ name }) => name === 'long_name_1')).toEqual({ name: 'long_name_1', address: BASE + 0x1234_0010n, size: 0n });
      expect(found?.find(({ name }) => name.endsWith('deep'))?.address).toBe(BASE + 0x1234_0000n + 4800n);
    },
  );

  it('finds nothing where there is nothing, and comes to an end with whatever it is given', () => {
    expect(kernelSymbols(Buffer.alloc(1 << 20))).toBeUndefined();
    const good = memoryOf(many, { layout: 'new' });
    expect(kernelSymbols(good.subarray(0, good.length - 4096 - 3000))).toBeUndefined();
    // The user half of the address space holds no kernel.
    expect(kernelSymbols(memoryOf(many, { layout: 'new', base: 0x8000_0000n }))).toBeUndefined();
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let round = 0; round < 300; round++) {
      const damaged = Buffer.from(good);
      for (let i = 0; i < 8; i++) damaged[4096 + random(good.length - 8192)] = random(256);
      expect(() => kernelSymbols(damaged)).not.toThrow();
    }
  });
});
