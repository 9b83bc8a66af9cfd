import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { setStartAtLogin } from './start-at-login';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hartbox-login-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));
const app = { setLoginItemSettings: vi.fn(), isPackaged: true, getAppPath: () => '/src/hartbox' };
const file = (): Promise<string> => readFile(join(home, '.config', 'autostart', 'hartbox.desktop'), 'utf8');

it('on Linux is a file that desktops read, and goes again', async () => {
  const linux = { platform: 'linux' as const, env: {}, execPath: '/opt/My "Box" 100%/hartbox', home };
  await setStartAtLogin(true, app, linux);
  expect(await file()).toContain('\nTryExec=/opt/My "Box" 100%/hartbox\nExec="/opt/My \\\\"Box\\\\" 100%%/hartbox" "--hidden"\n');
  await setStartAtLogin(true, { ...app, isPackaged: false }, { ...linux, execPath: '/e', env: { XDG_CONFIG_HOME: 'relative' } });
  expect(await file()).toContain('\nExec="/e" "/src/hartbox" "--hidden"\n');
  await setStartAtLogin(true, app, { ...linux, env: { APPIMAGE: '/home/u/Hartbox.AppImage' } });
  expect(await file()).toContain('\nExec="/home/u/Hartbox.AppImage" "--hidden"\n');
  await setStartAtLogin(false, app, linux);
  await setStartAtLogin(false, app, linux);
  await expect(file()).rejects.toThrow('ENOENT');
});

it('says why it cannot be', async () => {
  await writeFile(join(home, '.config'), '');
  await expect(setStartAtLogin(true, app, { platform: 'linux', env: {}, execPath: '/e', home })).rejects.toMatchObject({
    message: expect.stringContaining('The start at login could not be changed') as string,
  });
});

it.each(['win32', 'darwin'] as const)('on %s is told to the system', async (platform) => {
  await setStartAtLogin(true, app, { platform, env: {}, execPath: '/e', home });
  expect(app.setLoginItemSettings).toHaveBeenLastCalledWith(expect.objectContaining({ openAtLogin: true, args: ['--hidden'] }));
});
