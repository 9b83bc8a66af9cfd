/** A request to the GPU device (virtio 1.3 §5.7.6.7): its header without flags, then le32 words. */
export function gpuRequest(type: number, ...words: number[]): Uint8Array {
  return fencedGpuRequest({ type }, ...words);
}

/** The same with flags, fence and context. */
export function fencedGpuRequest({ type = 0, flags = 0, fence = 0, context = 0, ring = 0 }, ...words: number[]): Uint8Array {
  const bytes = new Uint8Array(24 + 4 * words.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, flags, true);
  view.setUint32(8, fence % 2 ** 32, true);
  view.setUint32(12, Math.floor(fence / 2 ** 32), true);
  view.setUint32(16, context, true);
  view.setUint8(20, ring);
  for (const [i, word] of words.entries()) view.setUint32(24 + 4 * i, word, true);
  return bytes;
}
