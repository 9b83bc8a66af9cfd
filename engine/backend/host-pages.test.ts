import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hostPages, pagesOf } from './host-pages';

const MiB = 2 ** 20;

/** Memory of this process that is in use, in bytes. */
const resident = (): number => Number(/^Rss:\s*(\d+) kB/m.exec(readFileSync('/proc/self/smaps_rollup', 'latin1'))?.[1]) * 1024;

describe('hostPages', () => {
  const pages = hostPages();

  it.runIf(pages && process.platform === 'linux')('gives the memory of a shared WebAssembly memory back, and no more than that', () => {
    const { buffer } = new WebAssembly.Memory({ initial: 4096, maximum: 4096, shared: true });
    const bytes = new Uint8Array(buffer);
    bytes.fill(7);
    const before = resident();
    expect(pages!.release(bytes.subarray(16 * MiB, 216 * MiB))).toBe(true);
    expect(before - resident()).toBeGreaterThan(180 * MiB);
    expect([bytes[16 * MiB - 1], bytes[16 * MiB], bytes[100 * MiB], bytes[216 * MiB - 1], bytes[216 * MiB]]).toEqual([7, 0, 0, 0, 7]);
    // It is there to be used.
    bytes.fill(5, 16 * MiB, 17 * MiB);
    expect(bytes[17 * MiB - 1]).toBe(5);
    expect(pages!.release(bytes.subarray(1, 4097))).toBe(false);
  });

  it('asks each host in its own way', () => {
    const calls: unknown[][] = [];
    const library = {
      func: (definition: string) => {
        const name = /(\w+)\(/.exec(definition)![1];
        return (_: unknown, ...rest: unknown[]) => {
          calls.push([name, ...rest]);
          return 0;
        };
      },
    };
    const bytes = new Uint8Array(65536);
    for (const [platform, arch, pageBytes] of [
      ['linux', 'x64', 4096],
      ['linux', 'arm64', 65536],
      ['darwin', 'arm64', 16384],
      ['win32', 'x64', 4096],
    ] as const) {
      const way = pagesOf(platform, arch, library);
      expect(way?.pageBytes).toBe(pageBytes);
      expect(way?.release(bytes)).toBe(true);
    }
    expect(calls).toEqual([
      ['madvise', 65536, 4],
      ['madvise', 65536, 4],
      ['madvise', 65536, 5],
      ['DiscardVirtualMemory', 65536],
    ]);
    expect(pagesOf('freebsd', 'x64', library)).toBeUndefined();
    expect(pagesOf('linux', 'x64', undefined)).toBeUndefined();
  });
});
