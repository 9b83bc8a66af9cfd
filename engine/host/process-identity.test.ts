import { describe, expect, it } from 'vitest';
import { type HostProcesses, type HostSource, hostProcesses, identityOf, mayLive, readHost, whereabouts } from './process-identity';

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

const LINUX = {
  '/etc/machine-id': '0123456789abcdef0123456789abcdef\n',
  '/proc/sys/kernel/random/boot_id': 'boot one\n',
  '/proc/7/stat': '7 (hartbox) run) S 1 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 9 0 4711 1 1',
};

const FIRST_PIDS = 'pid:[4026531836]';
const LATER = { '/proc/sys/kernel/random/boot_id': 'boot two' };

/** A Linux host as its files tell of it, with process 7 on it. */
function linux(changes: { files?: Record<string, string>; hostname?: string; pids?: string; probe?: () => void } = {}): HostProcesses {
  const files: Record<string, string> = { ...LINUX, ...changes.files };
  return readHost({
    platform: 'linux',
    pid: 7,
    hostname: () => changes.hostname ?? 'tower',
    read: (path) => {
      if (files[path] === undefined) throw failure('ENOENT');
      return files[path];
    },
    readLink: () => changes.pids ?? FIRST_PIDS,
    library: () => undefined,
    probe: changes.probe ?? (() => undefined),
  });
}

const stat = (state: string, ticks: number): Record<string, string> => ({
  '/proc/7/stat': `7 (node) ${state} 1 7 7 0 -1 0 0 0 0 0 1 1 0 0 20 0 9 0 ${ticks} 1 1`,
});
const gone = (): never => {
  throw failure('ESRCH');
};

describe('a process of Linux', () => {
  const owner = identityOf(linux());

  it('is known by its start, its boot, its computer and its container', () => {
    expect(owner).toMatchObject({ pid: 7, host: 'tower', started: '4711', boot: 'boot one', pids: FIRST_PIDS });
    // Machine ids are confidential.
    expect(owner.machine).toMatch(/^[0-9a-f]{32}$/);
    expect(owner.machine).not.toContain('0123456789abcdef');
  });

  it('lives while its number is in use by itself', () => {
    expect(mayLive(owner, linux())).toBe(true);
    expect(mayLive(owner, linux({ probe: gone }))).toBe(false);
  });

  it('is not taken for a later one with its number', () => {
    expect(mayLive(owner, linux({ files: stat('S', 4712) }))).toBe(false);
  });

  it('is not taken for one of another boot that has its number and its ticks', () => {
    expect(mayLive(owner, linux({ files: LATER }))).toBe(false);
  });

  it('is known though its computer is called otherwise since it started', () => {
    expect(mayLive(owner, linux({ hostname: 'dhcp-12', probe: gone }))).toBe(false);
    expect(mayLive(owner, linux({ hostname: 'dhcp-12' }))).toBe(true);
  });

  it('counts as alive on another computer, also on one with the same name', () => {
    const other = linux({
      files: { '/etc/machine-id': 'fedcba9876543210fedcba9876543210', '/proc/sys/kernel/random/boot_id': 'boot two' },
      probe: gone,
    });
    expect(mayLive(owner, other)).toBe(true);
    expect(whereabouts(owner, other)).toBe('another computer');
    const unnamed = { '/etc/machine-id': 'uninitialized\n' };
    const nameless = identityOf(linux({ files: unnamed }));
    expect(mayLive(nameless, linux({ files: { ...unnamed, '/proc/sys/kernel/random/boot_id': 'boot two' }, probe: gone }))).toBe(true);
    expect(mayLive(nameless, linux({ files: unnamed, probe: gone })), 'the same boot').toBe(false);
  });

  it('counts as alive on a copy of its computer, which has another name', () => {
    const copy = linux({ hostname: 'tower-2', files: LATER, probe: gone });
    expect(mayLive(owner, copy)).toBe(true);
    expect(whereabouts(owner, copy)).toBe('another computer');
  });

  it('counts as alive in a container of another boot, whose image gives the machine id', () => {
    const inside = identityOf(linux({ pids: 'pid:[1]' }));
    expect(inside.machine).toBeUndefined();
    for (const pids of ['pid:[1]', FIRST_PIDS]) {
      const elsewhere = linux({ pids, files: LATER, probe: gone });
      expect(mayLive(inside, elsewhere), pids).toBe(true);
      expect(whereabouts(inside, elsewhere)).toBe('another computer');
    }
    expect(mayLive(owner, linux({ pids: 'pid:[1]', files: LATER, probe: gone }))).toBe(true);
    expect(mayLive(inside, linux({ pids: 'pid:[1]', probe: gone })), 'the same boot').toBe(false);
  });

  it('counts as alive in another container, where its number means somebody else', () => {
    const other = linux({ pids: 'pid:[2]', probe: gone });
    expect(mayLive(owner, other)).toBe(true);
    expect(whereabouts(owner, other)).toBe('another container');
  });

  it('lives when it belongs to another user, unless it is a later one', () => {
    const denied = (): never => {
      throw failure('EPERM');
    };
    expect(mayLive(owner, linux({ probe: denied }))).toBe(true);
    expect(mayLive(owner, linux({ probe: denied, files: stat('S', 9) }))).toBe(false);
  });

  it('lives while it is stopped, and not while it only waits to be collected', () => {
    expect(mayLive(owner, linux({ files: stat('T', 4711) }))).toBe(true);
    expect(mayLive(owner, linux({ files: stat('Z', 4711) }))).toBe(false);
  });

  it.runIf(process.platform === 'linux')('is told from this one on this host', () => {
    const here = hostProcesses();
    const self = identityOf(here);
    expect(self.started).toMatch(/^\d+$/);
    expect(self.boot).toMatch(/^[0-9a-f-]{36}$/);
    expect(mayLive(self, here)).toBe(true);
    expect(mayLive({ ...self, started: String(Number(self.started) - 1) }, here)).toBe(false);
  });
});

describe('what earlier versions wrote', () => {
  it('goes by the host’s name', () => {
    expect(mayLive({ pid: 7, host: 'tower', started: '4711' }, linux())).toBe(true);
    expect(mayLive({ pid: 7, host: 'tower', started: '1' }, linux())).toBe(false);
    expect(mayLive({ pid: 7, host: 'tower', started: null }, linux({ probe: gone }))).toBe(false);
    expect(mayLive({ pid: 7, host: 'elsewhere', started: null }, linux({ probe: gone }))).toBe(true);
  });
});

/** The C functions of a host as the tests have them; koffi hands them numbers, texts and buffers. */
type Functions = Record<string, (...args: never[]) => unknown>;

function host(platform: NodeJS.Platform, functions: Functions | undefined, probe = (): void => undefined, name = 'book'): HostProcesses {
  const func = (prototype: string): unknown => {
    const name = /(\w+)\(/.exec(prototype)?.[1] ?? '';
    if (!functions?.[name]) throw new Error(`Cannot find function '${name}' in shared library`);
    return functions[name];
  };
  return readHost({
    platform,
    pid: 7,
    hostname: () => name,
    read: () => gone(),
    readLink: () => gone(),
    library: (() => functions && { func }) as unknown as HostSource['library'],
    probe,
  });
}

describe('a process of macOS', () => {
  const functions = ({ session = 'SESSION-1', start = 1000n, status = 2 } = {}): Functions => ({
    gethostuuid: (uuid: Buffer) => {
      uuid.fill(0xab);
      return 0;
    },
    sysctlbyname: (name: string, value: Buffer, size: Buffer) => {
      expect([name, size.readBigUInt64LE()]).toEqual(['kern.bootsessionuuid', 64n]);
      value.write(`${session}\0`);
      return 0;
    },
    proc_pidinfo: (pid: number, flavor: number, argument: number, buffer: Buffer, size: number) => {
      expect([flavor, size]).toEqual([3, 136]);
      // Without the argument nothing is told of a process that has ended.
      if (pid !== 7 || (status === 5 && argument !== 1)) return 0;
      buffer.writeUInt32LE(status, 4);
      buffer.writeBigUInt64LE(start, 120);
      buffer.writeBigUInt64LE(17n, 128);
      return 136;
    },
  });
  const owner = identityOf(host('darwin', functions()));

  it('is known by its start to the microsecond, whatever the computer is called', () => {
    expect(owner).toMatchObject({ started: '1000.17', boot: 'SESSION-1' });
    expect(mayLive({ ...owner, host: 'book-2.local' }, host('darwin', functions()))).toBe(true);
    expect(mayLive({ ...owner, host: 'book-2.local' }, host('darwin', functions(), gone))).toBe(false);
    expect(mayLive(owner, host('darwin', functions({ start: 1001n })))).toBe(false);
  });

  it('is gone after another boot, under whatever name', () => {
    expect(mayLive(owner, host('darwin', functions({ session: 'SESSION-2' }), undefined, 'book-2.local'))).toBe(false);
  });

  it('is gone when it only waits to be collected', () => {
    expect(mayLive(owner, host('darwin', functions({ status: 5 })))).toBe(false);
    expect(mayLive(owner, host('darwin', functions({ status: 4 }))), 'stopped').toBe(true);
  });

  it('may live where the host does not tell its start', () => {
    expect(host('darwin', functions()).startOf(8)).toBeUndefined();
    expect(mayLive({ ...owner, pid: 8 }, host('darwin', functions()))).toBe(true);
  });
});

describe('a process of Windows', () => {
  const functions = (created = 0x01d9_0000_1234_5678n, guid = 'guid-1'): Functions => ({
    OpenProcess: (access: number, _inherit: number, pid: number) => {
      expect(access).toBe(0x1000);
      return pid === 7 ? 64 : 0;
    },
    CloseHandle: () => 1,
    GetProcessTimes: (handle: number, start: Buffer) => {
      expect(handle).toBe(64);
      start.writeBigUInt64LE(created);
      return 1;
    },
    RegGetValueW: (key: number, _path: string, name: string, _flags: number, _type: null, value: Buffer, size: Buffer) => {
      // (HKEY)(ULONG_PTR)((LONG)0x80000002)
      expect([BigInt.asUintN(64, BigInt(key)), name, size.readUInt32LE()]).toEqual([0xffff_ffff_8000_0002n, 'MachineGuid', 256]);
      value.write(`${guid}\0`, 'utf16le');
      return 0;
    },
  });
  const owner = identityOf(host('win32', functions()));

  it('is known by its start, which no boot repeats', () => {
    expect(owner.started).toBe(String(0x01d9_0000_1234_5678n));
    expect(mayLive(owner, host('win32', functions()))).toBe(true);
    expect(mayLive(owner, host('win32', functions(1n)))).toBe(false);
    expect(mayLive(owner, host('win32', functions(), gone))).toBe(false);
  });

  it('counts as alive on another computer, also on a copy that has another name', () => {
    expect(mayLive(owner, host('win32', functions(1n, 'guid-2'), gone))).toBe(true);
    const copy = host('win32', functions(1n), gone, 'BOOK-2');
    expect(mayLive(owner, copy)).toBe(true);
    expect(whereabouts(owner, copy)).toBe('another computer');
  });
});

describe.each(['darwin', 'win32', 'freebsd'] as const)('without koffi on %s', (platform) => {
  it('a process may live while its number is in use on a computer with its name', () => {
    const owner = identityOf(host(platform, undefined));
    expect(owner).toEqual({ pid: 7, host: 'book', started: null });
    expect(mayLive(owner, host(platform, undefined))).toBe(true);
    expect(mayLive(owner, host(platform, undefined, gone))).toBe(false);
    expect(mayLive({ ...owner, host: 'elsewhere' }, host(platform, undefined, gone))).toBe(true);
  });

  it('the same goes where the host lacks a function', () => {
    expect(identityOf(host(platform, {}))).toEqual({ pid: 7, host: 'book', started: null });
  });
});
