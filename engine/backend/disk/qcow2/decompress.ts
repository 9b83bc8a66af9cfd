import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { ZSTDDecoder } from 'zstddec';
import { keepAlive } from '../../../host/keep-alive';

const inflate = promisify(inflateRaw);

/**
 * One cluster out of `compressed`, which may have other bytes behind it. Throws if it is damaged, or holds more or less than
 * `clusterSize` bytes.
 */
export async function decompressCluster(compressed: Uint8Array, clusterSize: number, method: 'zlib' | 'zstd'): Promise<Uint8Array> {
  const cluster =
    method === 'zlib'
      ? await inflate(compressed, { maxOutputLength: clusterSize })
      : (await zstd()).decode(compressed.subarray(0, zstdFrameLength(compressed)), clusterSize);
  if (cluster.length !== clusterSize) throw new Error(`it holds ${cluster.length} bytes instead of ${clusterSize}`);
  return cluster;
}

let decoder: Promise<ZSTDDecoder> | undefined;

function zstd(): Promise<ZSTDDecoder> {
  decoder ??= (async () => {
    const made = new ZSTDDecoder();
    await keepAlive(made.init());
    return made;
  })();
  return decoder;
}

/** Bytes of the zstd frame at the start of `data` (RFC 8878 §3.1.1). The decoder takes what follows for another frame. */
function zstdFrameLength(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length < 9 || view.getUint32(0, true) !== 0xfd2fb528) throw new Error('it is no zstd frame');
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6];
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3];
  let at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
  for (let isLast = false; !isLast; ) {
    if (at + 3 > data.length) throw new Error('its zstd frame ends too early');
    const block = view.getUint8(at) + view.getUint8(at + 1) * 0x100 + view.getUint8(at + 2) * 0x1_0000;
    isLast = (block & 1) !== 0;
    // A block of one byte repeated is stored as that byte.
    at += 3 + (((block >> 1) & 3) === 1 ? 1 : block >> 3);
  }
  if (descriptor & 4) at += 4;
  if (at > data.length) throw new Error('its zstd frame ends too early');
  return at;
}
