import { chmod, lstat } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { ensureFolder } from './ensure-folder';

/** Most bytes of a Unix socket's path: those of sun_path with its final zero. */
const LONGEST_PATH = process.platform === 'darwin' ? 104 : 108;

/** Where a Unix socket of that name can be: in a folder that only its user may enter. Throws where the host has none. */
export async function privateSocketPath(dataDirectory: string, name: string): Promise<string> {
  const own = join(dataDirectory, 'run');
  const file = `${name}.sock`;
  const fits = Buffer.byteLength(join(own, file)) < LONGEST_PATH;
  const place = fits ? own : join(tmpdir(), `hartbox-${userInfo().uid}`);
  ensureFolder(place, { mode: 0o700 });
  if (fits) await chmod(place, 0o700);
  else await mustBeOurs(place);
  return join(place, file);
}

/** In a folder where everybody may make files, somebody may have made this one first. */
async function mustBeOurs(folder: string): Promise<void> {
  const { uid, mode } = await lstat(folder);
  const isFolder = (await lstat(folder)).isDirectory();
  if (!isFolder || uid !== userInfo().uid || (mode & 0o077) !== 0)
    throw new Error(`${folder} is not a folder that belongs to this user alone; remove it`);
}
