import { homedir } from 'node:os';
import { join } from 'node:path';
import { env, platform } from 'node:process';

/** Where Hartbox keeps machines, the default guest and downloads: `HARTBOX_HOME`, else the platform's usual place for an application's data. */
export function dataDirectory(): string {
  if (env['HARTBOX_HOME']) return env['HARTBOX_HOME'];
  if (platform === 'win32') return join(env['LOCALAPPDATA'] || join(homedir(), 'AppData', 'Local'), 'Hartbox');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Hartbox');
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'hartbox');
}
