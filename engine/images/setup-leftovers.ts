import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { tryLock } from '../host/file-lock';
import { hostFiles } from '../host/patient-files';
import { removeOldParts } from '../host/unfinished-files';

/** What has been fetched is kept for the next try as long as somebody may still want to make one, in milliseconds: 30 days. */
const CACHE_MS = 30 * 24 * 3600_000;

const manifestSchema = z.object({ folder: z.string() });

/** Remove what set-ups that were killed left in the data directory; not of one under way. What they had fetched stays for the next try. */
export async function removeSetupLeftovers(data: string): Promise<void> {
  await tidy(join(data, 'default-guest'), 'guest.json', join(data, 'cache'));
  const firmware = join(data, 'firmware');
  for (const name of await readdir(firmware).catch((): string[] => [])) {
    const root = join(firmware, name);
    if ((await stat(root).catch(() => undefined))?.isDirectory()) await tidy(root, 'firmware.json', join(root, 'cache'));
  }
}

/** Undefined where no set-up came to its end. */
async function currentFolder(manifest: string): Promise<string | undefined> {
  try {
    return manifestSchema.parse(JSON.parse(await readFile(manifest, 'utf8'))).folder;
  } catch {
    return undefined;
  }
}

async function tidy(root: string, manifest: string, cache: string): Promise<void> {
  const names = await readdir(root).catch(() => undefined);
  if (!names) return;
  // As acquireFolder does, without waiting.
  const lock = await tryLock(`${await realpath(root)}.lock`);
  if (lock.held) return;
  try {
    const current = await currentFolder(join(root, manifest));
    for (const name of names) if (/^[0-9a-f]{16}$/.test(name) && name !== current) await hostFiles.removeFolder(join(root, name));
    if (current !== undefined) await removeOldParts(join(root, current));
    const touched = (await stat(cache).catch(() => undefined))?.mtimeMs ?? Date.now();
    if (current !== undefined || Date.now() - touched > CACHE_MS) await hostFiles.removeFolder(cache);
  } finally {
    await lock.release();
  }
}
