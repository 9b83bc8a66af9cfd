import { stat } from 'node:fs/promises';
import { uptime } from 'node:os';
import { readText } from './open-file';
import { type HostProcesses, isPresent } from './process-identity';

/** Earlier versions touched the folder at least this often, in milliseconds, and more. */
const TOUCHED_MS = 20_000;
/** Ticks of Linux's clock in a second, as it tells start times (proc(5)): the same everywhere. */
const TICKS = 100;
/** A process and the clock of the file system do not agree to the millisecond. */
const TOLERANCE_MS = 2000;

export interface OldOwner {
  pid?: number;
  program?: string;
}

/**
 * Locks of earlier versions: a folder that its owner touches every few seconds, and for a box a file that names the owner. Such a folder
 * may be left over from a crash, or belong to an earlier version that still runs. Undefined where there is none.
 */
export async function oldFolderLock(
  folder: string,
  ownerFile: string | undefined,
  host: HostProcesses,
): Promise<{ touched: number; owner?: OldOwner } | undefined> {
  const touched = await stat(folder).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
  if (touched === undefined) return undefined;
  const named = ownerFile === undefined ? undefined : await readOwner(ownerFile);
  // Whoever touches it lives, also where its number means nothing here: in a container, or on another computer.
  const isTouched = Date.now() - touched < TOUCHED_MS;
  if (named) return { touched, ...((isTouched || ownsStill(named, host)) && { owner: { pid: named.pid, program: named.program } }) };
  return { touched, ...(isTouched && { owner: {} }) };
}

interface Named {
  pid: number;
  program: string;
  written: number;
}

async function readOwner(file: string): Promise<Named | undefined> {
  try {
    const { pid, program } = JSON.parse(await readText(file)) as Record<string, unknown>;
    if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0) return undefined;
    return { pid, program: typeof program === 'string' ? program : 'Hartbox', written: (await stat(file)).mtimeMs };
  } catch {
    return undefined;
  }
}

/** It does however long the folder was not touched: its process may be stopped, or the computer have slept. */
function ownsStill({ pid, written }: Named, host: HostProcesses): boolean {
  if (!isPresent(pid, host)) return false;
  const start = host.startOf(pid);
  if (start === null) return false;
  // Elsewhere starts are told in other ways; there an old lock stands in the way while any process bears the number.
  if (start === undefined || process.platform !== 'linux') return true;
  const startedAt = Date.now() - (uptime() - Number(start) / TICKS) * 1000;
  return startedAt < written + TOLERANCE_MS;
}
