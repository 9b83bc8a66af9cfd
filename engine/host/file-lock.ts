import { mkdir, open, readFile, readdir, realpath, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { VmError } from '../bus/vm-error';

interface Owner {
  pid: number;
  host: string;
  /** When the process started, where the host tells: a later process may have the same pid. */
  started: string | null;
}

/** Milliseconds after which a takeover is no longer under way. */
const TAKEOVER_MS = 5000;

export interface FileLock {
  release(): Promise<void>;
}

/**
 * Take the one writer's lock on a file: a file beside it, `NAME.lock`, that names the owning process. It stands in the way of
 * other writers, in this process as in others, and is taken over once its owner no longer lives.
 *
 * Throws VmError 'Resource' while someone else holds the lock.
 */
export async function lockFile(path: string): Promise<FileLock> {
  const lock = `${await realpath(path)}.lock`;
  const owner: Owner = { pid: process.pid, host: hostname(), started: startTime(process.pid) };
  for (let attempt = 0; attempt < 100; attempt++) {
    if (await create(lock, path, JSON.stringify(owner))) {
      const release = (): Promise<void> => rm(lock, { force: true });
      const sharer = await findSharer(lock);
      if (!sharer) return { release };
      await release();
      throw new VmError(
        'Resource',
        `${path} is in use: ${describe(sharer)} uses it as a backing file, which may not change meanwhile. Stop the machine that uses it.`,
      );
    }
    const content = await readFile(lock, 'utf8').catch(() => undefined);
    if (content === undefined) continue;
    const holder = parse(content);
    if (!holder && attempt < 10) {
      // Its owner may be about to write it.
      await delay(20);
      continue;
    }
    if (holder && lives(holder)) {
      throw new VmError(
        'Resource',
        `${path} is in use: ${describe(holder)} has it open for writing. Stop the machine that uses it, or attach it readonly. (If that process is gone, delete ${lock}.)`,
      );
    }
    await removeStale(lock, content);
  }
  throw new VmError('Resource', `${path} could not be locked: other processes keep taking ${lock}. Try again.`);
}

let shares = 0;

/**
 * Keep writers away from a file that others may read too, such as a backing file: a file `NAME.lock.PID-N` beside it. Where the folder
 * may not be written, nobody can take the writer's lock there either.
 *
 * Throws VmError 'Resource' while someone holds the writer's lock.
 */
export async function shareFile(path: string): Promise<FileLock> {
  const lock = `${await realpath(path)}.lock`;
  const share = `${lock}.${process.pid}-${++shares}`;
  const release = (): Promise<void> => rm(share, { force: true });
  try {
    await writeFile(share, JSON.stringify({ pid: process.pid, host: hostname(), started: startTime(process.pid) } satisfies Owner));
  } catch {
    return { release };
  }
  // First show, then look: of a writer and a sharer that come together at least one sees the other.
  const content = await readFile(lock, 'utf8').catch(() => undefined);
  const writer = content === undefined ? undefined : parse(content);
  if (content === undefined || (writer && !lives(writer))) return { release };
  await release();
  throw new VmError(
    'Resource',
    `${path} is in use: ${writer ? describe(writer) : 'another process'} has it open for writing, so it cannot serve as a backing file. Stop the machine that uses it. (If that process is gone, delete ${lock}.)`,
  );
}

/** Somebody alive who shares the file; what the dead left is removed. */
async function findSharer(lock: string): Promise<Owner | undefined> {
  const prefix = `${basename(lock)}.`;
  for (const name of await readdir(dirname(lock))) {
    if (!name.startsWith(prefix) || !/^\d+-\d+$/.test(name.slice(prefix.length))) continue;
    const share = join(dirname(lock), name);
    const content = await readFile(share, 'utf8').catch(() => undefined);
    const owner = content === undefined ? undefined : parse(content);
    if (owner && lives(owner)) return owner;
    if (owner) await rm(share, { force: true });
  }
  return undefined;
}

async function create(lock: string, path: string, content: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx');
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new VmError(
      'Resource',
      `${path} could not be locked for writing: ${(cause as Error).message}. Make its folder writable, or attach it readonly.`,
      { cause },
    );
  }
}

/**
 * Remove the lock of an owner that is gone, if it is still that one. Only who has made the folder `NAME.lock.takeover` may do that, so
 * that nobody removes the lock that another has put in its place.
 */
async function removeStale(lock: string, content: string): Promise<void> {
  const takeover = `${lock}.takeover`;
  try {
    await mkdir(takeover);
  } catch {
    // Somebody else is about it; or has died over it.
    const since = await stat(takeover).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (since > TAKEOVER_MS) await rmdir(takeover).catch(() => undefined);
    await delay(20);
    return;
  }
  try {
    if ((await readFile(lock, 'utf8').catch(() => undefined)) === content) await rm(lock, { force: true });
  } finally {
    await rmdir(takeover).catch(() => undefined);
  }
}

function parse(content: string): Owner | undefined {
  try {
    const owner = JSON.parse(content) as Partial<Owner>;
    if (Number.isInteger(owner.pid) && typeof owner.host === 'string')
      return { pid: owner.pid!, host: owner.host, started: owner.started ?? null };
  } catch {
    // Not written by us, or not to its end.
  }
  return undefined;
}

function lives(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const started = startTime(owner.pid);
  return started === null || owner.started === null || started === owner.started;
}

function describe({ pid, host }: Owner): string {
  if (host !== hostname()) return `process ${pid} on the computer ${host}`;
  return pid === process.pid ? 'another drive of this process' : `process ${pid}`;
}

/** Linux: ticks since boot at which a process started (proc(5), field 22 of stat). */
function startTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
