import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeTar, sealTarHeader, tarHeader } from '../../test/support/archive-writers';
import { VmError } from '../errors/vm-error';
import { ByteSource } from './byte-source';
import { readTar } from './tar';

/** The bytes in pieces of the given sizes, over and over. */
async function* pieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let offset = 0, index = 0; offset < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    yield bytes.subarray(offset, offset + size);
    offset += size;
  }
}

async function readAll(archive: Uint8Array, sizes: readonly number[] = [4096]) {
  const entries = [];
  for await (const entry of readTar(new ByteSource(pieces(archive, sizes), 'the test archive'))) {
    const data = [];
    for await (const piece of entry.contents) data.push(Buffer.from(piece));
    const { path, type, mode, owner, group, target } = entry;
    entries.push({ path, type, mode, owner, group, target, data: Buffer.concat(data).toString('hex') });
  }
  return entries;
}

const member = fc.record({
  path: fc.stringMatching(/^[a-z0-9_-]{1,60}(\/[a-z0-9_-]{1,60}){0,3}$/),
  data: fc.uint8Array({ maxLength: 1600 }),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  owner: fc.integer({ min: 0, max: 0o7777777 }),
  group: fc.integer({ min: 0, max: 0o7777777 }),
});

describe('reading tar', () => {
  it('gives back what was written, however the stream is cut into pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(member, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }),
        async (members, sizes) => {
          expect(await readAll(makeTar(members), sizes)).toEqual(
            members.map(({ path, data, mode, owner, group }) => ({
              ...{ path, type: 'file', mode, owner, group, target: '' },
              data: Buffer.from(data).toString('hex'),
            })),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('skips contents that nobody reads', async () => {
    const archive = makeTar([
      { path: './a', data: Buffer.alloc(2000, 1) },
      { path: './b/', flag: '5' },
      { path: './c', flag: '2', target: 'a' },
    ]);
    const seen = [];
    for await (const entry of readTar(new ByteSource(pieces(archive, [333]), 'the test archive')))
      seen.push([entry.path, entry.type, entry.size, entry.target]);
    expect(seen).toEqual([
      ['a', 'file', 2000, ''],
      ['b', 'directory', 0, ''],
      ['c', 'symlink', 0, 'a'],
    ]);
  });

  it('takes paths and sizes from pax records', async () => {
    const records = Buffer.from('18 path=long/name\n10 size=3\n');
    const archive = Buffer.concat([
      tarHeader({ path: 'x', flag: 'x', data: records }),
      Buffer.concat([records, Buffer.alloc(512 - records.length)]),
      makeTar([{ path: 'short', data: Buffer.from('abc') }]),
    ]);
    expect(await readAll(archive)).toMatchObject([{ path: 'long/name', data: Buffer.from('abc').toString('hex') }]);
  });

  it.each(['../etc/passwd', '/etc/passwd', 'a/../../b'])('refuses the path %s, which leads out of the archive', async (path) => {
    await expect(readAll(makeTar([{ path }]))).rejects.toThrow(/leads out of the archive/);
  });

  it('says where an archive is cut off', async () => {
    const archive = makeTar([{ path: 'a', data: Buffer.alloc(1000) }]);
    await expect(readAll(archive.subarray(0, 700))).rejects.toThrow('the test archive is truncated: it ends at byte 700');
  });

  it('refuses a size that no stream can have, without allocating it', async () => {
    const header = tarHeader({ path: 'a', flag: 'L' });
    Buffer.from([0x80, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]).copy(header, 124);
    await expect(readAll(sealTarHeader(header))).rejects.toThrow(/claims .* bytes/);
    header.fill(0xff, 125, 136);
    await expect(readAll(sealTarHeader(header))).rejects.toThrow(/a number was expected/);
  });

  it('fails with an Image error, not otherwise, when bytes are damaged', async () => {
    const archive = makeTar([
      { path: 'a'.repeat(150), data: Buffer.alloc(600, 7) },
      { path: 'b', data: Buffer.from('x') },
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat(archive.length - 1), fc.nat(255), fc.nat(archive.length), async (at, value, end) => {
        const damaged = Buffer.from(archive.subarray(0, end));
        if (at < end) damaged[at] = value;
        await readAll(damaged).catch((error: unknown) => expect(error).toBeInstanceOf(VmError));
      }),
      { numRuns: 200 },
    );
  });

  it('keeps nothing of an archive with very many entries', async () => {
    const count = process.env['HARTBOX_LONG'] ? 1_000_000 : 20_000;
    const block = makeTar([{ path: 'same' }]).subarray(0, 512);
    const many = Buffer.concat(Array.from({ length: 1000 }, () => block));
    let passed = 0;
    const archive = (async function* () {
      for (; passed < count; passed += 1000) yield many;
    })();
    let seen = 0;
    for await (const { path } of readTar(new ByteSource(archive, 'the test archive'))) {
      seen += Number(path === 'same');
      // It is read as it is asked for, not ahead.
      if (passed - seen > 1000) throw new Error(`${passed} passed, ${seen} seen`);
    }
    expect(seen).toBe(count);
  });
});
