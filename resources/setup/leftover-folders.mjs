import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Where a folder is put together: `NAME.PID.part`. */
export const partOf = (folder) => `${folder}.${process.pid}.part`;

/** Remove what processes that were killed had begun in a folder. */
export async function removeParts(folder) {
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = Number(/\.(\d+)\.part$/.exec(name)?.[1]);
    if (pid > 0 && !isPresent(pid)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

function isPresent(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
