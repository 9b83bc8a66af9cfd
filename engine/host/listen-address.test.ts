import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { listenFor } from './listen-address';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-listen-'));
afterAll(() => rmSync(folder, { recursive: true }));

const listen = (server: Server, path: string): Promise<string> =>
  listenFor(server, { path }, ({ reason, how }) => new Error(`${reason}: ${how}`));
const end = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

describe.skipIf(process.platform === 'win32')('a socket of the file system', () => {
  it('takes the place of one whose process was killed', async () => {
    const path = join(folder, 'dead');
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['--eval', script]);
    expect(existsSync(path)).toBe(true);
    const server = createServer();
    expect(await listen(server, path)).toBe(path);
    await end(server);
  });

  it('takes the place of none at which somebody listens, and of no file', async () => {
    const path = join(folder, 'alive');
    const first = createServer((socket) => socket.end());
    await listen(first, path);
    await expect(listen(createServer(), path)).rejects.toThrow('EADDRINUSE: something else listens there');
    await end(first);
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(listen(createServer(), file)).rejects.toThrow('EADDRINUSE: a file is there');
    await expect(listen(createServer(), folder)).rejects.toThrow('EADDRINUSE: a folder is there');
    expect(existsSync(file)).toBe(true);
  });
});
