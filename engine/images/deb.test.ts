import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeAr, makeDeb, makeXz } from '../../test/support/archive-writers';
import { VmError } from '../errors/vm-error';
import { readDeb } from './deb';
import { decompressXz } from './xz';

async function* chunks(bytes: Uint8Array, size = 1000, onEnd?: () => void): AsyncGenerator<Uint8Array> {
  try {
    for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
  } finally {
    onEnd?.();
  }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function files(deb: Uint8Array, part?: 'control'): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const entry of readDeb(chunks(deb), 'test.deb', part)) found[entry.path] = (await collect(entry.contents)).toString();
  return found;
}

/** What the tests' own archives stay far below. */
const LIMIT = 1 << 20;

describe('decompressing xz', () => {
  it('gives back what was compressed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200_000, size: 'max' }), fc.integer({ min: 1000, max: 100_000 }), async (data, size) => {
        expect((await collect(decompressXz(chunks(makeXz(data), size), 'x', LIMIT))).equals(data)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it.skipIf(spawnSync('xz', ['--version']).error)('reads what xz(1) writes', async () => {
    const data = Buffer.from('the same words again and again '.repeat(10_000));
    const compressed = spawnSync('xz', ['-c'], { input: data }).stdout;
    expect((await collect(decompressXz(chunks(compressed, 7), 'x', LIMIT))).equals(data)).toBe(true);
  });

  it('says that a stream is truncated or damaged, and can go on with the next one', async () => {
    const whole = makeXz(Buffer.alloc(100_000, 3));
    await expect(collect(decompressXz(chunks(whole.subarray(0, 50_000)), 'Packages.xz', LIMIT))).rejects.toThrow(
      /Packages.xz cannot be decompressed/,
    );
    await expect(collect(decompressXz(chunks(Buffer.alloc(0)), 'Packages.xz', LIMIT))).rejects.toThrow(VmError);
    await expect(collect(decompressXz(chunks(Buffer.from('no xz at all, but long enough')), 'Packages.xz', LIMIT))).rejects.toThrow(
      VmError,
    );
    expect((await collect(decompressXz(chunks(whole), 'x', LIMIT))).length).toBe(100_000);
  });

  it('is over as soon as it is more than was expected', async () => {
    const bomb = makeXz(Buffer.alloc(LIMIT + 1));
    let read = 0;
    const failure = (async () => {
      for await (const piece of decompressXz(chunks(bomb), 'Packages.xz', LIMIT / 2)) read += piece.length;
    })();
    await expect(failure).rejects.toThrow(/Packages.xz unpacks to more than the 524288 bytes/);
    expect(read).toBeLessThanOrEqual(LIMIT / 2);
  });

  it('takes no more memory than 64 MiB for a dictionary, whatever the stream asks for', async () => {
    await expect(collect(decompressXz(chunks(makeXz(Buffer.alloc(100), { dictionary: 28 })), 'x', LIMIT))).resolves.toHaveLength(100);
    for (const dictionary of [29, 30, 40]) {
      const greedy = makeXz(Buffer.alloc(100), { dictionary });
      await expect(collect(decompressXz(chunks(greedy), 'x', LIMIT))).rejects.toThrow(VmError);
    }
  });

  it('passes on why its source failed', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield makeXz(Buffer.alloc(100_000)).subarray(0, 100);
      throw new Error('the cable is out');
    }
    await expect(collect(decompressXz(failing(), 'x', LIMIT))).rejects.toThrow('the cable is out');
  });
});

describe('reading a .deb package', () => {
  it('yields the files that it installs', async () => {
    const deb = makeDeb([
      { path: './usr/', flag: '5' },
      { path: './usr/bin/odd', data: Buffer.from('odd') },
      { path: `./usr/${'long/'.repeat(30)}name`, data: Buffer.from('long') },
    ]);
    expect(await files(deb)).toEqual({ usr: '', 'usr/bin/odd': 'odd', [`usr/${'long/'.repeat(30)}name`]: 'long' });
  });

  it('yields what it tells dpkg', async () => {
    expect(await files(makeDeb([{ path: './usr/bin/odd', data: Buffer.from('odd') }]), 'control')).toEqual({ control: 'Package: test\n' });
  });

  it('lets go of the package when the reader has enough', async () => {
    let closed = false;
    const deb = makeDeb(Array.from({ length: 200 }, (_, index) => ({ path: `file${index}`, data: Buffer.alloc(5000) })));
    for await (const entry of readDeb(
      chunks(deb, 1000, () => {
        closed = true;
      }),
      'test.deb',
    )) {
      if (entry.path === 'file3') break;
    }
    expect(closed).toBe(true);
  });

  it('refuses what is no package', async () => {
    await expect(files(Buffer.from('<html>no such file</html>'))).rejects.toThrow(/not an ar archive/);
    await expect(files(makeAr([{ name: 'debian-binary', data: Buffer.from('2.0\n') }]))).rejects.toThrow(/holds no data.tar.xz/);
    await expect(files(makeAr([{ name: 'data.tar.zst', data: Buffer.alloc(9) }]))).rejects.toThrow(
      /holds data.tar.zst; expected data.tar.xz/,
    );
  });

  it.each([
    ['a way out', { path: './usr/../../../etc/passwd' }],
    ['an absolute path', { path: '/etc/passwd' }],
  ])('refuses %s', async (_, member) => {
    await expect(files(makeDeb([{ path: './first' }, member]))).rejects.toMatchObject({ kind: 'Image', code: 'package-damaged' });
  });

  it('tells links and devices from files, and gives them no contents', async () => {
    const members = [
      { path: './out', flag: '2', target: '/etc' },
      { path: './out/passwd', data: Buffer.from('through the link') },
      { path: './hard', flag: '1', target: '../../etc/shadow' },
      { path: './null', flag: '3' },
      { path: './disk', flag: '4' },
      { path: './pipe', flag: '6' },
      { path: './two\nlines', data: Buffer.from('odd') },
      { path: './same', data: Buffer.from('first') },
      { path: './same', data: Buffer.from('second') },
    ];
    const found: string[] = [];
    for await (const entry of readDeb(chunks(makeDeb(members)), 'test.deb')) found.push(`${entry.type} ${entry.path} ${entry.size}`);
    // Nothing is ever written under these paths: whoever wants a file asks for one by its type and path, and says where it goes.
    expect(found).toEqual([
      'symlink out 0',
      'file out/passwd 16',
      'link hard 0',
      'other null 0',
      'other disk 0',
      'other pipe 0',
      'file two\nlines 3',
      'file same 5',
      'file same 6',
    ]);
  });

  it('fails with a VmError, not otherwise, when bytes are damaged or missing', async () => {
    const deb = makeDeb([{ path: 'a', data: Buffer.from('some contents') }]);
    await fc.assert(
      fc.asyncProperty(fc.nat(deb.length - 1), fc.nat(255), fc.integer({ min: 0, max: deb.length }), async (at, value, end) => {
        const damaged = Buffer.from(deb.subarray(0, end));
        if (at < end) damaged[at] = value;
        await files(damaged).catch((error: unknown) => expect(error).toBeInstanceOf(VmError));
      }),
      { numRuns: 300 },
    );
  });
});
