import { homedir } from 'node:os';
import { posix, win32 } from 'node:path';

/** Where Hartbox keeps machines, the default guest and downloads: `HARTBOX_HOME`, else the platform's usual place for an application's data. */
export function dataDirectory(host: { platform: NodeJS.Platform; env: NodeJS.ProcessEnv; home?: () => string } = process): string {
  const { platform, env, home = homedir } = host;
  const path = platform === 'win32' ? win32 : posix;
  // Whoever gets it may stand in another folder.
  if (env['HARTBOX_HOME']) return path.resolve(env['HARTBOX_HOME']);
  // Only here: homedir() throws for a user whom the system does not know.
  const atHome = (...parts: string[]): string => path.join(home(), ...parts);
  /** What the system says, unless that is no place at all: the XDG Base Directory Specification has relative paths ignored. */
  const place = (name: string, ...usual: string[]): string => (path.isAbsolute(env[name] ?? '') ? (env[name] as string) : atHome(...usual));
  if (platform === 'win32') return path.join(place('LOCALAPPDATA', 'AppData', 'Local'), 'Hartbox');
  if (platform === 'darwin') return atHome('Library', 'Application Support', 'Hartbox');
  return path.join(place('XDG_DATA_HOME', '.local', 'share'), 'hartbox');
}
