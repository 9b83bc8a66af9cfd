import fc from 'fast-check';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NinePClient } from '../../../../test/support/nine-p-client';
import { NinePMessage, u16, u32, u64 } from '../../../../test/support/nine-p-message';
import { mappedOwners } from '../../../backend/share/owners';
import { hostOwner, SharedFolder } from '../../../backend/share/shared-folder';
import { DeviceError } from '../../../errors/vm-error';
import { fileCalls } from '../../../host/file-calls';
import { MSIZE_MAX } from './session';

let path: string;
let folder: SharedFolder;
let client: NinePClient;

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'hartbox-9p-'));
  folder = await SharedFolder.open({ path, owners: mappedOwners({ uid: 1000, gid: 100 }, hostOwner()) });
  client = await NinePClient.attached(folder);
});
afterEach(async () => {
  await client.session.close();
  expect(folder.held).toMatchObject({ nodes: 1, files: 0 });
  await folder.close();
  rmSync(path, { recursive: true, force: true });
});

describe.skipIf(process.platform !== 'linux')('a 9P2000.L session', () => {
  it('agrees on the size of messages and on the version, and begins anew with each', async () => {
    const answer = async (msize: number, version?: string): Promise<[number, string]> => {
      const bytes = await client.raw(NinePMessage.version(msize, version));
      return [bytes.readUInt32LE(7), bytes.toString('latin1', 13)];
    };
    expect(await answer(1 << 20)).toEqual([MSIZE_MAX, '9P2000.L']);
    expect(await answer(8192, '9P2000.u')).toEqual([8192, 'unknown']);
    await expect(client.walk(0)).rejects.toMatchObject({ errno: 9 });
    await client.raw(NinePMessage.attach(1, 0));
    expect(client.session.fids.size).toBe(1);
  });

  it('writes and reads files, at any place in them', async () => {
    const fid = await client.create(0, 'file');
    expect(await client.write(fid, Buffer.from('hello'))).toBe(5);
    expect(await client.write(fid, Buffer.from('J'), 0)).toBe(1);
    expect(await client.write(fid, Buffer.from('end'), 10)).toBe(3);
    expect((await client.read(fid, 1, 100)).toString()).toBe('ello\0\0\0\0\0end');
    expect((await client.read(fid, 1000)).length).toBe(0);
    await client.call(50, u32(fid), u32(0));
    expect(readFileSync(join(path, 'file'), 'utf8')).toBe('Jello\0\0\0\0\0end');
  });

  it('tells attributes with owners mapped, and changes them to the nanosecond', async () => {
    writeFileSync(join(path, 'file'), 'x');
    chmodSync(join(path, 'file'), 0o640);
    const fid = await client.walk(0, 'file');
    await client.setattr(fid, { accessed: 1.5, modified: 1_700_000_000.25, size: 3, mode: 0o600 });
    const attributes = await client.call(24, u32(fid), u64(0x7ff));
    expect(attributes.readUInt32LE(21)).toBe(0o100600);
    expect([attributes.readUInt32LE(25), attributes.readUInt32LE(29)]).toEqual([1000, 100]);
    expect(attributes.readBigUInt64LE(49)).toBe(3n);
    expect([attributes.readBigUInt64LE(89), attributes.readBigUInt64LE(97)]).toEqual([1_700_000_000n, 250_000_000n]);
    // To itself, and to whom the host does not know.
    await client.setattr(fid, { uid: 1000, gid: 100 });
    await expect(client.setattr(fid, { uid: 1 })).rejects.toMatchObject({ errno: 1 });
  });

  it('keeps a file that is open when its name goes, and knows a renamed one by its fid', async () => {
    const open = await client.create(0, 'one');
    const closed = await client.walk(0, 'one');
    await client.call(74, u32(0), 'one', u32(0), 'two');
    await client.call(24, u32(closed), u64(0x7ff));
    await client.call(76, u32(0), 'two', u32(0));
    await client.write(open, Buffer.from('still'));
    expect((await client.read(open)).toString()).toBe('still');
    expect((await client.call(24, u32(open), u64(0x7ff))).readBigUInt64LE(33)).toBe(0n);
    await client.clunk(open);
    await expect(client.call(24, u32(closed), u64(0x7ff))).rejects.toMatchObject({ errno: 116 });
  });

  it('lists names that are no UTF-8, and what a folder had when listing began', async () => {
    const odd = Buffer.from([0x66, 0xff, 0xe9]).toString('latin1');
    await client.clunk(await client.create(0, odd));
    for (let i = 0; i < 700; i++) writeFileSync(join(path, `name-${i}`), '');
    const names = await client.names(0);
    expect(names.length).toBe(703);
    expect(new Set(names).size).toBe(703);
    expect(names).toContain(odd);
    expect(await client.readFile(0, odd)).toBe('');
  });

  it.skipIf(!fileCalls())('reads, lists, sets and removes extended attributes', async (context) => {
    const fid = await client.create(0, 'file');
    await client.call(32, u32(await clone(fid)), 'user.one', u64(3), u32(0));
    const number = client.newFid() - 1;
    await client.write(number, Buffer.from('two'));
    try {
      await client.clunk(number);
    } catch (error) {
      // Not all file systems have them.
      if ((error as { errno?: number }).errno === 95) return context.skip();
      throw error;
    }
    const value = client.newFid();
    expect((await client.call(30, u32(fid), u32(value), 'user.one')).readUInt32LE(0)).toBe(3);
    expect((await client.read(value)).toString()).toBe('two');
    const list = client.newFid();
    await client.call(30, u32(fid), u32(list), '');
    expect((await client.read(list)).toString()).toBe('user.one\0');
    await expect(client.call(30, u32(fid), u32(client.newFid()), 'user.none')).rejects.toMatchObject({ errno: 61 });
    const gone = await clone(fid);
    await client.call(32, u32(gone), 'user.one', u64(0), u32(0));
    await client.clunk(gone);
    await expect(client.call(30, u32(fid), u32(client.newFid()), 'user.one')).rejects.toMatchObject({ errno: 61 });
  });

  it('goes on from what was saved, with files that still have a name', async () => {
    const open = await client.create(0, 'open');
    await client.write(open, Buffer.from('kept'));
    const nameless = await client.create(0, 'nameless');
    await client.call(76, u32(0), 'nameless', u32(0));
    const saved = client.session.save();
    const other = new NinePClient(folder);
    other.session.load(saved);
    expect((await other.read(open)).toString()).toBe('kept');
    expect(await other.write(open, Buffer.from('K'))).toBe(1);
    await expect(other.read(nameless)).rejects.toMatchObject({ errno: 9 });
    expect(other.session.msize).toBe(client.session.msize);
    await other.session.close();
    expect(readFileSync(join(path, 'open'), 'utf8')).toBe('Kept');
  });

  it('answers a flush behind what it flushes', async () => {
    const order: string[] = [];
    const slow = client.raw(NinePMessage.of(24, 77, u32(0), u64(0x7ff))).then(() => order.push('request'));
    const flush = client.raw(NinePMessage.of(108, 78, u16(77))).then(() => order.push('flush'));
    await Promise.all([slow, flush]);
    expect(order).toEqual(['request', 'flush']);
  });

  it('has no more fids than it may, and lets all go at once', async () => {
    await expect(client.call(110, u32(0), u32(0xfffe), u16(17))).rejects.toMatchObject({ errno: 22 });
    await expect(client.call(110, u32(1234), u32(0xfffe), u16(0))).rejects.toMatchObject({ errno: 9 });
    const fid = await client.walk(0);
    await expect(client.call(110, u32(0), u32(fid), u16(0))).rejects.toMatchObject({ errno: 9 });
  });

  it('answers each message that has a header, whatever is in it, with one as long as it says', async () => {
    await client.clunk(await client.create(0, 'file'));
    const field = fc.oneof(
      fc.constantFrom(0, 1, 2, 0xffffffff, 0x7fffffff).map(u32),
      fc.constantFrom(0n, 1n, 8192n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n).map(u64),
      fc.constantFrom(0, 1, 16, 17, 0xffff).map(u16),
      fc.constantFrom('', 'file', '..', 'a/b', 'x'.repeat(256), 'new', 'user.x', '\0'),
      fc.uint8Array({ maxLength: 40 }),
    );
    const type = fc.oneof(
      fc.nat(255),
      fc.constantFrom(8, 12, 14, 16, 18, 20, 22, 24, 26, 30, 32, 40, 50, 52, 54, 70, 72, 74, 76, 104, 110, 116, 118, 120, 122),
    );
    await fc.assert(
      fc.asyncProperty(type, fc.nat(0xffff), fc.array(field, { maxLength: 8 }), async (what, tag, fields) => {
        const answer = await client.raw(NinePMessage.of(what, tag, ...fields));
        expect(answer.readUInt32LE(0)).toBe(answer.length);
        expect([7, (what + 1) & 0xff]).toContain(answer.readUInt8(4));
        expect(answer.readUInt16LE(5)).toBe(tag);
        // Version and clunk may have taken it.
        if (client.session.fids.size === 0) await client.raw(NinePMessage.attach(1, 0));
      }),
      { numRuns: 1000 },
    );
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it('throws a DeviceError at what has none', async () => {
    for (const message of [new Uint8Array(0), new Uint8Array(6), NinePMessage.of(8, 1, u32(0)).subarray(0, 9), new Uint8Array(11)])
      await expect(client.raw(message)).rejects.toThrow(DeviceError);
  });

  async function clone(fid: number): Promise<number> {
    const to = client.newFid();
    await client.call(110, u32(fid), u32(to), u16(0));
    return to;
  }
});
