import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { VmError } from '../errors/vm-error';

/**
 * Make a folder and those above it, where they are missing; `mode` is for those that are made. (Node's own `recursive` tries for ever, with a
 * core busy, where a parent is there but takes no folders, as /proc.)
 *
 * Throws VmError 'Resource' where a file is in the way, or a parent takes no folders; else what the host says.
 */
export function ensureFolder(path: string, { mode }: { mode?: number } = {}): void {
  if (isFolder(path)) return;
  const parent = dirname(path);
  if (parent !== path) ensureFolder(parent, { mode });
  try {
    mkdirSync(path, { mode });
  } catch (cause) {
    // Another Hartbox may have made it meanwhile.
    if (isFolder(path)) return;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST')
      throw new VmError('Resource', `${path} is a file, and a folder is needed there. Move it away, or choose another place.`, {
        cause,
        code: 'folder-is-file',
        params: { path },
      });
    if (code === 'ENOENT' && isFolder(parent))
      throw new VmError('Resource', `${path} could not be made: ${parent} takes no folders. Choose another place.`, {
        cause,
        code: 'folder-takes-none',
        params: { path, parent },
      });
    throw cause;
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    // `throwIfNoEntry: false` still throws where a part of the path is a file.
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}
