/** The `length` bytes from `start` of what the buffers hold one behind the other, as views of them. */
export function sliceBuffers(buffers: readonly Uint8Array[], start: number, length: number): Uint8Array[] {
  const slice: Uint8Array[] = [];
  let skip = start;
  let left = length;
  for (const buffer of buffers) {
    if (left === 0) break;
    if (skip >= buffer.length) {
      skip -= buffer.length;
      continue;
    }
    const count = Math.min(buffer.length - skip, left);
    slice.push(skip === 0 && count === buffer.length ? buffer : buffer.subarray(skip, skip + count));
    left -= count;
    skip = 0;
  }
  return slice;
}

/** Bytes of all of them. */
export function lengthOf(buffers: readonly Uint8Array[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}
