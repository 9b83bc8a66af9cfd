import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureFolder } from './ensure-folder';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hartbox-folder-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function failure(path: string): unknown {
  try {
    ensureFolder(path);
  } catch (error) {
    return error;
  }
}

describe('ensureFolder', () => {
  it('makes what is missing, and takes what is there', () => {
    const path = join(home, 'a', 'b', 'c');
    ensureFolder(path);
    ensureFolder(path);
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it.runIf(process.platform !== 'win32')('makes folders with the mode that is asked for, also through links', () => {
    symlinkSync(home, join(home, 'link'));
    ensureFolder(join(home, 'link', 'a', 'b'), { mode: 0o700 });
    for (const path of ['a', 'a/b']) expect(statSync(join(home, path)).mode & 0o777).toBe(0o700);
  });

  it('says that there is a file in the way', () => {
    const file = join(home, 'file');
    writeFileSync(file, '');
    for (const path of [file, join(file, 'b', 'c')])
      expect(failure(path)).toMatchObject({ kind: 'Resource', code: 'folder-is-file', params: { path: file } });
  });

  it('says that a link in the way leads nowhere', () => {
    symlinkSync(join(home, 'none'), join(home, 'link'));
    expect(failure(join(home, 'link', 'a'))).toMatchObject({ code: 'folder-is-file', params: { path: join(home, 'link') } });
  });

  it.runIf(process.platform === 'linux')('gives up where no folder can be', () => {
    expect(failure('/proc/hartbox/app')).toMatchObject({
      kind: 'Resource',
      code: 'folder-takes-none',
      params: { path: '/proc/hartbox', parent: '/proc' },
    });
  });

  it('passes on what else the host says', () => {
    expect(failure(join(home, 'x'.repeat(1000)))).toMatchObject({ code: 'ENAMETOOLONG' });
  });
});
