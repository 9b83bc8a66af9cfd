import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { type Server, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VmError } from '../errors/vm-error';
import { exists, openFile, readAll, readInput, readText, readTextSync, typeAt } from './open-file';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-open-'));
const pipe = join(folder, 'pipe');
const socket = join(folder, 'socket');
const text = join(folder, 'text');
let server: Server;
beforeAll(async () => {
  writeFileSync(text, 'abc');
  if (process.platform === 'win32') return;
  execFileSync('mkfifo', [pipe]);
  server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
});
afterAll(() => {
  server?.close();
  rmSync(folder, { recursive: true });
});

const everywhere: [path: string, type: string][] = [[folder, 'folder']];
const onUnix: typeof everywhere = [
  ...everywhere,
  [pipe, 'pipe'],
  [socket, 'socket'],
  ['/dev/null', 'character device'],
  ['/dev/zero', 'character device'],
  ['/dev/stdin', 'pipe|socket|character device'],
];

describe('openFile', () => {
  it.each(process.platform === 'win32' ? everywhere : onUnix)(
    'refuses %s, a %s, at once and whatever it is opened for',
    async (path, type) => {
      for (const access of [constants.O_RDONLY, constants.O_RDWR]) {
        const error: unknown = await openFile(path, access).catch((caught: unknown) => caught);
        if (path === '/dev/stdin' && !(error instanceof VmError)) continue;
        expect(error).toMatchObject({ kind: 'Image', code: 'not-a-file', params: { path, type: expect.stringMatching(`^(${type})$`) } });
      }
    },
  );

  it.runIf(process.platform !== 'win32')('follows links, also to what is no file', async () => {
    symlinkSync(pipe, join(folder, 'to-pipe'));
    symlinkSync(text, join(folder, 'to-text'));
    await expect(openFile(join(folder, 'to-pipe'))).rejects.toMatchObject({ params: { type: 'pipe' } });
    await (await openFile(join(folder, 'to-text'))).close();
  });

  it('throws the error of whoever asked', async () => {
    const error = new VmError('Image', 'x');
    await expect(openFile(folder, constants.O_RDONLY, () => error)).rejects.toBe(error);
  });

  it('makes nothing', async () => {
    await expect(openFile(join(folder, 'new'), constants.O_RDWR)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(existsSync(join(folder, 'new'))).toBe(false);
  });
});

describe('typeAt', () => {
  it.each([
    ['\\\\.\\pipe\\x', 'pipe'],
    ['//./PIPE/x', 'pipe'],
    ['\\\\?\\pipe\\x', 'pipe'],
    ['\\\\server\\pipe\\x', 'pipe'],
    ['\\\\.\\PhysicalDrive0', 'character device'],
    ['CON', 'character device'],
    ['C:\\boxes\\nul', 'character device'],
    ['C:/boxes/com1.img', 'character device'],
  ])('knows %s of Windows by its name: a %s', async (path, type) => {
    expect(await typeAt(path, 'win32')).toBe(type);
  });

  it('takes no file of Windows for a device', async () => {
    expect(await typeAt(text, 'win32')).toBe('file');
    await expect(typeAt('C:\\boxes\\pipe\\none', 'win32')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('readAll', () => {
  const read = async (path: string, limit: number, signal?: AbortSignal): Promise<string | undefined> => {
    const file = await openFile(path);
    try {
      return (await readAll(file, limit, signal))?.toString('latin1');
    } finally {
      await file.close();
    }
  };

  it('reads up to its limit, and nothing longer', async () => {
    expect(await read(text, 3)).toBe('abc');
    expect(await read(text, 2)).toBeUndefined();
    writeFileSync(join(folder, 'empty'), '');
    expect(await read(join(folder, 'empty'), 0)).toBe('');
  });

  it('reads pieces in their order', async () => {
    const long = Array.from({ length: 300_000 }, (_, i) => `${i} `).join('');
    writeFileSync(join(folder, 'long'), long);
    expect(await read(join(folder, 'long'), long.length)).toBe(long);
  });

  it.runIf(existsSync('/proc/self/status'))('reads what does not say how long it is, and bounds it', async () => {
    expect(await read('/proc/self/status', 1 << 20)).toMatch(/^Name:.*\n$/s);
    expect(await read('/proc/self/status', 10)).toBeUndefined();
  });

  it.runIf(existsSync('/proc/self/pagemap'))('ends what has no end', async () => {
    // It is read by entries of 8 bytes.
    expect(await read('/proc/self/pagemap', (3 << 20) - 1)).toBeUndefined();
  });

  it('ends when it is told', async () => {
    await expect(read(text, 3, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
  });
});

it('readText says what is too long to be the file', async () => {
  expect(await readText(text, 3)).toBe('abc');
  await expect(readText(text, 2)).rejects.toMatchObject({ code: 'file-too-large', params: { path: text, limitBytes: 2 } });
});

it('readTextSync reads files, and neither waits for a pipe nor reads a device without end', () => {
  expect(readTextSync(text)).toBe('abc');
  expect(() => readTextSync(text, 2)).toThrow(expect.objectContaining({ code: 'file-too-large' }));
  if (process.platform === 'win32') return;
  for (const [name, type] of [
    [pipe, 'pipe'],
    ['/dev/zero', 'character device'],
    [folder, 'folder'],
  ])
    expect(() => readTextSync(name)).toThrow(expect.objectContaining({ code: 'not-a-file', params: { path: name, type } }));
});

it.skipIf(process.platform === 'win32')('readInput reads a pipe to its end, as it comes, and up to its limit', async () => {
  // Open for both it keeps the pipe from an end before there is a writer.
  const writer = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const piece = Buffer.alloc(4096, 'x');
  let written = 0;
  const fill = (): boolean => {
    try {
      written += writeSync(writer, piece);
      return true;
    } catch {
      return false;
    }
  };
  while (fill());
  const whole = readInput(pipe);
  const full = written;
  // There is room again when it has been read.
  while (!fill()) await delay(10);
  closeSync(writer);
  expect(full).toBeGreaterThan(0);
  expect(await whole).toBe('x'.repeat(written));

  const other = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  writeSync(other, piece);
  await expect(readInput(pipe, 1000)).rejects.toMatchObject({ code: 'file-too-large' });
  closeSync(other);
  await expect(readInput('/dev/zero')).rejects.toMatchObject({ code: 'not-a-file' });
});

it('exists sees links to nowhere, and says where it cannot see', async () => {
  expect(await exists(text)).toBe(true);
  expect(await exists(join(folder, 'none'))).toBe(false);
  expect(await exists(join(text, 'below'))).toBe(false);
  await expect(exists(join(folder, 'x'.repeat(5000)))).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
  if (process.platform === 'win32') return;
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'));
  expect(await exists(join(folder, 'dangling'))).toBe(true);
});
