import fc from 'fast-check';
import { chmodSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FuseClient } from '../../../../test/support/fuse-client';
import { fuseInit, fuseRequest } from '../../../../test/support/fuse-message';
import { u16, u32, u64 } from '../../../../test/support/nine-p-message';
import { mappedOwners } from '../../../backend/share/owners';
import { hostOwner, SharedFolder } from '../../../backend/share/shared-folder';
import { DeviceError } from '../../../errors/vm-error';
import { fileCalls } from '../../../host/file-calls';

const WRITE_CACHE = 1;
const KILL_SUIDGID = 4;

let path: string;
let folder: SharedFolder;
let client: FuseClient;

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'hartbox-fuse-'));
  folder = await SharedFolder.open({ path, owners: mappedOwners({ uid: 1000, gid: 100 }, hostOwner()) });
  client = await FuseClient.attached(folder);
});
afterEach(async () => {
  await client.close();
  expect(folder.held).toMatchObject({ nodes: 1, files: 0 });
  await folder.close();
  rmSync(path, { recursive: true, force: true });
});

const text = (name: string): string => readFileSync(join(path, name), 'latin1');

describe.skipIf(process.platform !== 'linux')('a FUSE session', () => {
  it('agrees on version and features, and begins anew with each', async () => {
    const init = async (given: Parameters<typeof fuseInit>[0]) => {
      const answer = (await client.raw(fuseInit(given))).subarray(16);
      expect(answer.length).toBe(64);
      return { version: [answer.readUInt32LE(0), answer.readUInt32LE(4)], flags: answer.readUInt32LE(12), write: answer.readUInt32LE(20) };
    };
    await client.create(0, 'file');
    expect(client.session.inodes.size).toBe(1);
    const { version, flags, write } = await init({ minor: 40 });
    expect({ version, write }).toEqual({ version: [7, 33], write: 1 << 20 });
    expect([client.session.inodes.size, client.session.handles.size]).toEqual([0, 0]);
    // READDIRPLUS, both; parallel folders; no access lists, no locks, and nothing kept that was written.
    expect([13, 14, 18, 20, 1, 10, 16].map((bit) => (flags >>> bit) & 1)).toEqual([1, 1, 1, 0, 0, 0, 0]);
    expect((await init({ flags: 1 << 13 })).flags).toBe(1 << 13);
    expect((await init({ major: 8, minor: 0 })).version).toEqual([7, 33]);
    // Older than virtio-fs is.
    expect((await client.raw(fuseInit({ minor: 30 }))).readInt32LE(4)).toBe(-71);
  });

  it('lets the guest keep what it writes only where that is allowed', async () => {
    const keeping = await FuseClient.attached(folder, true);
    expect([client.session.isWriteback, keeping.session.isWriteback]).toEqual([false, true]);
    // It reads what it writes a part of, and knows where the end is.
    const fid = await keeping.create(0, 'log', constants.O_WRONLY | constants.O_APPEND);
    await keeping.write(fid, Buffer.from('one'));
    await keeping.write(fid, Buffer.from('X'), 1);
    expect((await keeping.read(fid)).toString()).toBe('oXe');
    await keeping.close();
  });

  it('writes and reads files, at any place in them', async () => {
    const fid = await client.create(0, 'file');
    expect(await client.write(fid, Buffer.from('hello'))).toBe(5);
    expect(await client.write(fid, Buffer.from('J'), 0)).toBe(1);
    expect(await client.write(fid, Buffer.from('end'), 10)).toBe(3);
    expect((await client.read(fid, 1, 100)).toString()).toBe('ello\0\0\0\0\0end');
    expect((await client.read(fid, 1000)).length).toBe(0);
    await client.call(20, client.inode(fid), u64(client.handle(fid)), u32(0), u32(0));
    expect(text('file')).toBe('Jello\0\0\0\0\0end');
    await client.open(fid, constants.O_RDWR | constants.O_TRUNC);
    expect(text('file')).toBe('');
  });

  it('appends where the end is now, and puts pages of the cache where they belong', async () => {
    const fid = await client.create(0, 'log', constants.O_RDWR | constants.O_APPEND);
    await client.write(fid, Buffer.from('guest '), 0);
    writeFileSync(join(path, 'log'), 'host ', { flag: 'a' });
    await client.write(fid, Buffer.from('again'), 6);
    expect(text('log')).toBe('guest host again');
    await client.write(fid, Buffer.from('G'), 0, WRITE_CACHE);
    expect(text('log')).toBe('Guest host again');
  });

  it('tells attributes with owners mapped, and changes them to the nanosecond', async () => {
    writeFileSync(join(path, 'file'), 'x');
    chmodSync(join(path, 'file'), 0o640);
    const fid = await client.walk(0, 'file');
    await client.setattr(fid, { accessed: 1.5, modified: 1_700_000_000.25, size: 3, mode: 0o600 });
    expect(await client.getattr(fid)).toEqual({ mode: 0o100600, uid: 1000, gid: 100, size: 3, modified: 1_700_000_000.25 });
    // To itself, and to whom the host does not know.
    await client.setattr(fid, { uid: 1000, gid: 100 });
    await expect(client.setattr(fid, { uid: 1 })).rejects.toMatchObject({ errno: 1 });
  });

  it('takes rights from programs to which others write', async () => {
    writeFileSync(join(path, 'program'), 'x');
    chmodSync(join(path, 'program'), 0o6755);
    const fid = await client.walk(0, 'program');
    await client.open(fid, constants.O_RDWR);
    await client.write(fid, Buffer.from('y'), 0, KILL_SUIDGID);
    expect(statSync(join(path, 'program')).mode & 0o7777).toBe(0o755);
    // A group's bit without execution is a lock, and no right.
    chmodSync(join(path, 'program'), 0o6745);
    await client.write(fid, Buffer.from('y'), 0, KILL_SUIDGID);
    expect(statSync(join(path, 'program')).mode & 0o7777).toBe(0o2745);
  });

  it('keeps a file that is open when its name goes, and knows a renamed one', async () => {
    const open = await client.create(0, 'one');
    await client.rename(0, 'one', 0, 'two');
    expect((await client.getattr(open)).size).toBe(0);
    await client.unlink(0, 'two');
    await client.write(open, Buffer.from('still'));
    expect((await client.read(open)).toString()).toBe('still');
    expect((await client.getattr(open)).size).toBe(5);
    await client.clunk(open);
    expect(client.session.inodes.size).toBe(0);
  });

  it('has two names for one file, and one number', async () => {
    const fid = await client.create(0, 'one');
    await client.link(fid, 0, 'two');
    const other = await client.walk(0, 'two');
    expect(client.inode(other)).toBe(client.inode(fid));
    expect(client.session.inodes.size).toBe(1);
    await client.forget(client.inode(fid), 1);
    expect((await client.getattr(other)).size).toBe(0);
  });

  it.skipIf(!fileCalls())('exchanges names, and takes none that is taken', async () => {
    await client.clunk(await client.create(0, 'one'));
    const two = await client.create(0, 'two');
    await client.write(two, Buffer.from('2'));
    await expect(client.rename(0, 'one', 0, 'two', 1)).rejects.toMatchObject({ errno: 17 });
    await client.rename(0, 'one', 0, 'two', 2);
    expect([text('one'), text('two')]).toEqual(['2', '']);
    expect((await client.getattr(two)).size).toBe(1);
  });

  it('says for a second that a name is none', async () => {
    const answer = await client.call(1, 1, 'nothing');
    expect([answer.length, answer.readBigUInt64LE(0), answer.readBigUInt64LE(16)]).toEqual([128, 0n, 1n]);
    // That would be the folder itself.
    await expect(client.call(1, 1, '')).rejects.toMatchObject({ errno: 2 });
    expect(client.session.inodes.size).toBe(0);
  });

  it('forgets one by one and many at once, and what it does not know too', async () => {
    const inodes = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => {
        await client.mkdir(0, name);
        return client.inode(await client.walk(0, name));
      }),
    );
    expect(folder.held.nodes).toBe(4);
    const [a, b, c] = inodes;
    await client.raw(fuseRequest(42, 0, 9, u32(3), u32(0), u64(a), u64(1), u64(12345), u64(1), u64(b), u64(9)));
    expect(folder.held.nodes).toBe(2);
    await expect(client.call(3, a, u32(0), u32(0), u64(0))).rejects.toMatchObject({ errno: 116 });
    // More are announced than there are.
    await client.raw(fuseRequest(42, 0, 9, u32(0xffffffff), u32(0), u64(c), u64(1)));
    expect(folder.held.nodes).toBe(1);
  });

  it('lists names that are no UTF-8, tells of what it lists, and forgets that too', async () => {
    const odd = Buffer.from([0x66, 0xff, 0xe9]).toString('latin1');
    await client.clunk(await client.create(0, odd));
    for (let i = 0; i < 700; i++) writeFileSync(join(path, `name-${i}`), '');
    const names = await client.names(0);
    expect(names.length).toBe(703);
    expect(new Set(names).size).toBe(703);
    expect(names).toContain(odd);
    expect(client.session.inodes.size).toBe(0);
    expect(await client.readFile(0, odd)).toBe('');
    expect((await client.list(0)).length).toBeGreaterThan(3000);
  });

  it('lists no more than there is room for, and says the end only at the end', async () => {
    for (let i = 0; i < 10; i++) writeFileSync(join(path, `name-${i}`), '');
    const handle = (await client.call(27, 1, u32(0), u32(0))).subarray(0, 8);
    const list = (offset: number, size: number, opcode = 28) =>
      client.call(opcode, 1, handle, u64(offset), u32(size), u32(0), u64(0), u32(0), u32(0));
    expect((await list(0, 64)).length).toBe(64);
    await expect(list(0, 8)).rejects.toMatchObject({ errno: 22 });
    await expect(list(0, 100, 44)).rejects.toMatchObject({ errno: 22 });
    for (let i = 0; i < 10; i++) rmSync(join(path, `name-${i}`));
    expect((await list(2, 64)).length).toBe(0);
    // What is there but does not fit into the guest's buffer is not told of.
    writeFileSync(join(path, 'name'), '');
    const answer = await client.raw(fuseRequest(44, 1, 7, handle, u64(0), u32(4096), u32(0), u64(0), u32(0), u32(0)), 16 + 400);
    expect([answer.readInt32LE(4), answer.length]).toEqual([0, 16 + 2 * 160]);
    expect(client.session.inodes.size).toBe(0);
  });

  it.skipIf(!fileCalls())('reads, lists, sets and removes extended attributes', async (context) => {
    const fid = await client.create(0, 'file');
    try {
      await client.setAttribute(fid, 'user.one', Buffer.from('two'));
    } catch (error) {
      // Not all file systems have them.
      if ((error as { errno?: number }).errno === 95) return context.skip();
      throw error;
    }
    expect((await client.attribute(fid, 'user.one')).toString()).toBe('two');
    expect(await client.attributes(fid)).toEqual(['user.one']);
    expect((await client.call(22, client.inode(fid), u32(0), u32(0), 'user.one')).readUInt32LE(0)).toBe(3);
    await expect(client.call(22, client.inode(fid), u32(2), u32(0), 'user.one')).rejects.toMatchObject({ errno: 34 });
    await client.removeAttribute(fid, 'user.one');
    await expect(client.attribute(fid, 'user.one')).rejects.toMatchObject({ errno: 61 });
  });

  it.skipIf(!fileCalls())('makes room, finds data, and copies on the host', async () => {
    const fid = await client.create(0, 'file');
    const [inode, handle] = [client.inode(fid), client.handle(fid)];
    await client.write(fid, Buffer.from('data'), 1 << 20);
    const seek = async (offset: number, whence: number) =>
      Number((await client.call(46, inode, u64(handle), u64(offset), u32(whence), u32(0))).readBigUInt64LE(0));
    // Where the file system has no holes, all is data.
    expect([0, 1 << 20]).toContain(await seek(0, 3));
    expect(await seek(1 << 20, 4)).toBe((1 << 20) + 4);
    await expect(seek(0, 2)).rejects.toMatchObject({ errno: 22 });
    const to = await client.create(0, 'copy');
    const copied = await client.call(
      47,
      inode,
      ...[u64(handle), u64(1 << 20), u64(client.inode(to)), u64(client.handle(to)), u64(2), u64(100), u64(0)],
    );
    expect([copied.readUInt32LE(0), text('copy')]).toEqual([4, '\0\0data']);
    await client.call(43, client.inode(to), u64(client.handle(to)), u64(0), u64(8192), u32(0), u32(0));
    expect(statSync(join(path, 'copy')).size).toBe(8192);
  });

  it('says how full the file system is', async () => {
    const answer = await client.call(17, 1);
    expect(answer.length).toBe(80);
    expect([answer.readBigUInt64LE(0) > 0n, answer.readUInt32LE(44)]).toEqual([true, 255]);
  });

  it('leaves locks and the like to the guest', async () => {
    for (const opcode of [25, 31, 32, 34, 39, 48, 200]) await expect(client.call(opcode, 1, u64(0))).rejects.toMatchObject({ errno: 38 });
  });

  it('changes nothing where it may not', async () => {
    writeFileSync(join(path, 'file'), 'kept');
    const fixed = await SharedFolder.open({ path, readonly: true });
    const reader = await FuseClient.attached(fixed);
    const fid = await reader.walk(0, 'file');
    await reader.open(fid);
    const handle = reader.handle(fid);
    const attempts: (() => Promise<unknown>)[] = [
      () => reader.create(0, 'new'),
      () => reader.open(fid, constants.O_WRONLY),
      () => reader.open(fid, constants.O_TRUNC),
      () => reader.setattr(fid, { mode: 0o777 }),
      () => reader.unlink(0, 'file'),
      () => reader.rename(0, 'file', 0, 'other'),
      () => reader.link(fid, 0, 'other'),
      () => reader.mkdir(0, 'new'),
      () => reader.symlink(0, 'new', 'x'),
      () => reader.setAttribute(fid, 'user.x', Buffer.from('1')),
      () => reader.call(43, reader.inode(fid), u64(handle), u64(0), u64(8192), u32(0), u32(0)),
    ];
    for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ errno: 30 });
    await expect(reader.write(fid, Buffer.from('x'))).rejects.toMatchObject({ errno: 9 });
    expect((await reader.read(fid)).toString()).toBe('kept');
    await reader.close();
    await fixed.close();
  });

  it('goes on from what was saved, with files that still have a name', async () => {
    mkdirSync(join(path, 'folder'));
    const parent = await client.walk(0, 'folder');
    const open = await client.create(parent, 'open');
    await client.write(open, Buffer.from('kept'));
    const nameless = await client.create(0, 'nameless');
    await client.unlink(0, 'nameless');
    const saved = client.session.save();
    const other = new FuseClient(folder);
    other.session.load(saved);
    // Saved again before all is found.
    expect(other.session.save()).toEqual(saved);
    const [inode, handle] = [client.inode(open), u64(client.handle(open))];
    const read = (which: number, by: typeof handle) => other.call(15, which, by, u64(0), u32(100), u32(0), u64(0), u32(0), u32(0));
    expect((await read(inode, handle)).toString()).toBe('kept');
    expect((await other.call(3, client.inode(parent), u32(0), u32(0), u64(0))).readUInt32LE(16 + 60) & 0o170000).toBe(0o040000);
    await expect(read(client.inode(nameless), u64(client.handle(nameless)))).rejects.toMatchObject({ errno: 9 });
    // New ones do not get numbers that the guest knows.
    const made = await other.create(0, 'made');
    expect(other.inode(made)).toBeGreaterThan(client.inode(nameless));
    expect(other.handle(made)).toBeGreaterThan(client.handle(nameless));
    await other.close();
  });

  it('tells of nothing more, and opens nothing more, once it is closed', async () => {
    const running = [client.create(0, 'file'), client.walk(0, 'file'), client.names(0)];
    await client.close();
    await Promise.allSettled(running);
    expect([client.session.inodes.size, client.session.handles.size]).toEqual([0, 0]);
  });

  it('answers each message that has a header, whatever is in it, with one as long as it says', async () => {
    await client.clunk(await client.create(0, 'file'));
    const field = fc.oneof(
      fc.constantFrom(0, 1, 2, 4096, 0xffffffff, 0x7fffffff).map(u32),
      fc.constantFrom(0n, 1n, 2n, 8192n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n).map(u64),
      fc.constantFrom(0, 1, 0xffff).map(u16),
      fc.constantFrom('', 'file', '..', 'a/b', 'x'.repeat(256), 'new', 'user.x'),
      fc.uint8Array({ maxLength: 90 }),
    );
    // Without FALLOCATE, which would fill the disk of whoever runs this.
    const opcode = fc.oneof(fc.nat(60), fc.nat(0xffffffff)).filter((what) => what !== 43);
    const inode = fc.constantFrom(0n, 1n, 2n, 3n, 2n ** 53n, 2n ** 64n - 1n);
    const lie = fc.option(fc.constantFrom(0, 39, 40, 41, 0xffffffff), { freq: 10 });
    await fc.assert(
      fc.asyncProperty(opcode, inode, fc.nat(), fc.array(field, { maxLength: 9 }), lie, async (what, which, unique, fields, length) => {
        const message = Buffer.from(fuseRequest(what, which, unique, ...fields));
        if (length !== null) message.writeUInt32LE(length, 0);
        const answer = await client.raw(message);
        if ([2, 36, 42].includes(what)) {
          expect(answer.length).toBe(0);
          return;
        }
        expect(answer.readUInt32LE(0)).toBe(answer.length);
        expect(answer.readBigUInt64LE(8)).toBe(BigInt(unique));
        const errno = answer.readInt32LE(4);
        expect(errno).toBeLessThanOrEqual(0);
        if (errno < 0) expect(answer.length).toBe(16);
      }),
      { numRuns: 2000 },
    );
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it('throws a DeviceError at what has none, or has no room for an answer', async () => {
    for (const message of [new Uint8Array(0), new Uint8Array(39)]) await expect(client.raw(message)).rejects.toThrow(DeviceError);
    await expect(client.raw(fuseRequest(3, 1, 1), 15)).rejects.toThrow(DeviceError);
  });
});
