import { chmod } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { reasonCode } from '../errors/system-error';
import { typeAt } from './open-file';
import { hostFiles } from './patient-files';

/** Where a server can be found. */
export type ListenAddress = { host: string; port: number } | { path: string };

export const LOOPBACK = '127.0.0.1';
const PORT_MOST = 65535;

/**
 * `1234`, `:1234`, `127.0.0.1:1234`, `[::1]:1234`, `unix:PATH`; as QEMU writes them too, `tcp::1234` and `tcp:HOST:1234`. Where no host is
 * said it is this computer alone; empty is `port` there; port 0 is a free one. Undefined for what is none of these.
 */
export function parseListenAddress(text: string, port: number): ListenAddress | undefined {
  if (text === '') return { host: LOOPBACK, port };
  const [, path] = /^unix:(.+)$/.exec(text) ?? [];
  if (path !== undefined) return { path: path.replace(/,server(=on)?|,(nowait|wait=off)/g, '') };
  const [, bracketed, plain = '', portText] =
    /^(?:tcp:)?(?:(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):)?([0-9]{1,5})(?:,server(?:=on)?|,nowait|,wait=off)*$/i.exec(text) ?? [];
  if (portText === undefined || Number(portText) > PORT_MOST) return undefined;
  return { host: bracketed ?? (plain === '' ? LOOPBACK : plain), port: Number(portText) };
}

/** As it is read above. */
export function formatListenAddress(address: ListenAddress): string {
  if ('path' in address) return address.path;
  const { host, port } = address;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Let a server listen there; resolves with where it does. A socket of the file system only its owner can open. Rejects as Node's `listen` fails. */
export async function listenAt(server: Server, address: ListenAddress): Promise<ListenAddress> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      server.off('error', reject);
      // A connection that cannot be taken is the one who connects' trouble.
      server.on('error', () => undefined);
      resolve();
    });
  });
  if ('path' in address && process.platform !== 'win32') await chmod(address.path, 0o600);
  const bound = server.address();
  return typeof bound === 'object' && bound && 'host' in address ? { host: address.host, port: bound.port } : address;
}

/** A process that was killed leaves its socket, at which nobody else could listen. */
async function removeDeadSocket(path: string): Promise<void> {
  if ((await typeAt(path).catch(() => undefined)) !== 'socket') return;
  const isDead = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
  if (isDead) await hostFiles.remove(path).catch(() => undefined);
}

/** Why it cannot be listened at an address, which is as people write it. */
interface ListenProblem {
  where: string;
  /** A code, such as EADDRINUSE, and words. */
  reason: string;
  how: string;
  cause: unknown;
}

/** The same for an address that a user names; resolves with it as people write it. Throws what `refuse` makes of a failure. */
export async function listenFor(server: Server, address: ListenAddress, refuse: (problem: ListenProblem) => Error): Promise<string> {
  try {
    if ('path' in address && process.platform !== 'win32') await removeDeadSocket(address.path);
    return formatListenAddress(await listenAt(server, address));
  } catch (cause) {
    const reason = reasonCode(cause);
    const type = reason === 'EADDRINUSE' && 'path' in address ? await typeAt(address.path).catch(() => undefined) : undefined;
    const how =
      type !== undefined && type !== 'socket'
        ? `a ${type} is there`
        : reason === 'EADDRINUSE'
          ? 'something else listens there, perhaps another box'
          : (cause as Error).message;
    throw refuse({ where: formatListenAddress(address), reason, how, cause });
  }
}
