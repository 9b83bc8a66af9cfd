import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { VmError } from '../errors/vm-error';
import { ensureFolder } from '../host/ensure-folder';
import { awaitLock } from '../host/file-lock';
import { replaceFile } from '../host/new-file';
import { onDisk } from './download';
import type { Release } from './release';

const schema = z.object({ date: z.iso.datetime() });

/**
 * A signature never wears out: whoever stands between us and a mirror can show an old index with all the holes that have been mended since.
 * So the newest date of each suite is kept, in `suites/NAME.json` of the data directory, and what is older is refused: VmError 'Network'.
 */
export async function refuseOlder({ codename, date }: Pick<Release, 'codename' | 'date'>, dataDirectory: string): Promise<void> {
  const folder = join(dataDirectory, 'suites');
  const file = join(folder, `${codename}.json`);
  await onDisk(folder, async () => ensureFolder(folder));
  // Several set-ups may look at once, and the newest of their dates is to stay.
  const lock = await onDisk(file, () => awaitLock(`${file}.lock`));
  try {
    const newest = await readNewest(file);
    if (newest && date < newest)
      throw new VmError(
        'Network',
        `the suite index is of ${date.toUTCString()}, and one of ${newest.toUTCString()} was seen before: the mirror is behind, or somebody shows an old index. ` +
          `Use another mirror, or wait until this one is up to date; if you are sure that it is right, delete ${file}`,
      );
    if (!newest || date > newest) await onDisk(file, () => replaceFile(file, `${JSON.stringify({ date: date.toISOString() })}\n`));
  } finally {
    await lock.release();
  }
}

/** Undefined if none was seen yet, or what is there cannot be read: it is written anew. */
async function readNewest(file: string): Promise<Date | undefined> {
  try {
    return new Date(schema.parse(JSON.parse(await readFile(file, 'utf8'))).date);
  } catch {
    return undefined;
  }
}
