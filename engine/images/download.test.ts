import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cutAfter, type Fault, type FileServer, fallSilent, startFileServer, trickle } from '../../test/support/file-server';
import { type Download, download, downloadText, onDisk } from './download';

/** As on Windows: a file that is opened for appending cannot be truncated. */
vi.mock(import('node:fs/promises'), async (importOriginal) => {
  const original = await importOriginal();
  const open: typeof original.open = async (path, flags, mode) => {
    const handle = await original.open(path, flags, mode);
    const appends = typeof flags === 'number' ? (flags & constants.O_APPEND) !== 0 : /a/.test(flags ?? '');
    if (appends) handle.truncate = () => Promise.reject(Object.assign(new Error('EPERM: ftruncate'), { code: 'EPERM' }));
    return handle;
  };
  return { ...original, open };
});

const data = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) & 0xff));
const patience = { idle: 300, floor: 0, tries: 3, pause: 5 };
let server: FileServer;
let directory = '';
let request: Download;

beforeEach(async () => {
  server = await startFileServer();
  server.files.set('/pool/x.deb', data);
  directory = await mkdtemp(join(tmpdir(), 'hartbox-download-'));
  request = {
    url: `${server.url}/pool/x.deb`,
    file: join(directory, 'cache', 'x.deb'),
    size: data.length,
    sha256: createHash('sha256').update(data).digest('hex'),
    patience,
  };
});
afterEach(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

const fetched = async (): Promise<boolean> => (await readFile(request.file)).equals(data);

describe('a download', () => {
  it('arrives whole, tells how far it is, and leaves no part behind', async () => {
    const seen: number[] = [];
    await download({ ...request, onProgress: (received) => seen.push(received) });
    expect(await fetched()).toBe(true);
    expect(seen.at(-1)).toBe(data.length);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    await expect(stat(`${request.file}.part`)).rejects.toThrow();
  });

  it('is not repeated when the file is there', async () => {
    await download(request);
    await download(request);
    expect(server.requests.length).toBe(1);
  });

  it('replaces a file with other contents', async () => {
    await download(request);
    await writeFile(request.file, Buffer.alloc(data.length));
    await download(request);
    expect(await fetched()).toBe(true);
  });

  it('goes on where the connection was cut', async () => {
    server.faults.push(cutAfter(data, 100_000));
    await download(request);
    expect(await fetched()).toBe(true);
    expect(server.requests).toEqual(['/pool/x.deb', expect.stringMatching(/^\/pool\/x.deb bytes=[1-9]\d{3,5}-$/)]);
  });

  it('goes on where an earlier run of the program stopped', async () => {
    server.faults.push(cutAfter(data, 5000));
    await expect(download({ ...request, patience: { ...patience, tries: 1 } })).rejects.toMatchObject({ kind: 'Network' });
    await download(request);
    expect(server.requests.at(-1)).toBe('/pool/x.deb bytes=5000-');
    expect(await fetched()).toBe(true);
  });

  it('begins anew where the server sends the whole file instead of a range', async () => {
    server.faults.push(cutAfter(data, 5000), (_request, response) => response.writeHead(200, { 'content-length': data.length }).end(data));
    await download(request);
    expect(await fetched()).toBe(true);
  });

  it('throws away a part that does not fit the file, and begins anew', async () => {
    await download(request);
    await rm(request.file);
    await writeFile(`${request.file}.part`, Buffer.alloc(1000, 0x55));
    await download(request);
    expect(await fetched()).toBe(true);
    await rm(request.file);
    await writeFile(`${request.file}.part`, Buffer.alloc(data.length + 10));
    await download(request);
    expect(await fetched()).toBe(true);
  });

  it('refuses contents that are not those of the signed index, and keeps nothing of them', async () => {
    server.files.set('/pool/x.deb', Buffer.alloc(data.length, 1));
    await expect(download(request)).rejects.toThrow(/is not the file that the list of checksums names/);
    await expect(stat(request.file)).rejects.toThrow();
    await expect(stat(`${request.file}.part`)).rejects.toThrow();
    server.files.set('/pool/x.deb', Buffer.concat([data, data]));
    await expect(download(request)).rejects.toThrow(/is longer than the 300000 bytes/);
    server.files.set('/pool/x.deb', data.subarray(0, 1000));
    await expect(download(request)).rejects.toMatchObject({ kind: 'Network' });
  });

  it('gives up a connection on which nothing arrives', async () => {
    server.faults.push(fallSilent(data), fallSilent(data), fallSilent(data));
    await expect(download(request)).rejects.toThrow(/nothing received for 0.3 s/);
    expect(server.requests.length).toBe(3);
  });

  it('gives up a connection that trickles, and goes on from there with the next', async () => {
    server.faults.push(trickle(data, 20));
    await download({ ...request, patience: { ...patience, floor: 1000 } });
    expect(await fetched()).toBe(true);
    expect(server.requests.length).toBe(2);
    expect(Number(/bytes=(\d+)-/.exec(server.requests[1])?.[1])).toBeGreaterThan(1);
  });

  it('says that a server is too slow when it stays so', async () => {
    server.faults.push(...Array.from({ length: 3 }, () => trickle(data, 20)));
    await expect(download({ ...request, patience: { ...patience, floor: 1000 } })).rejects.toThrow(
      /is too slow: \d+ bytes in 0.3 s, at least 1000 a second/,
    );
    expect(server.requests.length).toBe(3);
  });

  it('gives up a head that does not end, and refuses one that is huge', async () => {
    const endless: Fault = (_request, { socket }) => {
      socket?.write('HTTP/1.1 200 OK\r\n');
      const timer = setInterval(() => socket?.write('x: y\r\n'), 20);
      socket?.on('close', () => clearInterval(timer)).on('error', () => undefined);
    };
    const huge: Fault = (_request, { socket }) => {
      socket?.on('error', () => undefined).write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1 << 20)}\r\n\r\n`);
    };
    server.faults.push(endless, endless, endless);
    await expect(download(request)).rejects.toThrow(/nothing received for 0.3 s/);
    server.faults.push(huge, huge, huge);
    await expect(download(request)).rejects.toThrow(/cannot be fetched: .*Headers Overflow/i);
  });

  it('follows redirections for a while, not for ever, and to nothing but servers', async () => {
    const to =
      (location: string): Fault =>
      (_request, response) =>
        response.writeHead(302, { location }).end();
    server.faults.push(to('/pool/x.deb'));
    await download(request);
    expect(await fetched()).toBe(true);
    await rm(request.file);
    server.requests.length = 0;
    server.faults.push(...Array.from({ length: 1000 }, () => to('/pool/x.deb')));
    await expect(download({ ...request, patience: { ...patience, tries: 1 } })).rejects.toThrow(
      /cannot be fetched: redirect count exceeded/,
    );
    expect(server.requests.length).toBeLessThan(30);
    for (const location of ['file:///etc/passwd', 'data:text/plain,no']) {
      server.faults.splice(0, Infinity, to(location));
      await expect(download({ ...request, patience: { ...patience, tries: 1 } })).rejects.toMatchObject({ kind: 'Network' });
    }
  });

  it('does not unpack what was sent packed, however often', async () => {
    const bomb = gzipSync(Buffer.alloc(100 << 20));
    const packed: Fault = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    server.faults.push(packed, packed, packed);
    await expect(download(request)).rejects.toThrow(/the server packed the file \(gzip\)/);
  });

  it.each([
    ['less', 299_000],
    ['more', 301_000],
  ])('fails when %s comes than the server said, and the next try brings it', async (_, length) => {
    server.faults.push((_request, { socket }) => {
      socket?.write(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`);
      socket?.end(data);
    });
    await download(request);
    expect(await fetched()).toBe(true);
  });

  it('tries again after a server’s error, but not when the file is refused', async () => {
    server.faults.push((_request, response) => response.writeHead(503).end());
    await download(request);
    expect(await fetched()).toBe(true);
    server.requests.length = 0;
    await expect(download({ ...request, url: `${server.url}/nowhere`, file: join(directory, 'y') })).rejects.toThrow(/was refused: 404/);
    expect(server.requests.length).toBe(1);
  });

  it('says that nobody answers', async () => {
    await server.close();
    await expect(download(request)).rejects.toThrow(/cannot be fetched: .*ECONNREFUSED/);
  });

  it('stops when it is aborted, and can go on later', async () => {
    const controller = new AbortController();
    server.faults.push(fallSilent(data));
    const running = download({ ...request, signal: controller.signal, onProgress: () => controller.abort(new Error('enough')) });
    await expect(running).rejects.toThrow('enough');
    await download(request);
    expect(await fetched()).toBe(true);
  });

  it('says that the folder cannot be written', async () => {
    await writeFile(join(directory, 'cache'), 'a file where the folder should be');
    await expect(download(request)).rejects.toMatchObject({ kind: 'Resource' });
  });

  it.each([
    ['ENOSPC', /the disk is full: .*Free some space/],
    ['EROFS', /cannot be written: .*Set HARTBOX_HOME/],
  ])('explains what the disk refuses (%s)', async (code, message) => {
    const refuse = (): Promise<never> => Promise.reject(Object.assign(new Error(`${code}: write`), { code }));
    await expect(onDisk(request.file, refuse)).rejects.toThrow(message);
  });

  it('sends a user name and password of the URL as such, and does not show them', async () => {
    let header = '';
    server.faults.push((incoming, response) => {
      header = incoming.headers.authorization ?? '';
      response.writeHead(403).end();
    });
    const url = request.url.replace('http://', 'http://me:s%C3%A9cret@');
    const error: unknown = await download({ ...request, url }).catch((reason: unknown) => reason);
    expect(Buffer.from(header.replace('Basic ', ''), 'base64').toString()).toBe('me:sécret');
    expect(String(error)).not.toContain('cret');
  });
});

describe('a small text', () => {
  it('is given up when it trickles', async () => {
    server.faults.push(...Array.from({ length: 3 }, () => trickle(data, 20)));
    await expect(downloadText(`${server.url}/InRelease`, 1000, { patience: { ...patience, floor: 1000 } })).rejects.toThrow(/is too slow/);
  });

  it('is fetched, within its limit', async () => {
    server.files.set('/InRelease', Buffer.from('signed text'));
    expect(await downloadText(`${server.url}/InRelease`, 100, { patience })).toBe('signed text');
    await expect(downloadText(`${server.url}/InRelease`, 5, { patience })).rejects.toThrow(/larger than the 5 bytes/);
  });
});
