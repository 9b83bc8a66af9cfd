import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { VmError } from '../bus/vm-error';
import { type OldOwner, oldFolderLock } from './old-folder-lock';
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
  for (let attempt = 0; attempt < 2 * LOOKS; attempt++) {
    if (await create(lock, content)) {
      // Whoever stood still between making the file and writing it may have lost it.
      if ((await read(lock)) === content) return { release: () => release(lock, content) };
      continue;
    }
    const found = await look(lock, oldOwnerFile, host);
    if (!found) continue;
    if (found.holder) return { held: found.holder };
    // Its owner may be about to write it.
    if (found.isUnnamed && attempt < LOOKS) await delay(LOOK_MS);
    else await removeStale(lock, found, oldOwnerFile);
  }
  return { held: { who: 'one process after another', lock } };
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
  const lock = `${await realpath(path)}.lock`;
  const taken = await tryLock(lock, { host }).catch((cause: unknown) => {
    if (cause instanceof VmError) throw cause;
    throw new VmError(
      'Resource',
      `${path} could not be locked for writing: ${(cause as Error).message}. Make its folder writable, or attach it readonly.`,
      { cause },
    );
  });
  if (taken.held) {
    throw new VmError(
      'Resource',
      `${path} is in use: ${drive(taken.held)} has it open for writing. Stop the machine that uses it, or attach it readonly. (If that process is gone, delete ${lock}.)`,
    );
  }
  let sharer: LockHolder | undefined;
  try {
    sharer = await findSharer(lock, host);
  } catch (cause) {
    // The lock would stand in everybody's way for as long as this process lives.
    await taken.release();
    throw new VmError(
      'Resource',
      `${path} could not be locked for writing, for its folder does not tell who uses it as a backing file: ${(cause as Error).message}. Make its folder readable, or attach it readonly.`,
      { cause },
    );
  }
  if (!sharer) return taken;
  await taken.release();
  throw new VmError(
    'Resource',
    `${path} is in use: ${drive(sharer)} uses it as a backing file, which may not change meanwhile. Stop the machine that uses it. (If that process is gone, delete ${sharer.lock}.)`,
  );
}

let shares = 0;

/**
 * Keep writers away from a file that others may read too, such as a backing file: a file `NAME.lock.PID-N` beside it. Where the folder
 * may not be written, nobody can take the writer's lock there either.
 *
 * Throws VmError 'Resource' while someone holds the writer's lock.
 */
export async function shareFile(path: string, host = hostProcesses()): Promise<FileLock> {
  const lock = `${await realpath(path)}.lock`;
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
    `${path} is in use: ${drive(writer)} has it open for writing, so it cannot serve as a backing file. Stop the machine that uses it. (If that process is gone, delete ${lock}.)`,
  );
}

/** Somebody alive who shares the file; what the dead left is removed. */
async function findSharer(lock: string, host: HostProcesses): Promise<LockHolder | undefined> {
  const prefix = `${basename(lock)}.`;
  for (const name of await readdir(dirname(lock))) {
    if (!name.startsWith(prefix) || !/^\d+-\d+$/.test(name.slice(prefix.length))) continue;
    const share = join(dirname(lock), name);
    const content = await read(share);
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

/** Somebody may have deleted the file by hand, and another have taken the lock since. */
async function release(lock: string, content: string): Promise<void> {
  if ((await read(lock)) === content) await hostFiles.remove(lock);
}

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
      return old && { state: old.touched, holder: old.owner && { who: describeOld(old.owner), lock } };
    }
    content = await hostFiles.patiently(() => readFile(lock, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    return { state: '', holder: { who: `somebody whose lock cannot be read (${message})`, lock } };
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
      `${lock}, the lock of a process that is gone, could not be taken away: ${(cause as Error).message}. Make its folder writable, or delete that file.`,
      { cause },
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
  const content = await read(taken);
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

function read(path: string): Promise<string | undefined> {
  return hostFiles.patiently(() => readFile(path, 'utf8')).catch(() => undefined);
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
  return { who: owner.program === undefined ? (isUs ? 'this process' : name) : `${owner.program} (${name})`, lock, isUs };
}

/** Who has a disk. */
function drive({ who, isUs }: LockHolder): string {
  return isUs ? 'another drive of this process' : who;
}

function describeOld({ program, pid }: OldOwner): string {
  return pid === undefined ? 'an earlier version of Hartbox' : `${program ?? 'an earlier version of Hartbox'} (process ${pid})`;
}
