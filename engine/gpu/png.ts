import { promisify } from 'node:util';
import { crc32, deflate } from 'node:zlib';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Colours of 8 bits without alpha (PNG 1.2 §4.1.1). */
const HEADER_REST = [8, 2, 0, 0, 0];
/** Each byte less the one above (§6.4): screens are much the same from row to row. */
const FILTER_UP = 2;

/** A PNG file of opaque pixels, RGBA words row by row as Scanout.read() gives them. */
export async function encodePng(width: number, height: number, pixels: Uint32Array): Promise<Uint8Array> {
  const rowBytes = 1 + 3 * width;
  const rows = new Uint8Array(rowBytes * height);
  for (let y = 0; y < height; y++) {
    let at = y * rowBytes;
    rows[at++] = FILTER_UP;
    for (let x = 0; x < width; x++) {
      const word = pixels[y * width + x];
      const above = y === 0 ? 0 : pixels[(y - 1) * width + x];
      for (let shift = 0; shift < 24; shift += 8) rows[at++] = (word >>> shift) - (above >>> shift);
    }
  }
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set(HEADER_REST, 8);
  const data = await promisify(deflate)(rows);
  return Buffer.concat([Uint8Array.from(SIGNATURE), chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', new Uint8Array(0))]);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}
