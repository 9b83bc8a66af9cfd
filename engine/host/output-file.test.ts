import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { constants, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openOutput, OutputStream, requireOutput, writeOutput } from './output-file';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-output-'));
const pipe = join(folder, 'pipe');
const onUnix = process.platform !== 'win32';
beforeAll(() => {
  if (onUnix) execFileSync('mkfifo', [pipe]);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Somebody who has the pipe open, and reads when told. */
function reader(): Socket {
  // Open for both it sees no end before there is a writer.
  return new Socket({ fd: openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK), writable: false });
}

describe('a file for output', () => {
  it('is replaced, or written on', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'longer than that');
    await writeOutput(path, 'one');
    await writeOutput(path, ', two', { append: true });
    expect(readFileSync(path, 'utf8')).toBe('one, two');
  });

  it('is no folder, and nothing that the host refuses', async () => {
    await expect(openOutput(folder)).rejects.toMatchObject({ kind: 'Resource', code: 'no-output', params: { type: 'folder' } });
    await expect(openOutput(join(folder, 'none', 'x'), {}, 'The log could not be written')).rejects.toMatchObject({
      kind: 'Resource',
      code: 'folder-missing',
      message: expect.stringMatching(/could not be made: the folder .*none does not exist/),
    });
  });

  it('is told before it is written that it could not be', async () => {
    const path = join(folder, 'later');
    await requireOutput(path);
    expect(existsSync(path)).toBe(false);
    for (const one of [folder, ...(onUnix ? [pipe] : [])]) await expect(requireOutput(one)).rejects.toMatchObject({ code: 'no-output' });
    await expect(requireOutput(join(folder, 'none', 'x'))).rejects.toMatchObject({ code: 'folder-missing' });
    writeFileSync(path, '');
    await requireOutput(path);
    await expect(requireOutput(join(path, 'x'))).rejects.toMatchObject({ code: 'output-refused', params: { reason: 'ENOTDIR' } });
  });

  it.runIf(existsSync('/dev/full'))('may be a device', async () => {
    await writeOutput('/dev/null', 'x');
    await expect(writeOutput('/dev/full', 'x')).rejects.toMatchObject({ code: 'ENOSPC' });
  });

  it.runIf(onUnix)('may be a pipe, but only one that somebody reads', async () => {
    await expect(openOutput(pipe)).rejects.toMatchObject({ kind: 'Resource', code: 'output-unread' });
    const socket = reader();
    const text = 'x'.repeat(1 << 20);
    const written = writeOutput(pipe, text);
    let bytes = 0;
    socket.on('data', (data) => {
      bytes += data.length;
    });
    await written;
    while (bytes < text.length) await once(socket, 'data');
    socket.destroy();
    expect(bytes).toBe(text.length);
  });

  it.runIf(onUnix)('keeps no process from ending', { timeout: 60_000 }, async () => {
    await build({
      configFile: false,
      logLevel: 'error',
      build: {
        ssr: fileURLToPath(new URL('./output-file.ts', import.meta.url)),
        outDir: folder,
        emptyOutDir: false,
        minify: false,
        rollupOptions: { output: { entryFileNames: 'output-file.mjs' } },
      },
      ssr: { noExternal: true },
    });
    // First nobody has the pipe open, then somebody who does not read.
    const script = `
      import { constants, openSync } from 'node:fs';
      import { openOutput, OutputStream } from './output-file.mjs';
      const [pipe] = process.argv.slice(1);
      await openOutput(pipe).catch(() => undefined);
      openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
      new OutputStream(await openOutput(pipe)).write('x'.repeat(1 << 20));
      setTimeout(() => process.exit(7), 200);`;
    const { status, signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', script, pipe], {
      cwd: folder,
      timeout: 20_000,
    });
    expect([status, signal]).toEqual([7, null]);
  });
});

describe('a stream into such a file', () => {
  it('has all that was written when it is finished, however it came', async () => {
    const path = join(folder, 'stream');
    const stream = new OutputStream(await openOutput(path));
    let expected = '';
    for (let i = 0; i < 1000; i++) {
      stream.write(`${i}\n`);
      expected += `${i}\n`;
    }
    await stream.finish();
    await stream.finish();
    expect(readFileSync(path, 'utf8')).toBe(expected);
  });

  it.runIf(onUnix)('goes on as long as somebody reads, however slowly, and is given up where nobody does', async () => {
    const socket = reader();
    const stream = new OutputStream(await openOutput(pipe));
    const size = 300_000;
    stream.write(Buffer.alloc(size));
    const finished = stream.finish();
    let bytes = 0;
    socket.on('data', (data) => {
      bytes += data.length;
      socket.pause();
      setTimeout(() => socket.resume(), 300);
    });
    await finished;
    while (bytes < size) await once(socket, 'data');
    socket.pause();

    const stuck = new OutputStream(await openOutput(pipe));
    stuck.on('error', () => undefined);
    stuck.write(Buffer.alloc(size));
    const begun = performance.now();
    await stuck.finish();
    expect(performance.now() - begun).toBeLessThan(20_000);
    expect(stuck.destroyed).toBe(true);
    socket.destroy();
  });
});
