import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asVmError, systemError } from './system-error';
import { VmError } from './vm-error';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hartbox-errors-'));
  await writeFile(join(folder, 'file'), '');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('systemError', () => {
  it.each([
    ['a missing file', 'ENOENT', () => readFile(join(folder, 'none'))],
    ['a file as a folder', 'ENOTDIR', () => readdir(join(folder, 'file'))],
    ['a file as a part of a path', 'ENOTDIR', () => open(join(folder, 'file', 'x'), 'w')],
    ['a folder as a file', 'EISDIR', () => readFile(folder)],
    ['a name that is too long', 'ENAMETOOLONG', () => open(join(folder, 'x'.repeat(5000)), 'w')],
  ])('says in plain words what the host refused: %s', async (_, code, work) => {
    const cause: unknown = await work().then(
      () => undefined,
      (error: unknown) => error,
    );
    const error = systemError(cause);
    expect(error).toMatchObject({ kind: 'Resource', code, cause });
    expect(error?.message).toMatch(/could not be \w+: .+ \([A-Z]+\)\. [A-Z].*\.$/);
  });

  it('takes memory that V8 cannot have for the limit that it is', () => {
    const cause: unknown = (() => {
      try {
        return new WebAssembly.Memory({ initial: 65536, maximum: 65536 }) && new ArrayBuffer(2 ** 50);
      } catch (error) {
        return error;
      }
    })();
    expect(systemError(cause)).toMatchObject({ kind: 'Resource', code: 'no-memory' });
    const thread = Object.assign(new Error('Worker terminated'), { code: 'ERR_WORKER_OUT_OF_MEMORY' });
    expect(systemError(thread)).toMatchObject({ kind: 'Resource', code: 'no-memory' });
  });

  it('says what could not be done where that is told, without names that are hidden', () => {
    const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'open', path: '/x/.new-0123/disk' });
    expect(systemError(full, 'The clone could not be made')?.message).toBe(
      'The clone could not be made: the disk is full (ENOSPC). Free some space.',
    );
  });

  it('says of a program and of a thread that they could not be started', async () => {
    const spawned = spawn(join(folder, 'file'));
    const [cause] = (await once(spawned, 'error')) as [Error];
    expect(systemError(cause)?.message).toMatch(/^\/.*file could not be started: you may not \(EACCES\)\. /);
    const limit = Object.assign(new Error('x'), { code: 'ERR_WORKER_INIT_FAILED' });
    expect(systemError(limit)?.message).toMatch(
      /^A thread could not be started: the system allows no further one \(ERR_WORKER_INIT_FAILED\)\. /,
    );
  });

  it('leaves errors of ours alone', () => {
    const known = VmError.config('x');
    expect(systemError(known)).toBe(known);
    for (const defect of [new TypeError('x'), new RangeError('Invalid array length'), 'text', undefined]) {
      expect(systemError(defect)).toBeUndefined();
      expect(asVmError(defect).kind).toBe('Internal');
    }
    expect(systemError(Object.assign(new Error('x'), { code: 'toString' }))).toBeUndefined();
    expect(systemError(Object.assign(new Error('x'), { code: 'EMFILE' }))?.message).toContain('ulimit -n');
  });
});
