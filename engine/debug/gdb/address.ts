import { VmError } from '../../errors/vm-error';
import { type ListenAddress, parseListenAddress } from '../../host/listen-address';

const DEFAULT_PORT = 1234;

/** Where a debugger finds the machine; see parseListenAddress(). Empty is 127.0.0.1:1234. Throws VmError 'Config'. */
export function parseGdbAddress(text: string): ListenAddress {
  const address = parseListenAddress(text, DEFAULT_PORT);
  if (address) return address;
  throw VmError.config(
    `A debugger cannot be listened for at "${text}". Give a port, HOST:PORT or unix:PATH, such as 127.0.0.1:${DEFAULT_PORT}.`,
    { code: 'gdb-address', params: { address: text } },
  );
}
