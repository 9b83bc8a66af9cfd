import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { xPrograms } from '../../../test/support/x-programs';
import { encodePng } from '../../gpu/png';
import { GuestAgent } from './guest-agent';

/** Debian's own agent, on this computer, with a socket in place of the port. */
const folder = mkdtempSync(join(tmpdir(), 'hartbox-agent-'));
const { start, end } = await xPrograms();
afterAll(() => {
  end();
  rmSync(folder, { recursive: true, force: true });
});

async function outputOf(command: string, ...args: string[]): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of start(command, ...args).stdout ?? []) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** A program that has something in the clipboard. */
async function copy(target: string, data: Uint8Array): Promise<void> {
  const child = start('xclip', '-selection', 'clipboard', '-t', target);
  child.stdin?.end(data);
  await new Promise((resolve) => child.on('exit', resolve));
}

const paste = (target: string): Promise<Buffer> => outputOf('xclip', '-selection', 'clipboard', '-t', target, '-o');

/** They come by Debian's packages (resources/setup/system-packages.mjs), which other computers do without. */
const isMissing = ['spice-vdagentd', 'spice-vdagent', 'xclip', 'Xvfb'].some(
  (tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0,
);

describe.skipIf(isMissing)("Debian's spice-vdagent", { timeout: 120_000 }, () => {
  it('shares its clipboard, texts and pictures, both ways, and takes files', async () => {
    let socket: Socket | undefined;
    let opened: (isOpen: boolean) => void = () => undefined;
    let data: (bytes: Uint8Array) => void = () => undefined;
    const port = {
      get isOpen() {
        return socket !== undefined;
      },
      write: (bytes: Uint8Array) => socket?.write(bytes) ?? false,
      discard: () => undefined,
      onData: (listener: typeof data) => {
        data = listener;
      },
      onDrain: (listener: () => void) => setInterval(listener, 100).unref(),
      onOpenChange: (listener: typeof opened) => {
        opened = listener;
      },
    };
    const agent = new GuestAgent(port);
    const server = createServer((connection) => {
      socket = connection;
      opened(true);
      connection.on('data', (bytes) => data(Uint8Array.from(bytes)));
    });
    const [device, session] = [join(folder, 'port'), join(folder, 'session')];
    await new Promise<void>((resolve) => server.listen(device, resolve));
    start('spice-vdagentd', '-x', '-X', '-f', '-u', '/dev/null', '-s', device, '-S', session);
    await vi.waitUntil(() => existsSync(session), { timeout: 30_000 });
    const downloads = join(folder, 'downloads');
    mkdirSync(downloads);
    start('spice-vdagent', '-x', '-s', device, '-S', session, '-f', downloads, '-o', '0');
    await vi.waitUntil(() => agent.isThere, { timeout: 30_000 });

    const text = `Grüße aus der Box ${'x'.repeat(100_000)}`;
    await vi.waitFor(
      async () => {
        agent.offer({ text });
        expect((await paste('UTF8_STRING')).toString() === text).toBe(true);
      },
      { timeout: 60_000, interval: 500 },
    );
    const picture = await encodePng(
      300,
      200,
      Uint32Array.from({ length: 60_000 }, (_, i) => (0xff000000 | Math.imul(i, 2_654_435_761)) >>> 0),
    );
    agent.offer({ png: picture });
    await vi.waitFor(async () => expect((await paste('image/png')).equals(picture)).toBe(true), { timeout: 30_000, interval: 500 });

    const copies = agent.copies;
    await copy('UTF8_STRING', Buffer.from(text));
    await vi.waitUntil(() => agent.copies > copies, { timeout: 30_000 });
    expect((await agent.read()).text === text).toBe(true);
    const before = agent.copies;
    await copy('image/png', picture);
    await vi.waitUntil(() => agent.copies > before, { timeout: 30_000 });
    await vi.waitFor(async () => expect(Buffer.from((await agent.read()).png ?? []).equals(picture)).toBe(true), { timeout: 30_000 });

    // What a program finds that pastes when the keys for that come; and then what was there before.
    const found: Promise<string>[] = [];
    const primary = (): Promise<Buffer> => outputOf('xclip', '-selection', 'primary', '-t', 'UTF8_STRING', '-o');
    await copy('UTF8_STRING', Buffer.from('copied before'));
    await vi.waitUntil(async () => (await agent.read()).text === 'copied before', { timeout: 30_000, interval: 200 });
    for (const inserted of ['größer 字', '🙂']) {
      await agent.insert(inserted, () => found.push(...[paste('UTF8_STRING'), primary()].map(async (output) => (await output).toString())));
      expect(await Promise.all(found.splice(0))).toEqual([inserted, inserted]);
    }
    await vi.waitFor(async () => expect((await paste('UTF8_STRING')).toString()).toBe('copied before'), { timeout: 30_000, interval: 200 });
    expect((await primary()).toString()).toBe('');

    const file = join(folder, 'Größe [1] = 3.txt');
    const bytes = randomBytes(300_000);
    writeFileSync(file, bytes);
    await agent.sendFile(file);
    expect(readFileSync(join(downloads, 'Größe [1] = 3.txt')).equals(bytes)).toBe(true);
    writeFileSync(file, '');
    await agent.sendFile(file);
    expect(readdirSync(downloads)).toHaveLength(2);
    server.close();
    socket?.destroy();
  });
});
