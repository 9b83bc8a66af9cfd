import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { reasonCode, reasonOf, systemError } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { type OldOwner, oldFolderLock } from './old-folder-lock';
import { readText } from './open-file';
import { type PatientFiles, hostFiles } from './patient-files';
import { type HostProcesses, type ProcessIdentity, hostProcesses, identityOf, mayLive, whereabouts } from './process-identity';

/** What a lock's file says of its owner. */
type Owner = ProcessIdentity & { program?: string | undefined };

/** Milliseconds without a change after which a takeover is no longer under way. */
const TAKEOVER_MS = 5000;
/** How often, and every how many milliseconds, a file that names no owner is looked at before it counts as left over. */
const LOOKS = 50;
const LOOK_MS = 20;

export interface FileLock {
  release(): Promise<void>;
}

/** Who holds a lock that was asked for. */
export interface LockHolder {
  /** For a message: "process 12", "the Hartbox app (process 12 on the computer tower)". */
  who: string;
  /** The lock's file, to be deleted by hand where the holder is known to be gone. */
  lock: string;
  /** What it is to people, where it said so. */
  program?: string | undefined;
  /** The same for the `params` of an error. */
  names: { program: string; pid: number | string; computer: string };
  /** Whether it is this process itself. */
  isUs?: boolean | undefined;
}

export interface LockOptions {
  /** What its owner is to people. */
  program?: string | undefined;
  /** Where an earlier Hartbox, whose lock was a folder in the same place, wrote who had it. */
  oldOwnerFile?: string | undefined;
  host?: HostProcesses | undefined;
}

/**
 * Take a lock: a file that names the owning process. It stands in the way of others, in this process as in others, for as long as its owner
 * lives, also while that is stopped or its computer sleeps; no time passes on it. A lock whose owner is gone is taken over.
 *
 * Resolves with its holder where somebody else has it. Throws what the host says where the file cannot be made, VmError 'Resource' where one
 * that was left over cannot be taken away.
 */
export async function tryLock(
  lock: string,
  { program, oldOwnerFile, host = hostProcesses() }: LockOptions = {},
): Promise<(FileLock & { held?: undefined }) | { held: LockHolder }> {
  // This process may ask for the lock more than once; each time it has to know its own.
  const content = JSON.stringify({ ...identityOf(host), program, nonce: randomUUID() });
  const taken = { release: () => release(lock, content) };
  for (let attempt = 0; attempt < 2 * LOOKS; attempt++) {
    if (await create(lock, content)) {
      try {
        // Whoever stood still between making the file and writing it may have lost it.
        if ((await read(lock)) === content) return taken;
      } catch (error) {
        // It would stand in everybody's way, ours too, for as long as this process lives.
        await taken.release();
        throw error;
      }
      continue;
    }
    const found = await look(lock, oldOwnerFile, host);
    if (!found) continue;
    // The host had denied for a moment that it is there.
    if (found.state === content) return taken;
    if (found.holder) return { held: found.holder };
    // Its owner may be about to write it.
    if (found.isUnnamed && attempt < LOOKS) await delay(LOOK_MS);
    else await removeStale(lock, found, oldOwnerFile);
  }
  return { held: { who: 'one process after another', lock, names: namesOf({}, host) } };
}

/**
 * Take a lock that others hold for moments only, and wait for them. Throws VmError 'Resource' where one holds it longer than `patience`
 * milliseconds; else as `tryLock`.
 */
export async function awaitLock(lock: string, options: LockOptions & { patience?: number } = {}): Promise<FileLock> {
  const { patience = 10_000 } = options;
  const since = performance.now();
  for (;;) {
    const taken = await tryLock(lock, options);
    if (!taken.held) return taken;
    if (performance.now() - since > patience)
      throw new VmError(
        'Resource',
        `${lock} is held by ${taken.held.who}. Wait until that is done. (If that process is gone, delete ${lock}.)`,
        {
          code: 'lock-held',
          params: { path: lock, ...taken.held.names },
        },
      );
    // Those who came together do not come together again.
    await delay(2 + Math.random() * LOOK_MS);
  }
}

/** Who holds a lock, if somebody does. */
export async function lockHolder(
  lock: string,
  { oldOwnerFile, host = hostProcesses() }: Omit<LockOptions, 'program'> = {},
): Promise<LockHolder | undefined> {
  for (let looks = 0; looks < LOOKS; looks++) {
    const found = await look(lock, oldOwnerFile, host);
    if (!found?.isUnnamed) return found?.holder;
    await delay(LOOK_MS);
  }
  return undefined;
}

/**
 * Take the one writer's lock on a file, `NAME.lock` beside it. Throws VmError 'Resource' while someone else holds it, or others read the
 * file as a backing file.
 */
export async function lockFile(path: string, host = hostProcesses()): Promise<FileLock> {
  const lock = `${await realPathOf(path)}.lock`;
  const taken = await tryLock(lock, { host }).catch((cause: unknown) => {
    throw notLocked(path, cause, `: ${reasonOf(cause)}. Make its folder writable, or attach it readonly`);
  });
  if (taken.held) {
    throw new VmError(
      'Resource',
      `${path} is in use: ${drive(taken.held)} has it open for writing. Stop the box that uses it, or attach it readonly. (If that process is gone, delete ${lock}.)`,
      { code: 'image-in-use', params: { path, lock, ...taken.held.names } },
    );
  }
  let sharer: LockHolder | undefined;
  try {
    sharer = await findSharer(lock, host);
  } catch (cause) {
    // The lock would stand in everybody's way for as long as this process lives.
    await taken.release();
    const why = `its folder does not tell who uses it as a backing file: ${reasonOf(cause)}`;
    throw notLocked(path, cause, `, for ${why}. Make its folder readable, or attach it readonly`);
  }
  if (!sharer) return taken;
  await taken.release();
  throw new VmError(
    'Resource',
    `${path} is in use: ${drive(sharer)} uses it as a backing file, which may not change meanwhile. Stop the box that uses it. (If that process is gone, delete ${sharer.lock}.)`,
    { code: 'image-is-backing', params: { path, lock: sharer.lock, ...sharer.names } },
  );
}

/** What keeps a folder from having the lock; all else that the host refuses is said as it is. */
const FOLDERS_DOING = ['EACCES', 'EPERM', 'EROFS'];

function notLocked(path: string, cause: unknown, why: string): VmError {
  if (cause instanceof VmError) return cause;
  const known = FOLDERS_DOING.includes(reasonCode(cause)) ? undefined : systemError(cause, 'The file could not be locked for writing');
  if (known) return known;
  return new VmError('Resource', `${path} could not be locked for writing${why}.`, {
    cause,
    code: 'file-not-locked',
    params: { path, reason: reasonCode(cause) },
  });
}

/** Throws VmError: 'Image' if there is no such file, 'Resource' if the host says no more. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      throw new VmError('Image', `${path} does not exist. Check the path.`, { cause, code: 'file-missing', params: { path } });
    throw systemError(cause) ?? cause;
  }
}

let shares = 0;

/**
 * Keep writers away from a file that others may read too, such as a backing file: a file `NAME.lock.PID-N` beside it. Where the folder
 * may not be written, nobody can take the writer's lock there either.
 *
 * Throws VmError 'Resource' while someone holds the writer's lock.
 */
export async function shareFile(path: string, host = hostProcesses()): Promise<FileLock> {
  const lock = `${await realPathOf(path)}.lock`;
  const content = JSON.stringify(identityOf(host));
  let share: string;
  try {
    do share = `${lock}.${host.pid}-${++shares}`;
    while (
      // Nobody else has a file of this name open, so what is refused is the folder's doing, and waiting would be in vain.
      !(await create(share, content, (work) => work()))
    );
  } catch {
    return { release: () => Promise.resolve() };
  }
  const unshare = (): Promise<void> => hostFiles.remove(share);
  // First show, then look: of a writer and a sharer that come together at least one sees the other.
  const writer = await lockHolder(lock, { host });
  if (!writer) return { release: unshare };
  await unshare();
  throw new VmError(
    'Resource',
    `${path} is in use: ${drive(writer)} writes to it, so what others read of it may be half of this and half of that. Stop the box that uses it. (If that process is gone, delete ${lock}.)`,
    { code: 'file-being-written', params: { path, lock, ...writer.names } },
  );
}

/** Remove all locks in a folder whose owners are gone, but `except`. What is called like a lock and names no process is somebody else's. */
export async function removeDeadLocks(folder: string, except: readonly string[] = [], host = hostProcesses()): Promise<void> {
  for (const name of await readdir(folder).catch((): string[] => [])) {
    const match = /(?:^|\.)lock(\.\d+-\d+|\.old-[0-9a-f]{8})?$/.exec(name);
    if (!match || except.includes(name)) continue;
    const path = join(folder, name);
    const content = await read(path).catch(() => undefined);
    const owner = content === undefined ? undefined : parse(content);
    // Of one that names nobody the owner may be about to write it.
    const isDead = owner ? !mayLive(owner, host) : content !== undefined && (await isOlder(path, TAKEOVER_MS));
    if (!isDead) continue;
    if (match[1] === undefined) await removeStale(path, { state: content as string }, undefined);
    else await hostFiles.remove(path).catch(() => undefined);
  }
}

async function isOlder(path: string, age: number): Promise<boolean> {
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
  return Date.now() - mtimeMs > age;
}

/** Somebody alive who shares the file; what the dead left is removed. */
async function findSharer(lock: string, host: HostProcesses): Promise<LockHolder | undefined> {
  const prefix = `${basename(lock)}.`;
  for (const name of await readdir(dirname(lock))) {
    if (!name.startsWith(prefix) || !/^\d+-\d+$/.test(name.slice(prefix.length))) continue;
    const share = join(dirname(lock), name);
    const content = await read(share).catch((error: unknown) => {
      if (OURS.includes(reasonCode(error))) throw error;
      return undefined;
    });
    const owner = content === undefined ? undefined : parse(content);
    if (owner && mayLive(owner, host)) return holderOf(owner, share, host);
    // It may belong to another user; of the dead it is in nobody's way.
    if (owner) await hostFiles.remove(share).catch(() => undefined);
  }
  return undefined;
}

/** Returns whether there was no such file yet. */
async function create(
  path: string,
  content: string,
  patiently: PatientFiles['patiently'] = (work) => hostFiles.patiently(work),
): Promise<boolean> {
  const file = await patiently(() => open(path, 'wx')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  });
  if (!file) return false;
  try {
    await file.writeFile(content);
  } catch (error) {
    await file.close();
    await hostFiles.remove(path);
    throw error;
  }
  await file.close();
  return true;
}

/** Somebody may have deleted the file by hand, and another have taken the lock since. What the host refuses now it may do in a moment. */
async function release(lock: string, content: string): Promise<void> {
  for (let looks = 1; ; looks++) {
    try {
      const found = await read(lock);
      // One that stays behind is in everybody's way, so it has to be gone twice.
      if (found === undefined && looks === 1) continue;
      if (found === content) await hostFiles.remove(lock);
      return;
    } catch (error) {
      if (looks === LOOKS) throw error;
      await delay(LOOK_MS);
    }
  }
}

/** What is wrong with this process or computer, and says nothing of a lock. */
const OURS = ['EMFILE', 'ENFILE', 'ENOMEM'];

/** What stands at the place of a lock. */
interface Found {
  /** Who is alive, or may be. */
  holder?: LockHolder | undefined;
  /** A file that names nobody: its owner is about to write it, or died over that. */
  isUnnamed?: boolean;
  /** As it was found: the file's content, or when the folder of an old lock was last touched. */
  state: string | number;
}

/** Undefined where there is nothing. */
async function look(lock: string, oldOwnerFile: string | undefined, host: HostProcesses): Promise<Found | undefined> {
  let content: string;
  try {
    if ((await hostFiles.patiently(() => stat(lock))).isDirectory()) {
      const old = await oldFolderLock(lock, oldOwnerFile, host);
      return old && { state: old.touched, holder: old.owner && { who: describeOld(old.owner), lock, names: namesOf(old.owner, host) } };
    }
    content = await hostFiles.patiently(() => readText(lock));
  } catch (error) {
    const code = reasonCode(error);
    // No lock can have a name that is too long.
    if (['ENOENT', 'ENAMETOOLONG'].includes(code)) return undefined;
    if (OURS.includes(code)) throw error;
    return { state: '', holder: { who: `somebody whose lock cannot be read: ${reasonOf(error)}`, lock, names: namesOf({}, host) } };
  }
  const owner = parse(content);
  if (!owner) return { state: content, isUnnamed: true };
  return { state: content, holder: mayLive(owner, host) ? holderOf(owner, lock, host) : undefined };
}

/**
 * Remove the lock of an owner that is gone, if it is still that one. Who has made the folder `NAME.lock.takeover` does so while the others
 * wait, so that hardly ever somebody comes upon the lock that another has put in its place.
 */
async function removeStale(lock: string, { state }: Found, oldOwnerFile: string | undefined): Promise<void> {
  const takeover = `${lock}.takeover`;
  try {
    try {
      await hostFiles.patiently(() => mkdir(takeover));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      await awaitTakeover(takeover);
      return;
    }
    try {
      if (typeof state === 'string') await removeFile(lock, state);
      else await removeFolder(lock, state, oldOwnerFile);
    } finally {
      await hostFiles.removeEmptyFolder(takeover).catch(() => undefined);
    }
  } catch (cause) {
    throw new VmError(
      'Resource',
      `${lock}, the lock of a process that is gone, could not be taken away: ${reasonOf(cause)}. Make its folder writable, or delete that file.`,
      { cause, code: 'lock-stuck', params: { path: lock, reason: reasonCode(cause) } },
    );
  }
}

/** Remove a lock's file as it was found. */
async function removeFile(lock: string, state: string): Promise<void> {
  if ((await read(lock)) !== state) return;
  // Only what has been taken away cannot be exchanged any more between looking at it and removing it.
  const taken = `${lock}.old-${randomBytes(4).toString('hex')}`;
  try {
    await hostFiles.rename(lock, taken);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const content = await read(taken).catch(() => undefined);
  // Whoever has locked meanwhile keeps the lock.
  if (content !== state) await link(taken, lock).catch(() => content !== undefined && create(lock, content));
  await hostFiles.remove(taken).catch(() => undefined);
}

/** Remove an earlier version's folder if nobody has touched it. */
async function removeFolder(lock: string, touched: number, oldOwnerFile: string | undefined): Promise<void> {
  const now = await stat(lock).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
  if (now !== touched) return;
  if (oldOwnerFile !== undefined) await hostFiles.remove(oldOwnerFile);
  await hostFiles.removeEmptyFolder(lock).catch(() => undefined);
}

/** Wait for somebody else's takeover. One that never ends was left by a process that died over it; the clock of its file system says nothing. */
async function awaitTakeover(takeover: string): Promise<void> {
  const look = (): Promise<string | undefined> =>
    stat(takeover).then(
      ({ ino, mtimeMs }) => `${ino} ${mtimeMs}`,
      () => undefined,
    );
  const first = await look();
  const since = performance.now();
  do {
    await delay(LOOK_MS);
    const now = await look();
    if (now === undefined || now !== first) return;
  } while (performance.now() - since <= TAKEOVER_MS);
  await hostFiles.removeEmptyFolder(takeover).catch(() => undefined);
}

/** Undefined where there is none; throws what else the host says. */
function read(path: string): Promise<string | undefined> {
  return hostFiles
    .patiently(() => readText(path))
    .catch((error: unknown) => {
      if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(reasonCode(error))) return undefined;
      throw error;
    });
}

/** Also what earlier versions wrote, which knew only pid, host and the start. */
function parse(content: string): Owner | undefined {
  try {
    const { pid, host, started, machine, boot, pids, program } = JSON.parse(content) as Record<string, unknown>;
    const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
    if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0 || typeof host !== 'string') return undefined;
    return {
      pid,
      host,
      started: text(started) ?? null,
      machine: text(machine),
      boot: text(boot),
      pids: text(pids),
      program: text(program),
    };
  } catch {
    // Not written by us, or not to its end.
    return undefined;
  }
}

function holderOf(owner: Owner, lock: string, here: HostProcesses): LockHolder {
  const where = whereabouts(owner, here);
  const isUs = where === 'here' && owner.pid === here.pid;
  const place =
    where === 'another computer' ? ` on the computer ${owner.host}` : where === 'another container' ? ' of another container' : '';
  const name = `process ${owner.pid}${place}`;
  const { program } = owner;
  return {
    who: program === undefined ? (isUs ? 'this process' : name) : `${program} (${name})`,
    lock,
    names: namesOf({ ...owner, program: program ?? (isUs ? 'this process' : undefined) }, here),
    program,
    isUs,
  };
}

function namesOf({ program, pid, host }: Partial<Owner>, here: Pick<HostProcesses, 'host'>): LockHolder['names'] {
  return { program: program ?? 'process', pid: pid ?? '?', computer: host ?? here.host };
}

/** Who has a disk. */
function drive({ who, isUs }: LockHolder): string {
  return isUs ? 'another drive of this process' : who;
}

function describeOld({ program, pid }: OldOwner): string {
  return pid === undefined ? 'an earlier version of Hartbox' : `${program ?? 'an earlier version of Hartbox'} (process ${pid})`;
}
