import { join } from 'node:path';
import { reasonCode, reasonOf } from '../errors/system-error';
import { setTimeout as delay } from 'node:timers/promises';
import { VmError } from '../errors/vm-error';
import { type FileLock, type LockHolder, lockHolder, tryLock } from '../host/file-lock';
import { exists, readText } from '../host/open-file';
import { LOCK_FILE, OLD_OWNER_FILE, missingBox } from './box-folder';

/** Work that keeps a box from being started for a while; the program that does it calls itself so in the lock. */
const WORK = {
  clone: 'a clone being made of it',
  export: 'an export of it',
  remove: 'its removal',
  clean: 'a clean-up after a crash',
} as const;
/** A clean-up takes moments: how often, and every how many milliseconds, it is waited for. */
const LOOKS = 50;
const LOOK_MS = 20;

/** Who runs the box in a folder, or works on it. */
export async function boxHolder(folder: string): Promise<(LockHolder & { isWork: boolean }) | undefined> {
  const holder = await lockHolder(join(folder, LOCK_FILE), { oldOwnerFile: join(folder, OLD_OWNER_FILE) });
  return holder && { ...holder, isWork: isWork(holder) };
}

/** Take a box for work on it. Throws VmError `State` if there is none, and as `lockBox`. */
export async function lockForWork(folder: string, work: keyof typeof WORK): Promise<FileLock> {
  if (!(await exists(folder))) throw missingBox(folder);
  return lockBox(folder, WORK[work]);
}

/** Take a box for its removal. On a full disk, where no lock can be written, it has to do that nobody has the box: that is how space is made. */
export async function lockForRemoval(folder: string): Promise<FileLock> {
  try {
    return await lockForWork(folder, 'remove');
  } catch (error) {
    if (!(error instanceof VmError) || !isFull(error.cause) || (await boxHolder(folder))) throw error;
    return { release: () => Promise.resolve() };
  }
}

/** Whether the host said that its disk is full. */
export function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

/**
 * Take a box for this process until `release`. Throws VmError `Resource` if another process runs it or works on it. The lock of a process
 * that died is taken over.
 */
export async function lockBox(folder: string, program: string): Promise<FileLock> {
  let taken = await tryLockBox(folder, program);
  for (let looks = 0; taken.held?.program === WORK.clean && looks < LOOKS; looks++) {
    await delay(LOOK_MS);
    taken = await tryLockBox(folder, program);
  }
  if (!taken.held) return taken;
  const { held } = taken;
  throw new VmError(
    'Resource',
    isWork(held)
      ? `This box is in use by ${held.who}. Wait until that is done. (If that process is gone, delete ${held.lock}.)`
      : `This box is already being run by ${held.who}. A box can run only once at a time: stop it there first. (If that process is gone, delete ${held.lock}.)`,
    { code: isWork(held) ? 'box-busy' : 'box-running', params: { lock: held.lock, ...held.names } },
  );
}

/**
 * Where a process died while it had the box: take its lock away, after `clear`. Resolves with whether the box ran then, or was worked on;
 * undefined where nobody died.
 */
export async function clearDeadLock(folder: string, clear: () => Promise<void>): Promise<'run' | 'work' | undefined> {
  const left = await readText(join(folder, LOCK_FILE)).catch(() => undefined);
  if (left === undefined || (await boxHolder(folder))) return undefined;
  const taken = await tryLockBox(folder, WORK.clean);
  if (taken.held) return undefined;
  try {
    await clear();
  } finally {
    await taken.release();
  }
  return Object.values(WORK).some((work) => left.includes(JSON.stringify(work))) ? 'work' : 'run';
}

function tryLockBox(folder: string, program: string): ReturnType<typeof tryLock> {
  return tryLock(join(folder, LOCK_FILE), { program, oldOwnerFile: join(folder, OLD_OWNER_FILE) }).catch((cause: unknown) => {
    throw new VmError(
      'Resource',
      `The box in ${folder} could not be reserved (${reasonOf(cause)}). Check that the folder is yours and the disk has room.`,
      { cause, code: 'box-not-reserved', params: { path: folder, reason: reasonCode(cause) } },
    );
  });
}

function isWork({ program }: Pick<LockHolder, 'program'>): boolean {
  return Object.values<string | undefined>(WORK).includes(program);
}
