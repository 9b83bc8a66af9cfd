import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dataDirectory } from './data-directory';

const WINDOWS_HOME = 'C:\\Users\\Zoë';

describe('the data directory', () => {
  it.each([
    ['linux', {}, '/home/zoe', '/home/zoe/.local/share/hartbox'],
    ['linux', { XDG_DATA_HOME: '/data' }, '/home/zoe', '/data/hartbox'],
    ['linux', { XDG_DATA_HOME: 'data' }, '/home/zoe', '/home/zoe/.local/share/hartbox'],
    ['darwin', { XDG_DATA_HOME: '/data' }, '/Users/zoe', '/Users/zoe/Library/Application Support/Hartbox'],
    ['win32', {}, WINDOWS_HOME, `${WINDOWS_HOME}\\AppData\\Local\\Hartbox`],
    ['win32', { LOCALAPPDATA: '' }, WINDOWS_HOME, `${WINDOWS_HOME}\\AppData\\Local\\Hartbox`],
    ['win32', { LOCALAPPDATA: 'D:\\Local' }, WINDOWS_HOME, 'D:\\Local\\Hartbox'],
    ['win32', { HARTBOX_HOME: '\\\\server\\share\\hartbox' }, WINDOWS_HOME, '\\\\server\\share\\hartbox'],
  ] as const)('on %s with %j is where such data lies', (platform, env, home, expected) => {
    expect(dataDirectory({ platform, env, home: () => home })).toBe(expected);
  });

  it.each([
    ['linux', { HARTBOX_HOME: '/box' }, '/box'],
    ['linux', { XDG_DATA_HOME: '/data' }, '/data/hartbox'],
    ['win32', { LOCALAPPDATA: 'D:\\Local' }, 'D:\\Local\\Hartbox'],
  ] as const)('on %s with %j needs no home', (platform, env, expected) => {
    const home = (): never => {
      throw new Error('uv_os_homedir returned ENOENT');
    };
    expect(dataDirectory({ platform, env, home })).toBe(expected);
  });

  it('is the same place for whoever gets it, though HARTBOX_HOME is relative', () => {
    expect(dataDirectory({ platform: process.platform, env: { HARTBOX_HOME: 'here' } })).toBe(resolve('here'));
  });
});
