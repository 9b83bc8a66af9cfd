import { VmError } from '../../errors/vm-error';

/** Where a debugger finds the machine. */
export type GdbAddress = { host: string; port: number } | { path: string };

const LOOPBACK = '127.0.0.1';
const DEFAULT_PORT = 1234;
const PORT_MOST = 65535;

/**
 * `1234`, `:1234`, `127.0.0.1:1234`, `[::1]:1234`, `unix:PATH`; as QEMU writes them too, `tcp::1234` and `tcp:HOST:1234`. Where no host is
 * said it is this computer alone; empty is 127.0.0.1:1234; port 0 is a free one. Throws VmError 'Config'.
 */
export function parseGdbAddress(text: string): GdbAddress {
  if (text === '') return { host: LOOPBACK, port: DEFAULT_PORT };
  const [, path] = /^unix:(.+)$/.exec(text) ?? [];
  if (path !== undefined) return { path: path.replace(/,server(=on)?|,(nowait|wait=off)/g, '') };
  const [, bracketed, plain = '', portText] =
    /^(?:tcp:)?(?:(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):)?([0-9]{1,5})(?:,server(?:=on)?|,nowait|,wait=off)*$/i.exec(text) ?? [];
  const port = Number(portText);
  if (portText === undefined || port > PORT_MOST)
    throw VmError.config(
      `A debugger cannot be listened for at "${text}". Give a port, HOST:PORT or unix:PATH, such as 127.0.0.1:${DEFAULT_PORT}.`,
      { code: 'gdb-address', params: { address: text } },
    );
  return { host: bracketed ?? (plain === '' ? LOOPBACK : plain), port };
}

/** As GDB takes it behind `target remote`. */
export function formatGdbAddress(address: GdbAddress): string {
  if ('path' in address) return address.path;
  const { host, port } = address;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
