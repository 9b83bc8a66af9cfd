import { open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { VmError } from '../../bus/vm-error';

interface Owner {
  pid: number;
  host: string;
  /** When the process started, where the host tells: a later process may have the same pid. */
  started: string | null;
}

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
  for (let attempt = 0; attempt < 20; attempt++) {
    if (await create(lock, path, JSON.stringify(owner))) return { release: () => rm(lock, { force: true }) };
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

/** Two processes may find the same stale lock: who renames it checks that it is still that one, and else puts it back. */
async function removeStale(lock: string, content: string): Promise<void> {
  const aside = `${lock}.${process.pid}`;
  try {
    await rename(lock, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, 'utf8').catch(() => content)) === content) await rm(aside, { force: true });
  else await rename(aside, lock);
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
