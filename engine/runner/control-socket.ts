import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, realpath, writeFile } from 'node:fs/promises';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { reasonCode } from '../errors/system-error';
import { VmError } from '../errors/vm-error';
import { listenAt } from '../host/listen-address';
import { makeFile } from '../host/new-file';
import { hostFiles } from '../host/patient-files';
import { privateSocketPath } from '../host/private-socket';
import { type ControlClient, LineClient } from './control-client';
import { type ControlFile, controlFile, readControlFile } from './control-file';
import { type Controlled, type ServedClient, serveControl } from './control-server';
import { Library } from './library';
import { FRAME_LIMITS, SocketLine } from './socket-line';
import type { Line } from './transport';

const helloSchema = z.strictObject({ token: z.string().max(256) });

/** How long a new connection may take to send its token, in milliseconds, and how many may be open at once. */
const HELLO_MS = 5000;
const MOST_CONNECTIONS = 64;
/** How long a box may take to say how it is, in milliseconds, before it counts as one that does not answer. */
const ANSWER_MS = 5000;
/** How often, every how many milliseconds, a box that is just starting or ending is looked for. */
const LOOKS = 20;
const LOOK_MS = 50;

export interface ControlSocket {
  /** No new clients: the box has ended. Those that are there hear of it by themselves. */
  close(): Promise<void>;
  /** Resolves when the last client has gone. */
  allGone(): Promise<void>;
}

/**
 * Listen for clients of a box. Only the holder of the box's lock may do so: whatever else claims to listen there is left over and replaced.
 * Throws VmError 'Resource' if the host has no socket for it.
 */
export async function listenControl(box: Controlled, dataDirectory: string, folder: string): Promise<ControlSocket> {
  const token = randomBytes(32).toString('hex');
  const path = controlFile(folder);
  const clients = new Set<ServedClient>();
  const server = createServer((socket) => {
    greet(socket, token, (line) => {
      const client = serveControl(box, line);
      clients.add(client);
      void client.closed.then(() => clients.delete(client));
    });
  });
  server.maxConnections = MOST_CONNECTIONS;
  let address: string;
  try {
    address = await socketAddress(dataDirectory, folder);
    await listen(server, address);
    const content = JSON.stringify({ pid: process.pid, address, token } satisfies ControlFile);
    await makeFile(
      path,
      async (temporary) => {
        await chmod(temporary, 0o600);
        await writeFile(temporary, content);
      },
      { replace: true },
    );
  } catch (cause) {
    server.close();
    throw new VmError(
      'Resource',
      `The box cannot be controlled from other programs, for no socket could be made: ${(cause as Error).message}. It runs all the same.`,
      { cause, code: 'no-control-socket', params: { reason: reasonCode(cause) } },
    );
  }
  return {
    close: async () => {
      // Removes a Unix socket's file too.
      server.close();
      if ((await readControlFile(folder))?.token === token) await hostFiles.remove(path).catch(() => undefined);
    },
    allGone: async () => {
      await Promise.all([...clients].map((client) => client.closed));
    },
  };
}

/** Wait for the token; without it there is no answer. */
function greet(socket: Socket, token: string, welcome: (line: Line) => void): void {
  const line = new SocketLine(socket, FRAME_LIMITS.fromClient);
  const timer = setTimeout(() => socket.destroy(), HELLO_MS);
  line.listen({
    message: (message) => {
      clearTimeout(timer);
      const hello = helloSchema.safeParse(message);
      if (hello.success && isSame(hello.data.token, token)) welcome(line);
      else socket.destroy();
    },
    close: () => clearTimeout(timer),
  });
}

function isSame(given: string, token: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(token));
}

async function listen(server: Server, path: string): Promise<void> {
  if (process.platform !== 'win32') await hostFiles.remove(path);
  await listenAt(server, { path });
}

/** Where a box listens: in a folder that only its user may enter. */
async function socketAddress(dataDirectory: string, folder: string): Promise<string> {
  const hash = createHash('sha256')
    .update(await realpath(folder))
    .digest('hex')
    .slice(0, 16);
  // A pipe of a known name could be made by somebody else before.
  if (process.platform === 'win32') return `\\\\.\\pipe\\hartbox-${hash}-${randomBytes(8).toString('hex')}`;
  return privateSocketPath(dataDirectory, hash);
}

/**
 * A client of the box if it runs, whoever runs it, with its status known; undefined if it is off. Throws VmError 'State': code
 * `box-unresponsive` (with the `pid` in its params) if its process does not answer, `box-not-controllable` if it runs but listens nowhere.
 */
export async function findRunning(dataDirectory: string, id: string): Promise<ControlClient | undefined> {
  const library = new Library(dataDirectory);
  const folder = library.folder(id);
  for (let looks = 0; looks < LOOKS; looks++) {
    // What the lock says holds, whatever files are left of those who died.
    if (!(await library.isRunning(id))) return undefined;
    const file = await readControlFile(folder);
    const client = file && (await connectTo(file));
    if (client) return client;
    await delay(LOOK_MS);
  }
  if (!(await library.isRunning(id))) return undefined;
  throw new VmError(
    'State',
    `The box ${id} is being run by a process that cannot be controlled: by an earlier version of Hartbox, or on another computer. Stop it there.`,
    { code: 'box-not-controllable', params: { box: id } },
  );
}

/** Undefined where nobody listens, or not to us. */
async function connectTo({ address, token, pid }: ControlFile): Promise<ControlClient | undefined> {
  const socket = await new Promise<Socket | undefined>((resolve) => {
    const attempt = connect(address);
    attempt.once('connect', () => resolve(attempt));
    attempt.on('error', () => resolve(undefined));
  });
  if (!socket) return undefined;
  const line = new SocketLine(socket, FRAME_LIMITS.fromServer);
  line.send({ token });
  const client = new LineClient(line);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const message = `The process ${pid} that runs the box does not answer. Wait, or end it by force.`;
      reject(new VmError('State', message, { code: 'box-unresponsive', params: { pid } }));
      client.close();
    }, ANSWER_MS);
    client.on('status', () => {
      clearTimeout(timer);
      resolve(client);
    });
    client.on('closed', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}
