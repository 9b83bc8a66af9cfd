import { isAbsolute } from 'node:path';
import { VmError } from '../../errors/vm-error';

/** Where a socket is: on the network, or in the file system (on Windows a named pipe). */
export type SocketAddress = { host: string; port: number } | { path: string };

const UNIX = 'unix:';

/** `127.0.0.1:1234`, `[::1]:1234`, `:1234` for this computer, or `unix:/path`. Throws VmError 'Config'. */
export function parseSocketAddress(text: string): SocketAddress {
  if (text.startsWith(UNIX)) {
    const path = text.slice(UNIX.length);
    if (isAbsolute(path)) return { path };
  } else {
    const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
    const port = Number(digits);
    if (port >= 1 && port <= 65535) return { host: bracketed ?? (plain === '' ? '127.0.0.1' : plain), port };
  }
  throw VmError.config(`'${text}' is no address; expected HOST:PORT such as 127.0.0.1:1234, or unix: and the whole path of a socket.`, {
    code: 'socket-address-invalid',
    params: { address: text },
  });
}

export function formatSocketAddress(address: SocketAddress): string {
  if ('path' in address) return address.path;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
