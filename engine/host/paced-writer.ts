import type { Writable } from 'node:stream';

/** Writes to a stream at the pace of who reads it: a promise asks the sender to wait, and settles also when the reader is gone. */
export function pacedWriter(stream: Writable): (data: Uint8Array | string) => Promise<void> | undefined {
  let stalled: Promise<void> | undefined;
  // Each thread of ours has listeners on stdout and stderr already: with ours they are many, and no leak.
  stream.setMaxListeners(0);
  return (data) => {
    if (stream.destroyed || stream.write(data)) return undefined;
    // Several of those who write may wait for one reader.
    stalled ??= new Promise((resolve) => {
      const settle = (): void => {
        stream.off('drain', settle).off('close', settle).off('error', settle);
        stalled = undefined;
        resolve();
      };
      stream.once('drain', settle).once('close', settle).once('error', settle);
    });
    return stalled;
  };
}
