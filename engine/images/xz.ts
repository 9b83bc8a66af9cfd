import xz from 'xz-decompress';
import { VmError } from '../errors/vm-error';
import { keepAlive } from '../host/keep-alive';

/**
 * The decompressed contents of an .xz stream, as it arrives; needs little memory beside the dictionary (8 MiB in Debian's
 * packages; the decoder refuses more than 64). One stream is decompressed at a time: a second one waits until the first has ended or been
 * closed. `limit`: bytes that it may unpack to. Throws VmError 'Image' if the stream is damaged, ends early or unpacks to more.
 */
export async function* decompressXz(compressed: AsyncIterable<Uint8Array>, what: string, limit: number): AsyncGenerator<Uint8Array> {
  const chunks = compressed[Symbol.asyncIterator]();
  let failure: Error | undefined;
  let left = limit;
  const input = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await chunks.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error));
        controller.error(error);
      }
    },
  });
  const reader = new xz.XzReadableStream(input).getReader();
  try {
    while (true) {
      const next = await keepAlive(reader.read());
      if (next.done) return;
      left -= next.value.length;
      if (left < 0) throw new VmError('Image', `${what} unpacks to more than the ${limit} bytes that were expected at most`);
      yield next.value;
    }
  } catch (error) {
    // What the source says is nearer to the cause than what the decoder makes of it.
    if (failure) throw failure;
    if (error instanceof VmError) throw error;
    throw new VmError('Image', `${what} cannot be decompressed: its xz stream is damaged or truncated`, { cause: error });
  } finally {
    await reader.cancel().catch(() => undefined);
    await chunks.return?.();
  }
}
