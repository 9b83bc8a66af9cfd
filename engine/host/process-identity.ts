import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { hostLibrary } from './host-library';

/** What a file can say of a process so that others can tell later whether it still lives. */
export interface ProcessIdentity {
  pid: number;
  /** What its computer is called: for people only, where `machine` and `boot` are there. */
  host: string;
  /** When it started, as its host tells it: a later process may have the same pid. */
  started: string | null;
  /** The computer. Where systems that were copied keep their id, its name is part of this. */
  machine?: string | undefined;
  /** This run of the computer, from one start to the next. */
  boot?: string | undefined;
  /** Whose numbers pids are: containers have their own. */
  pids?: string | undefined;
}

/** What this host tells of itself and of its processes. */
export interface HostProcesses extends Omit<ProcessIdentity, 'started'> {
  /** When a process started: undefined where the host does not tell, null for one that has ended and waits to be collected. */
  startOf: (pid: number) => string | null | undefined;
  /** kill(2) with signal 0. */
  probe: (pid: number) => void;
}

/** Where facts about a host come from. */
export interface HostSource {
  platform: NodeJS.Platform;
  pid: number;
  hostname: () => string;
  read: (path: string) => string;
  readLink: (path: string) => string;
  library: typeof hostLibrary;
  probe: (pid: number) => void;
}

const SOURCE: HostSource = {
  platform: process.platform,
  pid: process.pid,
  hostname,
  read: (path) => readFileSync(path, 'latin1'),
  readLink: readlinkSync,
  library: hostLibrary,
  probe: (pid) => process.kill(pid, 0),
};

let known: HostProcesses | undefined;

/** This host, looked at once. */
export function hostProcesses(): HostProcesses {
  known ??= readHost(SOURCE);
  return known;
}

export function readHost(source: HostSource): HostProcesses {
  const readers: Partial<Record<NodeJS.Platform, (source: HostSource) => Facts | undefined>> = {
    linux: readLinux,
    darwin: readMac,
    win32: readWindows,
  };
  const facts = readers[source.platform]?.(source);
  return { pid: source.pid, host: source.hostname(), probe: source.probe, startOf: () => undefined, ...facts };
}

/** This process, for a file that others read. */
export function identityOf({ pid, host, machine, boot, pids, startOf }: HostProcesses): ProcessIdentity {
  return { pid, host, started: startOf(pid) ?? null, machine, boot, pids };
}

/** Where a process runs, as far as the host here can tell. */
export type Whereabouts = 'here' | 'earlier boot' | 'another container' | 'another computer';

export function whereabouts(of: ProcessIdentity, here: HostProcesses): Whereabouts {
  const isKnown = (fact: 'machine' | 'boot' | 'pids'): boolean => of[fact] !== undefined && here[fact] !== undefined;
  // No two kernels ever draw the same boot id, so that alone will do.
  const isSameBoot = isKnown('boot') && of.boot === here.boot;
  if (!isSameBoot) {
    if (isKnown('machine')) {
      if (of.machine !== here.machine) return 'another computer';
      if (isKnown('boot')) return 'earlier boot';
    } else if (isKnown('boot') || of.host !== here.host) {
      // Of two computers with the same name one must not take what the other has.
      return 'another computer';
    }
  }
  return isKnown('pids') && of.pids !== here.pids ? 'another container' : 'here';
}

/** Whether a process lives, or may live: what cannot be told from here counts as alive. */
export function mayLive(of: ProcessIdentity, here: HostProcesses): boolean {
  const where = whereabouts(of, here);
  if (where !== 'here') return where !== 'earlier boot';
  if (!isPresent(of.pid, here)) return false;
  const started = here.startOf(of.pid);
  if (started === null) return false;
  return started === undefined || of.started === null || started === of.started;
}

/** Whether a process with this number is there: it need not be the one that somebody has in mind. */
export function isPresent(pid: number, { probe }: Pick<HostProcesses, 'probe'>): boolean {
  try {
    probe(pid);
    return true;
  } catch (error) {
    // Another user's process may not be probed, but it is there.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** An id that the system wants kept to itself (machine-id(5)), in a form that says nothing else. */
function digest(id: string): string {
  return createHash('sha256').update(`hartbox ${id.trim()}`).digest('hex').slice(0, 32);
}

/**
 * A computer by an id that is copied with its disk. Virtual machines made from one image share it, so the name counts too; a computer that
 * was renamed then takes its own old locks for another's, which somebody can delete, while the other mistake would break a lock in use.
 */
function copiedMachine(id: string, host: string): string {
  return digest(`${id.trim()} ${host}`);
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

type Facts = Pick<HostProcesses, 'machine' | 'boot' | 'pids' | 'startOf'>;

/** The pids of the computer itself, not of a container (PROC_PID_INIT_INO in linux/proc_ns.h). */
const FIRST_PIDS = 'pid:[4026531836]';

function readLinux({ read, readLink, hostname: name }: HostSource): Facts {
  const pids = attempt(() => readLink('/proc/self/ns/pid'));
  // While a system is installed the file says "uninitialized"; in many containers it is empty.
  const machine = ['/etc/machine-id', '/var/lib/dbus/machine-id']
    .map((path) => attempt(() => read(path).trim()))
    .find((id) => id !== undefined && /^[0-9a-f]{32}$/.test(id));
  return {
    // A container has its machine id from its image, so on any number of computers the same.
    machine: machine && pids === FIRST_PIDS ? copiedMachine(machine, name()) : undefined,
    boot: attempt(() => read('/proc/sys/kernel/random/boot_id').trim()),
    pids,
    // proc(5): field 3 is the state, Z for a process that its parent has not collected; field 22 the ticks from the boot to its start.
    startOf: (pid) =>
      attempt(() => {
        const stat = read(`/proc/${pid}/stat`);
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return fields[0] === 'Z' ? null : fields[19];
      }),
  };
}

/** libproc.h: PROC_PIDTBSDINFO, the size of struct proc_bsdinfo, and where its start time lies (seconds, then microseconds). */
const PROC_PIDTBSDINFO = 3;
const BSDINFO_BYTES = 136;
const BSDINFO_START = 120;
/** Where its status lies, and that of a process which its parent has not collected (sys/proc.h). */
const BSDINFO_STATUS = 4;
const SZOMB = 5;

function readMac({ library }: HostSource): Facts | undefined {
  return attempt(() => {
    const system = library();
    if (!system) return undefined;
    const gethostuuid = system.func('int gethostuuid(void *uuid, void *timeout)');
    const sysctlbyname = system.func('int sysctlbyname(const char *name, void *value, void *size, void *fresh, size_t freshSize)');
    const procPidinfo = system.func('int proc_pidinfo(int pid, int flavor, uint64_t argument, void *buffer, int size)');
    const uuid = Buffer.alloc(16);
    // struct timespec: one second.
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(1n);
    const session = Buffer.alloc(64);
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(session.length));
    return {
      machine: gethostuuid(uuid, timeout) === 0 ? digest(uuid.toString('hex')) : undefined,
      boot: sysctlbyname('kern.bootsessionuuid', session, size, null, 0) === 0 ? session.toString('latin1').split('\0')[0] : undefined,
      pids: undefined,
      startOf: (pid) => {
        const info = Buffer.alloc(BSDINFO_BYTES);
        // Processes of other users tell nothing.
        // The argument 1 asks for ended ones too, which signal 0 finds still.
        if (procPidinfo(pid, PROC_PIDTBSDINFO, 1, info, info.length) !== BSDINFO_BYTES) return undefined;
        if (info.readUInt32LE(BSDINFO_STATUS) === SZOMB) return null;
        return `${info.readBigUInt64LE(BSDINFO_START)}.${info.readBigUInt64LE(BSDINFO_START + 8)}`;
      },
    };
  });
}

/** winnt.h, winreg.h: PROCESS_QUERY_LIMITED_INFORMATION, HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ with RRF_SUBKEY_WOW6464KEY. */
const QUERY_LIMITED_INFORMATION = 0x1000;
const LOCAL_MACHINE = -0x7ffffffe;
const STRING_OF_64_BIT_VIEW = 0x1_0002;

/** Times are absolute here, so that a boot needs no name. */
function readWindows({ library, hostname: name }: HostSource): Facts | undefined {
  return attempt(() => {
    const kernel = library('kernel32.dll');
    const registry = library('advapi32.dll');
    if (!kernel || !registry) return undefined;
    const openProcess = kernel.func('intptr_t OpenProcess(uint32_t access, int inherit, uint32_t pid)');
    const closeHandle = kernel.func('int CloseHandle(intptr_t handle)');
    const getProcessTimes = kernel.func('int GetProcessTimes(intptr_t process, void *start, void *end, void *kernel, void *user)');
    const regGetValue = registry.func(
      'long RegGetValueW(intptr_t key, const char16_t *path, const char16_t *name, uint32_t flags, void *type, void *value, void *size)',
    );
    const guid = Buffer.alloc(256);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(guid.length);
    const found: unknown = regGetValue(
      LOCAL_MACHINE,
      'SOFTWARE\\Microsoft\\Cryptography',
      'MachineGuid',
      STRING_OF_64_BIT_VIEW,
      null,
      guid,
      size,
    );
    return {
      machine: found === 0 ? copiedMachine(guid.toString('utf16le').split('\0')[0], name()) : undefined,
      boot: undefined,
      pids: undefined,
      startOf: (pid) => {
        const handle = openProcess(QUERY_LIMITED_INFORMATION, 0, pid) as number | bigint;
        if (!handle) return undefined;
        try {
          const times = Array.from({ length: 4 }, () => Buffer.alloc(8));
          return getProcessTimes(handle, ...times) ? String(times[0].readBigUInt64LE()) : undefined;
        } finally {
          closeHandle(handle);
        }
      },
    };
  });
}
