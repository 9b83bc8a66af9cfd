import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeBox } from '../../test/support/fake-box';
import type { FileLock } from '../host/file-lock';
import { type ControlSocket, findRunning, listenControl } from './control-socket';
import { Library } from './library';

const ID = 'one';
const isWindows = process.platform === 'win32';
let home: string;
let library: Library;
let box: FakeBox;
let lock: FileLock | undefined;
let socket: ControlSocket | undefined;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hartbox-sock-'));
  library = new Library(home);
  mkdirSync(library.folder(ID), { recursive: true });
  box = new FakeBox();
});
afterEach(async () => {
  await socket?.close();
  await lock?.release();
  socket = lock = undefined;
  rmSync(home, { recursive: true, force: true });
});

const file = (): { pid: number; address: string; token: string } =>
  JSON.parse(readFileSync(join(library.folder(ID), 'control.json'), 'utf8'));

async function run(): Promise<void> {
  lock = await library.lock(ID, 'a test');
  socket = await listenControl(box, home, library.folder(ID));
}

/** What a stranger sends, and whether that was the end of it. */
function stranger(bytes: Uint8Array): Promise<{ heard: number }> {
  return new Promise((resolve) => {
    const raw: Socket = connect(file().address, () => raw.write(bytes));
    let heard = 0;
    raw.on('data', (data) => {
      heard += data.length;
    });
    raw.on('error', () => undefined);
    raw.on('close', () => resolve({ heard }));
  });
}

function frame(message: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt32LE(json.length);
  return Buffer.concat([head, json]);
}

describe('the control socket of a box', () => {
  it('is found by its own user while the box runs, and gone with it', async () => {
    expect(await findRunning(home, ID)).toBeUndefined();
    await run();
    const client = await findRunning(home, ID);
    expect(client?.status).toMatchObject({ state: 'running', program: 'a test' });
    await client?.call('pause', {});
    expect(box.asked).toEqual(['pause']);
    const closed = new Promise<void>((resolve) => client?.on('closed', resolve));
    await socket?.close();
    await lock?.release();
    box.emit('exit', { code: 0 });
    await closed;
    await socket?.allGone();
    expect(await findRunning(home, ID)).toBeUndefined();
    expect(() => file()).toThrow('ENOENT');
  });

  it.skipIf(isWindows)('can be entered by its user alone', async () => {
    await run();
    const mode = (path: string): number => statSync(path).mode & 0o777;
    expect(mode(join(library.folder(ID), 'control.json'))).toBe(0o600);
    expect(mode(file().address)).toBe(0o600);
    expect(mode(dirname(file().address))).toBe(0o700);
  });

  it.each([
    ['a wrong token', frame({ token: 'f'.repeat(64) })],
    ['a request without a token', frame({ id: 1, call: 'force-off', args: {} })],
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a giant frame', Buffer.from([0, 0, 0, 0x40, 0])],
  ])('answers nothing to %s, and goes on', async (_, bytes) => {
    await run();
    expect(await stranger(bytes)).toEqual({ heard: 0 });
    const client = await findRunning(home, ID);
    expect(await client?.call('resume', {})).toEqual({});
    expect(box.asked).toEqual(['resume']);
    client?.close();
  });

  it.skipIf(isWindows || process.getuid?.() !== 0)('is closed to other users, even where they know the way', async (context) => {
    const other = { uid: 65534, gid: 65534 };
    context.skip(spawnSync(process.execPath, ['--version'], other).error !== undefined, 'this Node lies where no other user may start it');
    // Above the folder of the box nothing shall be in their way.
    chmodSync(home, 0o755);
    await run();
    const { address } = file();
    const attempt = `
      const said = [];
      try { require('fs').readFileSync(process.argv[1]); said.push('read'); } catch (error) { said.push(error.code); }
      require('net').connect(process.argv[2], () => { said.push('connected'); end(); }).on('error', (error) => { said.push(error.code); end(); });
      const end = () => { console.log(said.join()); process.exit(); };`;
    const nobody = spawn(process.execPath, ['-e', attempt, join(library.folder(ID), 'control.json'), address], other);
    let said = '';
    nobody.stdout.on('data', (data: Buffer) => {
      said += data.toString();
    });
    await new Promise((resolve) => nobody.once('close', resolve));
    expect(said.trim()).toBe('EACCES,EACCES');
  });

  it('bears a flood of connections that say nothing, serves who is there, and who comes once they are gone', async () => {
    await run();
    const client = await findRunning(home, ID);
    const { address } = file();
    let refused = 0;
    const flood = Array.from({ length: 1000 }, () => {
      const silent = connect(address);
      silent.on('error', () => undefined);
      silent.on('close', () => refused++);
      silent.write(Uint8Array.of(200));
      return silent;
    });
    await vi.waitFor(() => expect(refused).toBeGreaterThan(900), { timeout: 4000 });
    expect(await client?.call('pause', {})).toEqual({});
    for (const silent of flood) silent.destroy();
    const next = await findRunning(home, ID);
    expect(await next?.call('resume', {})).toEqual({});
    next?.close();
    client?.close();
  });

  it('does not wait long for a token', async () => {
    await run();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const silent = stranger(new Uint8Array(0));
    const timer = setInterval(() => vi.advanceTimersByTime(1000), 10);
    expect(await silent).toEqual({ heard: 0 });
    clearInterval(timer);
    vi.useRealTimers();
  });

  it('recognises what a process left that died, and replaces it', async () => {
    await run();
    const left = readFileSync(join(library.folder(ID), 'control.json'));
    const { address } = file();
    await socket?.close();
    writeFileSync(join(library.folder(ID), 'control.json'), left);
    if (!isWindows) writeFileSync(address, '');
    await lock?.release();
    expect(await findRunning(home, ID)).toBeUndefined();
    await run();
    const client = await findRunning(home, ID);
    expect(client?.status?.state).toBe('running');
    client?.close();
  });

  it('says so where a box runs that cannot be controlled', async () => {
    lock = await library.lock(ID, 'an older Hartbox');
    await expect(findRunning(home, ID)).rejects.toMatchObject({ kind: 'State', code: 'box-not-controllable' });
  });

  it.skipIf(isWindows)('lies in a folder of the user where its own path would be too long', async () => {
    const long = join(home, 'x'.repeat(60), 'y'.repeat(60));
    library = new Library(long);
    mkdirSync(library.folder(ID), { recursive: true });
    lock = await library.lock(ID, 'a test');
    socket = await listenControl(box, long, library.folder(ID));
    const { address } = file();
    expect(address.length).toBeLessThan(104);
    expect(address.startsWith(tmpdir())).toBe(true);
    const client = await findRunning(long, ID);
    expect(client?.status?.state).toBe('running');
    client?.close();
    chmodSync(dirname(address), 0o755);
    try {
      await expect(listenControl(box, long, library.folder(ID))).rejects.toMatchObject({ kind: 'Resource', code: 'no-control-socket' });
    } finally {
      chmodSync(dirname(address), 0o700);
    }
  });

  it.skipIf(isWindows)('tells a process that is stopped from one that is gone (Windows stops no processes)', async () => {
    // Listens as a box does, takes the connection, and says nothing.
    const path = join(home, 'stopped.sock');
    const child = spawn(process.execPath, [
      '-e',
      `require('net').createServer(() => {}).listen(${JSON.stringify(path)}, () => console.log('up'))`,
    ]);
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve));
      child.kill('SIGSTOP');
      lock = await library.lock(ID, 'a test');
      const control = { pid: child.pid, address: path, token: 'f'.repeat(64) };
      writeFileSync(join(library.folder(ID), 'control.json'), JSON.stringify(control));
      await expect(findRunning(home, ID)).rejects.toMatchObject({ code: 'box-unresponsive', params: { pid: child.pid } });
    } finally {
      child.kill('SIGKILL');
    }
  });
});
