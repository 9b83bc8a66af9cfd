import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Scanout } from '../../gpu/scanout';
import { parseVncAddress, VncServer } from './server';

const local = (port: number): unknown => ({ host: '127.0.0.1', port });
const seat = { name: 'x', scanout: new Scanout({ width: 64, height: 64 }), hasKeyboard: true, hasTablet: true, input: () => undefined };

describe('where VNC is listened for', () => {
  it.each([
    ['', local(5900)],
    [':0', local(5900)],
    [':1', local(5901)],
    ['0', local(0)],
    ['5905', local(5905)],
    [':5905', local(5905)],
    ['0.0.0.0:2', { host: '0.0.0.0', port: 5902 }],
    ['[::1]:5910', { host: '::1', port: 5910 }],
    ['unix:/x', { path: '/x' }],
  ])('is said as %j', (text, address) => {
    expect(parseVncAddress(text)).toEqual(address);
  });

  it('is refused where it makes no sense, and where something else listens', async () => {
    expect(() => parseVncAddress('here')).toThrow('VNC cannot be listened for at "here"');
    const server = await VncServer.listen(seat, { host: '127.0.0.1', port: 0 });
    const port = Number(server.address.split(':')[1]);
    await expect(VncServer.listen(seat, { host: '127.0.0.1', port })).rejects.toMatchObject({ kind: 'Resource', code: 'vnc-listen' });
    server.close();
  });

  it.skipIf(process.platform === 'win32')('keeps other users out of a socket of the file system', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hartbox-vnc-'));
    const path = join(folder, 'vnc');
    const server = await VncServer.listen(seat, { path });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    server.close();
    await rm(folder, { recursive: true });
  });
});
