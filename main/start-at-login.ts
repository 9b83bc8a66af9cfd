import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { App } from 'electron';
import { systemError } from '../engine/errors/system-error';
import { hostFiles } from '../engine/host/patient-files';

/** Given to an app that the system starts: it stays in the background. */
export const HIDDEN = '--hidden';

/**
 * Have the system start the app when the user logs in, or no more: by Electron on Windows and macOS; elsewhere by a file as the Desktop
 * Application Autostart Specification has it. Throws VmError where that cannot be written.
 */
export async function setStartAtLogin(
  on: boolean,
  app: Pick<App, 'setLoginItemSettings' | 'isPackaged' | 'getAppPath'>,
  { platform = process.platform, env = process.env, execPath = process.execPath, home = homedir() } = {},
): Promise<void> {
  if (platform === 'win32' || platform === 'darwin') {
    app.setLoginItemSettings({ openAtLogin: on, args: [HIDDEN] });
    return;
  }
  const config = env['XDG_CONFIG_HOME'];
  const folder = join(config?.startsWith('/') ? config : join(home, '.config'), 'autostart');
  const file = join(folder, 'hartbox.desktop');
  try {
    if (!on) {
      await hostFiles.remove(file);
      return;
    }
    // An AppImage is started by its own file, not by what is unpacked of it.
    const program = env['APPIMAGE'] ?? execPath;
    const words = [program, ...(app.isPackaged ? [] : [app.getAppPath()]), HIDDEN];
    await mkdir(folder, { recursive: true });
    await writeFile(file, desktopEntry(program, words));
  } catch (error) {
    throw systemError(error, 'The start at login could not be changed') ?? error;
  }
}

/** Desktop Entry Specification, "The Exec key": words in double quotes, with what is special escaped, twice as all strings are. */
function desktopEntry(program: string, words: readonly string[]): string {
  const exec = words
    .map(
      (word) =>
        `"${word
          .replace(/["`$\\]/g, '\\$&')
          .replaceAll('\\', '\\\\')
          .replaceAll('%', '%%')}"`,
    )
    .join(' ');
  // Once the app is uninstalled the system passes over this file, which no package may take from a user's home.
  const tryExec = program.replaceAll('\\', '\\\\');
  return `[Desktop Entry]\nType=Application\nName=Hartbox\nTryExec=${tryExec}\nExec=${exec}\nTerminal=false\nX-GNOME-Autostart-enabled=true\n`;
}
