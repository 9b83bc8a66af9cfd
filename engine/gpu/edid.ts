import type { ScreenMode } from './scanout';

/** A block of an EDID (VESA E-EDID 1.4 §3). */
export const EDID_BYTES = 128;
const HEADER = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
/** "HBX", five bits a letter (§3.4). */
const MANUFACTURER = [...'HBX'].reduce((code, letter) => (code << 5) | (letter.charCodeAt(0) - 64), 0);
/** Chromaticity of sRGB (§3.7). */
const SRGB = [0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54];
/** 640×480, 800×600, 1024×768, each at 60 Hz (§3.8). */
const ESTABLISHED = [0x21, 0x08, 0x00];
/** 1280×720, 1280×800, 1280×1024, 1440×900, 1600×900, 1680×1050, 1920×1080, 1920×1200 at 60 Hz (§3.9). */
const STANDARD = [0x81c0, 0x8100, 0x8180, 0x9500, 0xa9c0, 0xb300, 0xd1c0, 0xd100];
const MM_PER_INCH = 25.4;

// CVT 1.2, reduced blanking: pixels, lines, and the least vertical blanking in microseconds.
const [H_BLANK, H_FRONT, H_SYNC] = [160, 48, 32];
const [V_FRONT, V_SYNC, V_BACK_MIN] = [3, 6, 6];
const V_BLANK_US = 460;
/** In units of 10 kHz, 16 bits. */
const CLOCK_MAX = 0xffff;

/** What a monitor of this mode would say of itself. Sizes above 4095 pixels do not fit in and throw RangeError. */
export function edid(mode: ScreenMode, serial: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(EDID_BYTES);
  const view = new DataView(bytes.buffer);
  const [widthMm, heightMm] = [mode.width, mode.height].map((pixels) => Math.round((pixels / mode.density) * MM_PER_INCH));
  bytes.set(HEADER);
  view.setUint16(8, MANUFACTURER);
  view.setUint16(10, 1, true);
  view.setUint32(12, serial, true);
  // Model year 2026, EDID 1.4, digital with 8 bits a colour, gamma 2.2, sRGB, and the first timing is the native one.
  bytes.set([0xff, 2026 - 1990, 1, 4, 0xa5, centimetres(widthMm), centimetres(heightMm), 120, 0x06], 16);
  bytes.set(SRGB, 25);
  bytes.set(ESTABLISHED, 35);
  for (const [i, code] of STANDARD.entries()) view.setUint16(38 + 2 * i, code);
  bytes.set(detailedTiming(mode, widthMm, heightMm), 54);
  bytes.set(descriptor(0xfc, [...text('Hartbox')]), 72);
  // Vertical 24 to 240 Hz, horizontal 15 to 255 kHz, at most 660 MHz, no formula for timings.
  bytes.set(descriptor(0xfd, [24, 240, 15, 255, 66, 0x01, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20]), 90);
  bytes.set(descriptor(0xff, [...text(String(serial))]), 108);
  bytes[127] = -bytes.reduce((sum, byte) => sum + byte, 0);
  return bytes;
}

/** §3.10.2, by CVT's reduced blanking; fewer pictures a second where the pixel clock would not fit in. */
function detailedTiming({ width, height, refresh }: ScreenMode, widthMm: number, heightMm: number): Uint8Array {
  if (width > 4095 || height > 4095) throw new RangeError(`An EDID cannot tell of ${width}×${height} pixels.`);
  const line = (1e6 / refresh - V_BLANK_US) / height;
  const vBlank = Math.max(Math.floor(V_BLANK_US / line) + 1, V_FRONT + V_SYNC + V_BACK_MIN);
  const clock = Math.min(CLOCK_MAX, Math.round((refresh * (width + H_BLANK) * (height + vBlank)) / 1e4));
  const bytes = new Uint8Array(18);
  new DataView(bytes.buffer).setUint16(0, clock, true);
  bytes.set([width, H_BLANK, ((width >> 8) << 4) | (H_BLANK >> 8), height, vBlank, ((height >> 8) << 4) | (vBlank >> 8)], 2);
  // Digital separate sync, horizontal positive, vertical negative.
  bytes.set([H_FRONT, H_SYNC, (V_FRONT << 4) | V_SYNC, 0], 8);
  bytes.set([widthMm, heightMm, ((widthMm >> 8) << 4) | ((heightMm >> 8) & 15), 0, 0, 0x1a], 12);
  return bytes;
}

/** A display descriptor (§3.10.3). */
function descriptor(tag: number, contents: readonly number[]): number[] {
  return [0, 0, 0, tag, 0, ...contents];
}

/** 13 characters, ended by a line feed and filled up with spaces. */
function text(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\n`.padEnd(13).slice(0, 13));
}

function centimetres(millimetres: number): number {
  return Math.min(255, Math.round(millimetres / 10));
}
