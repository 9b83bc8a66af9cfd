import type { Readable, Writable } from 'node:stream';
import type { ConsolePort, DataListener } from '../index';

/** A listener for a port's output that writes it to a stream of this process, at the pace of who reads that. */
export function writeTo(stream: Writable): DataListener {
  return (data) => {
    if (stream.destroyed || stream.write(data)) return undefined;
    return new Promise((resolve) => {
      const settle = (): void => {
        stream.off('drain', settle).off('close', settle).off('error', settle);
        resolve();
      };
      stream.once('drain', settle).once('close', settle).once('error', settle);
    });
  };
}

/**
 * Send what a stream of this process holds to a port, at the pace of the guest. `filter` sees every chunk first.
 * Returns a function that stops.
 */
export function readFrom(
  stream: Readable,
  port: ConsolePort,
  { filter = (data) => data, onEnd }: { filter?: (data: Uint8Array) => Uint8Array; onEnd?: () => void } = {},
): () => void {
  const onData = (chunk: Uint8Array): void => {
    if (!port.write(filter(chunk))) stream.pause();
  };
  const end = (): void => onEnd?.();
  const forgetDrain = port.onDrain(() => stream.resume());
  stream.on('data', onData).once('end', end).once('error', end);
  return () => {
    stream.off('data', onData).off('end', end).off('error', end).pause();
    forgetDrain();
  };
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
