import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { OPTIONS } from '../settings/settings';
import { complete } from './completion';
import { dispatch } from './dispatch';

const boxes = async (kind: 'box' | 'trashed'): Promise<string[]> => Promise.resolve(kind === 'box' ? ['debian', 'fedora'] : ['old-1']);
const words = async (...typed: string[]): Promise<string[]> => (await complete(typed, boxes)).words;

describe('completion', () => {
  it.each([
    [['ru'], ['run']],
    [
      ['disk', 'c'],
      ['create', 'check', 'convert', 'commit'],
    ],
    [
      ['run', ''],
      ['debian', 'fedora'],
    ],
    [['run', 'deb'], ['debian']],
    [['run', '--me'], ['--memory']],
    [['run', '--no-j'], ['--no-jit']],
    [
      ['run', '--aia', ''],
      ['none', 'aplic', 'aplic-imsic'],
    ],
    [
      ['run', '--aia=ap'],
      ['aplic', 'aplic-imsic'],
    ],
    [
      ['run', '--aia', '=', 'ap'],
      ['aplic', 'aplic-imsic'],
    ],
    [['run', '--drive', 'file=a,me'], ['a,media=']],
    [['run', '--drive', 'file=a,media=c'], ['cdrom']],
    [['run', '-m', '1G', 'f'], ['fedora']],
    [['get', 'debian', 'mem'], ['memory']],
    [['set', 'debian', 'mem'], ['memory=']],
    [
      ['set', 'debian', 'jit='],
      ['on', 'off'],
    ],
    [
      ['set', 'debian', 'harts=2', 'bell='],
      ['none', 'visual', 'sound'],
    ],
    [
      ['set', 'debian', '--unset', 'fla'],
      ['flashCode', 'flashVars'],
    ],
    [['trash', 'restore', ''], ['old-1']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['help', 'disk'], ['disk']],
    [['nonsense', ''], []],
  ])('of %j', async (typed, expected) => {
    expect(await words(...typed)).toEqual(expected);
  });

  it('knows where files stand', async () => {
    for (const typed of [
      ['run', '--kernel', ''],
      ['disk', 'info', ''],
      ['set', 'a', 'kernel='],
      ['run', '--firmware', 'x'],
      ['exec', 'ls', ''],
    ])
      expect(await complete(typed, boxes), typed.join(' ')).toMatchObject({ files: true });
    expect(await complete(['run', ''], boxes)).toMatchObject({ files: false });
  });

  it('lists every setting', async () => {
    expect(await words('get', 'debian', '')).toEqual(OPTIONS.map(({ key }) => key));
  });
});

describe('the scripts', () => {
  const scripts: Record<string, string> = {};
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hartbox-completion-'));
    for (const shell of ['bash', 'zsh', 'fish']) {
      let output = '';
      const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
        output += String(text);
        return true;
      });
      await dispatch(['completion', shell]);
      spy.mockRestore();
      scripts[shell] = output;
    }
    // A hartbox that says what it was asked.
    writeFileSync(join(folder, 'hartbox'), '#!/bin/sh\nshift 2\necho "asked-$#"\necho "key="\n');
    chmodSync(join(folder, 'hartbox'), 0o755);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['bash', 'zsh', 'fish'])('of %s has no error in it', (shell) => {
    if (spawnSync(shell, ['--version']).error) return;
    const file = join(folder, shell);
    writeFileSync(file, scripts[shell]);
    expect(execFileSync(shell, ['-n', file], { encoding: 'utf8' })).toBe('');
  });

  it.skipIf(process.platform === 'win32')('of bash asks hartbox', () => {
    const ask = `${scripts['bash']}\ncompopt() { :; }\nCOMP_WORDS=(hartbox run de); COMP_CWORD=2; _hartbox; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const output = execFileSync('bash', ['-c', ask], {
      env: { ...process.env, PATH: `${folder}${delimiter}${process.env['PATH']}` },
      encoding: 'utf8',
    });
    expect(output).toBe('asked-2\nkey=\n');
  });

  it('are there for three shells only', async () => {
    await expect(dispatch(['completion', 'tcsh'])).rejects.toThrow(/expects a shell: bash, zsh, fish/);
  });
});
