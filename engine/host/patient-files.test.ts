import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PatientFiles, hostFiles } from './patient-files';

const refusal = (code: string): NodeJS.ErrnoException => Object.assign(new Error(`${code}: refused`), { code });

/** A host that refuses so many times. */
function host(refusals: number, code: string) {
  const seen = { tries: 0, waited: 0 };
  const act = async (): Promise<void> => {
    seen.tries++;
    if (seen.tries <= refusals) throw refusal(code);
  };
  const delay = async (milliseconds: number): Promise<void> => {
    seen.waited += milliseconds;
  };
  return { seen, calls: { rename: act, rm: act as never, rmdir: act as never, delay } };
}

describe('a rename or deletion', () => {
  it.each(['EPERM', 'EACCES', 'EBUSY'])('is tried again on Windows while a scanner has the file (%s)', async (code) => {
    const { seen, calls } = host(3, code);
    const windows = new PatientFiles('win32', calls);
    await windows.rename('a', 'b');
    expect(seen.tries).toBe(4);
    for (const remove of ['remove', 'removeFolder', 'removeEmptyFolder'] as const) {
      seen.tries = 0;
      await windows[remove]('a');
      expect(seen.tries).toBe(4);
    }
  });

  it('is given up after some two seconds, with the host’s own error', async () => {
    const { seen, calls } = host(1000, 'EBUSY');
    await expect(new PatientFiles('win32', calls).rename('a', 'b')).rejects.toMatchObject({ code: 'EBUSY' });
    expect(seen.waited).toBeGreaterThan(1500);
    expect(seen.waited).toBeLessThan(3000);
  });

  it('fails at once where waiting does not help', async () => {
    const missing = host(1, 'ENOENT');
    await expect(new PatientFiles('win32', missing.calls).rename('a', 'b')).rejects.toMatchObject({ code: 'ENOENT' });
    const linux = host(1, 'EACCES');
    await expect(new PatientFiles('linux', linux.calls).remove('a')).rejects.toMatchObject({ code: 'EACCES' });
    expect([missing.seen.tries, linux.seen.tries]).toEqual([1, 1]);
  });
});

describe('the files of this host', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hartbox-patient-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('are renamed over others, and deleted whether they are there or not', async () => {
    await writeFile(join(folder, 'a'), 'a');
    await writeFile(join(folder, 'b'), 'b');
    await hostFiles.rename(join(folder, 'a'), join(folder, 'b'));
    expect(await readdir(folder)).toEqual(['b']);
    await mkdir(join(folder, 'c', 'd'), { recursive: true });
    await expect(hostFiles.remove(join(folder, 'c'))).rejects.toThrow();
    await hostFiles.removeFolder(join(folder, 'c'));
    for (const name of ['b', 'nothing']) await hostFiles.remove(join(folder, name));
    expect(await readdir(folder)).toEqual([]);
  });
});
