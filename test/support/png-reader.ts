import { inflateSync } from 'node:zlib';

/** Reads a PNG file as Hartbox writes them: one block of data, 8 bits a colour, no alpha, each row less the one above. */
export function readPng(file: Uint8Array): { width: number; height: number; pixels: Uint32Array } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const rows = inflateSync(file.subarray(41, 41 + view.getUint32(33)));
  const pixels = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const above = y === 0 ? 0 : pixels[(y - 1) * width + x];
      const at = y * (1 + 3 * width) + 1 + 3 * x;
      const colour = (shift: number): number => (((above >>> shift) + rows[at + shift / 8]) & 0xff) << shift;
      pixels[y * width + x] = (colour(0) | colour(8) | colour(16) | 0xff000000) >>> 0;
    }
  }
  return { width, height, pixels };
}
