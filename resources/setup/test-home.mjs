import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The HARTBOX_HOME of tests: apart from the user's own machines, but outside the working tree, so that the default guest is
 * fetched once for all clones.
 */
export const testHome = process.env.HARTBOX_TEST_HOME || join(userCache(), 'hartbox-test');

function userCache() {
  if (process.platform === 'win32') return process.env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches');
  return process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
}
