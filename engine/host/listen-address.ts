import type { Server } from 'node:net';

/** Where a server can be found. */
export type ListenAddress = { host: string; port: number } | { path: string };

const LOOPBACK = '127.0.0.1';
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

/** Let a server listen there; resolves with where it does. Rejects as Node's `listen` fails. */
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
  const bound = server.address();
  return typeof bound === 'object' && bound && 'host' in address ? { host: address.host, port: bound.port } : address;
}
