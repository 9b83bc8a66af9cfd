import type { Readable, Writable } from 'node:stream';
import type { ConsolePort } from '../index';

/** Whether an error of an output stream means that nobody reads it any more. Windows says EOF of a closed pipe, a lost terminal EIO. */
export function isReaderGone(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code !== undefined && ['EPIPE', 'EOF', 'EIO', 'ECONNRESET', 'ERR_STREAM_DESTROYED'].includes(code);
}

/**
 * A line typed at a Windows console, as the guest knows lines: without the carriage return. Undefined if it is the end of the input:
 * there a line that begins with Ctrl-Z says so, and Node passes it on like any other.
 */
function consoleLine(line: Uint8Array): Uint8Array | undefined {
  if (line[0] === 0x1a) return undefined;
  return line.filter((byte, index) => byte !== 0x0d || line[index + 1] !== 0x0a);
}

/**
 * Send what a stream of this process holds to a port, at the pace of the guest. `filter` sees every chunk first. `windowsConsole`: the
 * stream is one that is not raw. Returns a function that stops.
 */
export function readFrom(
  stream: Readable,
  port: Pick<ConsolePort, 'write' | 'onDrain'>,
  {
    filter = (data) => data,
    windowsConsole = false,
    onEnd,
  }: { filter?: (data: Uint8Array) => Uint8Array; windowsConsole?: boolean; onEnd?: () => void } = {},
): () => void {
  const onData = (chunk: Uint8Array): void => {
    const data = windowsConsole ? consoleLine(chunk) : chunk;
    if (data === undefined) {
      stop();
      end();
    } else if (!port.write(filter(data))) stream.pause();
  };
  const end = (): void => onEnd?.();
  const forgetDrain = port.onDrain(() => stream.resume());
  const stop = (): void => {
    stream.off('data', onData).off('end', end).off('error', end).pause();
    forgetDrain();
  };
  stream.on('data', onData).once('end', end).once('error', end);
  return stop;
}

/** All that was written has left this process, or nobody takes it any more. */
export async function flush(...streams: Writable[]): Promise<void> {
  await Promise.all(
    streams.map(
      (stream) =>
        new Promise<void>((resolve) => {
          if (stream.destroyed) resolve();
          else stream.write('', () => resolve());
        }),
    ),
  );
}
