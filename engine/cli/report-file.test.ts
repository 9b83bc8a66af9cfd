import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, constants, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ReportFile } from './report-file';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-report-'));
const pipe = join(folder, 'pipe');
const onUnix = process.platform !== 'win32';
beforeAll(() => {
  if (onUnix) execFileSync('mkfifo', [pipe]);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Why it could not be written; undefined if it was. */
async function write(path: string, text: string): Promise<string | undefined> {
  const file = await ReportFile.named('--profile', path);
  let why: string | undefined;
  file.write(text, (failure) => {
    why = failure;
  });
  await file.written;
  return why;
}

describe('ReportFile', () => {
  it('makes a file, or overwrites one', async () => {
    const path = join(folder, 'file');
    for (const text of ['long text', 'short']) {
      expect(await write(path, text)).toBeUndefined();
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
  });

  it('leaves what is there as it is until it is written', async () => {
    const path = join(folder, 'kept');
    writeFileSync(path, 'before');
    await ReportFile.named('--profile', path);
    expect(readFileSync(path, 'utf8')).toBe('before');
  });

  it('says before anything runs what cannot be written to', async () => {
    await expect(ReportFile.named('--profile', folder)).rejects.toThrow(/^--profile cannot write to .*: it is a folder/);
    await expect(ReportFile.named('--stats-json', join(folder, 'none', 'x'))).rejects.toThrow(/its folder does not exist/);
    const blocked = join(folder, 'file-as-folder');
    writeFileSync(blocked, '');
    await expect(ReportFile.named('--profile', join(blocked, 'x'))).rejects.toThrow(/ENOTDIR/);
    if (!onUnix || process.getuid?.() === 0) return;
    chmodSync(blocked, 0o444);
    await expect(ReportFile.named('--profile', blocked)).rejects.toThrow(/you may not/);
  });

  it.runIf(onUnix)('writes to a pipe as fast as it is read', async () => {
    const text = 'x'.repeat(1 << 20);
    // Open for both it sees no end before there is a writer.
    const reader = new Socket({ fd: openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK), writable: false });
    const written = write(pipe, text);
    let bytes = 0;
    reader.on('data', (data) => {
      bytes += data.length;
    });
    expect(await written).toBeUndefined();
    while (bytes < text.length) await once(reader, 'data');
    reader.destroy();
    expect(bytes).toBe(text.length);
  });

  it.runIf(onUnix)('does not wait for somebody to read a pipe', async () => {
    expect(await write(pipe, 'x')).toBe('nobody reads from it');
  });

  it.runIf(existsSync('/dev/full'))('says that a device is full, and writes to /dev/null', async () => {
    expect(await write('/dev/full', 'x')).toMatch(/the disk is full/);
    expect(await write('/dev/null', 'x')).toBeUndefined();
  });
});
