import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VmError } from '../errors/vm-error';
import { dependencyNames, readPackages } from './packages';
import { parseStanzas } from './stanza';

const sha256 = 'a'.repeat(64);
const stanza = (name: string, fields: Record<string, string> = {}): string =>
  Object.entries({
    Package: name,
    Version: '1:2.0-3+b1',
    Filename: `pool/main/x/${name}_2.0_riscv64.deb`,
    Size: '123',
    SHA256: sha256,
    ...fields,
  })
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');

async function* inPieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

describe('the package index', () => {
  const index = [
    stanza('busybox', { Description: 'müsli\n folded' }),
    stanza('opensbi', { Depends: 'a (>= 1), b | c', 'Pre-Depends': 'd', Provides: 'firmware', Priority: 'required' }),
    stanza('zlib'),
  ].join('\n');

  it('gives the wanted packages, however the stream is cut into pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 400 }), async (size) => {
        const found = await readPackages(inPieces(index, size), (name) => name === 'opensbi' || name === 'zlib');
        expect([...found.keys()]).toEqual(['opensbi', 'zlib']);
        expect(found.get('opensbi')).toEqual({
          name: 'opensbi',
          version: '1:2.0-3+b1',
          depends: 'a (>= 1), b | c',
          preDepends: 'd',
          provides: 'firmware',
          conflicts: '',
          breaks: '',
          priority: 'required',
          installedSize: 0,
          required: true,
          file: 'pool/main/x/opensbi_2.0_riscv64.deb',
          size: 123,
          sha256,
        });
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ['Filename', '../../etc/passwd.deb'],
    ['Filename', 'http://elsewhere.example/x.deb'],
    ['Size', '12e9'],
    ['Size', '0'],
    ['SHA256', 'abc'],
    ['Version', 'no such version'],
  ])('refuses a package whose %s is "%s"', async (field, value) => {
    await expect(readPackages(inPieces(stanza('x', { [field]: value }), 100), () => true)).rejects.toThrow(`x has ${field} "${value}"`);
  });

  it('refuses a stanza without an end', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      while (true) yield Buffer.alloc(100_000, 'x');
    }
    await expect(readPackages(endless(), () => true)).rejects.toThrow(VmError);
  });

  it('names what a package depends on', () => {
    expect(dependencyNames('linux-image-6.12.1+deb13-riscv64 (= 6.12.1-1), kmod:any | x, ')).toEqual([
      'linux-image-6.12.1+deb13-riscv64',
      'kmod',
    ]);
    expect(dependencyNames('')).toEqual([]);
  });

  it('never fails on a control file, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(':', ' ', '\n', 'A', '#', '\t', '-') }), (text) =>
        [...parseStanzas(text)].every((fields) => fields.size > 0),
      ),
    );
  });
});
