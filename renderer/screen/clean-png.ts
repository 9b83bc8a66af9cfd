/** Pixels of the largest picture that is taken apart: one that is made to be larger than it looks takes no more than this. */
const PIXELS_MAX = 1 << 25;

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** How large a PNG says that it is (PNG, third edition, §5.2 and §11.2.1); undefined where it is none. */
export function sizeOfPng(png: Uint8Array): { width: number; height: number } | undefined {
  if (png.length < 33 || SIGNATURE.some((byte, at) => png[at] !== byte)) return undefined;
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  return width > 0 && height > 0 ? { width, height } : undefined;
}

/**
 * A picture of a guest as this page makes it anew, where a file that is made to do harm does none; what gets it may trust it. Null where it is no
 * picture, or too large.
 */
export async function cleanPng(png: Uint8Array): Promise<Uint8Array | null> {
  const size = sizeOfPng(png);
  if (!size || size.width * size.height > PIXELS_MAX) return null;
  const bitmap = await createImageBitmap(new Blob([Uint8Array.from(png)], { type: 'image/png' })).catch(() => undefined);
  if (!bitmap) return null;
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext('2d')?.drawImage(bitmap, 0, 0);
  bitmap.close();
  const clean = await canvas.convertToBlob({ type: 'image/png' });
  return new Uint8Array(await clean.arrayBuffer());
}
