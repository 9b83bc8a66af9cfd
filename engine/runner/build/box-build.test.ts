import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildOf, runBuild } from './box-build';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hartbox-build-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const node = (script: string): string => `"${process.execPath}" -e "${script}"`;

describe('a build', () => {
  it('runs in its folder, and is heard as it prints', async () => {
    const heard: string[] = [];
    const command = node("console.log('made'); console.error('a warning'); require('fs').writeFileSync('kernel', 'x')");
    await runBuild({ command, folder }, { onOutput: (data) => void heard.push(data.toString()) });
    expect(existsSync(join(folder, 'kernel'))).toBe(true);
    expect(heard.join('').split('\n').sort()).toEqual(['', 'a warning', 'made']);
  });

  it('that fails says how, and what it printed last', async () => {
    const command = node("console.log('x'.repeat(9000)); console.error('main.c:7: error'); process.exitCode = 2");
    const failure = runBuild({ command, folder });
    await expect(failure).rejects.toMatchObject({ kind: 'State', code: 'build-failed', params: { how: 'exit code 2' } });
    await expect(failure).rejects.toThrow(/main\.c:7: error$/);
    await failure.catch((error: Error) => expect(error.message.length).toBeLessThan(5000));
  });

  it('ends with all that it has started when it is given up', async () => {
    const abort = new AbortController();
    const late = join(folder, 'late');
    const inner = `setTimeout(() => require('fs').writeFileSync('late', ''), 700)`;
    const running = runBuild({ command: `${node(inner)} & ${node(inner)}`, folder }, { signal: abort.signal });
    setTimeout(() => abort.abort(new Error('enough')), 100);
    await expect(running).rejects.toThrow('enough');
    await delay(900);
    expect(existsSync(late)).toBe(false);
  });

  it('needs a command and a folder that is there', async () => {
    const box = { name: 'xv6', build: 'make', buildFolder: folder };
    expect(buildOf(box)).toEqual({ command: 'make', folder });
    expect(() => buildOf({ ...box, build: '' })).toThrow(expect.objectContaining({ code: 'build-none' }));
    expect(() => buildOf({ ...box, buildFolder: undefined })).toThrow(expect.objectContaining({ code: 'build-no-folder' }));
    await expect(runBuild({ command: 'true', folder: join(folder, 'gone') })).rejects.toMatchObject({ code: 'build-folder-missing' });
  });
});
