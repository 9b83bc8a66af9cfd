import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Rectangle } from '../gpu/scanout';
import { Scanout } from '../gpu/scanout';
import { GuestMemory } from '../memory/guest-memory';
import { createMemory, planMemory } from '../memory/memory-plan';
import { FRAMEBUFFER_BASE } from './board-map';
import { BootScreen, framebufferBytes, RAMFB_BYTES, RAMFB_FILE, readRamfb } from './boot-screen';
import { FW_CFG, FwCfg } from './fw-cfg';

const MiB = 1 << 20;
const RAM = 0x8000_0000;
const RAM_BYTES = 8 * MiB;
const PIXELS = RAM + 4 * MiB;
const RECORD = RAM + 0x100;
const CONFIG = RAM + 0x200;
const [ERROR, SELECT, WRITE] = [1, 8, 16];
const size = { width: 64, height: 64 };

/** As drivers make it: big-endian. */
function ramfb(address: number, code: string, width: number, height: number, stride: number): Buffer {
  const bytes = Buffer.alloc(RAMFB_BYTES);
  bytes.writeBigUInt64BE(BigInt(address), 0);
  for (let i = 0; i < 4; i++) bytes[8 + i] = code.charCodeAt(3 - i);
  for (const [i, word] of [width, height, stride].entries()) bytes.writeUInt32BE(word, 16 + 4 * i);
  return bytes;
}

let memory: GuestMemory;
let scanout: Scanout;
let screen: BootScreen;
let fwCfg: FwCfg;
beforeEach(() => {
  vi.useFakeTimers();
  const plan = planMemory(1, [
    { base: RAM, size: RAM_BYTES },
    { base: FRAMEBUFFER_BASE, size: framebufferBytes(size) },
  ]);
  memory = new GuestMemory(createMemory(plan), plan);
  scanout = new Scanout(size);
  screen = new BootScreen(memory, scanout, size);
  fwCfg = new FwCfg(0x10100000, memory, 1);
  fwCfg.setWritableFile(RAMFB_FILE, RAMFB_BYTES, (bytes) => screen.configure(bytes));
});
afterEach(() => {
  screen.close();
  vi.useRealTimers();
});

/** Write by DMA, from where the guest's file begins; returns the control word. */
function write(bytes: Uint8Array): number {
  memory.copyIn(CONFIG, bytes);
  const at = memory.offsetOf(RECORD, 16);
  memory.data.setUint32(at, (FW_CFG.FIRST_FILE << 16) | SELECT | WRITE);
  memory.data.setUint32(at + 4, bytes.length);
  memory.data.setUint32(at + 8, 0);
  memory.data.setUint32(at + 12, CONFIG);
  fwCfg.write(16, 4, 0);
  fwCfg.write(20, 4, Buffer.from(Uint32Array.of(RECORD).buffer).readUInt32BE());
  return memory.data.getUint32(at);
}

function look(part: Rectangle): number[] {
  const target = new Uint32Array(part.width * part.height);
  scanout.read(part, target);
  return [...target];
}

describe('the screen of firmware', () => {
  it.each([
    ['XR24', [0x11, 0x22, 0x33, 0x00], 0xff112233],
    ['AR24', [0x11, 0x22, 0x33, 0x00], 0xff112233],
    ['XB24', [0x33, 0x22, 0x11, 0x00], 0xff112233],
    ['AB24', [0x33, 0x22, 0x11, 0x00], 0xff112233],
    ['RG24', [0x11, 0x22, 0x33], 0xff112233],
    // Full green, and the lowest bit of red.
    ['RG16', [0xe0, 0x0f], 0xff00ff08],
  ])('is what the guest says by fw_cfg: %s', (code, pixel, seen) => {
    const stride = 17 * pixel.length + 3;
    memory.copyIn(PIXELS + 2 * stride + 5 * pixel.length, Uint8Array.from(pixel));
    expect(write(ramfb(PIXELS, code, 17, 16, stride))).toBe(0);
    expect(scanout.size).toEqual({ width: 17, height: 16 });
    expect(look({ x: 4, y: 2, width: 3, height: 1 })).toEqual([0xff000000, seen, 0xff000000]);
  });

  it('has rows without gaps where no stride is given, and stays as it was for what is no picture', () => {
    write(ramfb(PIXELS, 'XR24', 16, 16, 0));
    memory.copyIn(PIXELS + 64, Uint8Array.of(1, 2, 3));
    expect(look({ x: 0, y: 1, width: 1, height: 1 })).toEqual([0xff010203]);
    const wrong = [
      ramfb(PIXELS, 'XR24', 15, 16, 0),
      ramfb(PIXELS, 'XR24', 16, 8193, 0),
      ramfb(PIXELS, 'XR24', 8192, 8192, 0),
      ramfb(PIXELS, 'XR30', 20, 20, 0),
      ramfb(PIXELS, 'XR24', 20, 20, 79),
      ramfb(RAM + RAM_BYTES - 20 * 80 + 4, 'XR24', 20, 20, 0),
      ramfb(PIXELS, 'XR24', 20, 20, 0xffffffff),
      ramfb(2 ** 63, 'XR24', 20, 20, 0),
      ramfb(0, 'XR24', 20, 20, 0),
      Buffer.alloc(RAMFB_BYTES, 0xff),
      Buffer.alloc(RAMFB_BYTES),
    ];
    for (const bytes of wrong) {
      expect(write(bytes)).toBe(0);
      expect(scanout.size).toEqual({ width: 16, height: 16 });
    }
    // To its last byte.
    write(ramfb(RAM + RAM_BYTES - 20 * 80, 'XR24', 20, 20, 0));
    expect(scanout.size).toEqual({ width: 20, height: 20 });
  });

  it('is written as a whole, or in parts, and not beyond its end', () => {
    expect(write(new Uint8Array(RAMFB_BYTES + 1))).toBe(ERROR);
    const bytes = ramfb(PIXELS, 'XR24', 16, 16, 0);
    expect(write(bytes.subarray(0, 20))).toBe(0);
    expect(scanout.size).toBeUndefined();
    const at = memory.offsetOf(RECORD, 16);
    memory.copyIn(CONFIG, bytes.subarray(20));
    memory.data.setUint32(at, WRITE);
    memory.data.setUint32(at + 4, 8);
    fwCfg.write(20, 4, Buffer.from(Uint32Array.of(RECORD).buffer).readUInt32BE());
    expect(memory.data.getUint32(at)).toBe(0);
    expect(scanout.size).toEqual({ width: 16, height: 16 });
  });

  it('reads inside guest memory whatever the guest writes', () => {
    const number = fc.oneof(fc.nat(0xffffffff), fc.nat(9000), fc.constantFrom(0, 16, 8192, 0xffffffff, 0x10000));
    const address = fc.oneof(
      fc.maxSafeNat(),
      fc.nat(RAM_BYTES).map((at) => RAM + at),
      fc.nat(100).map((at) => RAM + RAM_BYTES - at),
    );
    const code = fc.constantFrom('XR24', 'AB24', 'RG24', 'RG16', 'none');
    fc.assert(
      fc.property(address, code, number, number, number, (at, format, width, height, stride) => {
        write(ramfb(at, format, width, height, stride));
        const shown = scanout.size;
        if (!shown) return;
        // A row of zeros beyond the memory would be undefined there, or throw.
        const last = look({ x: 0, y: shown.height - 1, width: shown.width, height: 1 });
        expect(last.every((word) => word >>> 24 === 0xff)).toBe(true);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: RAMFB_BYTES, maxLength: RAMFB_BYTES }), (bytes) => {
        const layout = readRamfb(bytes);
        if (layout) expect(layout.width * layout.height).toBeLessThanOrEqual(1 << 24);
      }),
    );
  });

  it('tells of what changed while somebody looks, and of nothing while nothing does', () => {
    write(ramfb(PIXELS, 'XR24', 100, 200, 0));
    memory.copyIn(PIXELS, Uint8Array.of(9));
    vi.advanceTimersByTime(1000);
    const parts: Rectangle[] = [];
    scanout.on('damage', (part) => parts.push(part));
    vi.advanceTimersByTime(40);
    expect(parts.splice(0)).toEqual([{ x: 0, y: 0, width: 100, height: 64 }]);
    vi.advanceTimersByTime(1000);
    expect(parts).toEqual([]);
    memory.copyIn(PIXELS + 4 * (199 * 100 + 99), Uint8Array.of(7));
    vi.advanceTimersByTime(40);
    expect(parts).toEqual([{ x: 0, y: 192, width: 100, height: 8 }]);
  });

  it('is the framebuffer of the device tree, once something is in it', () => {
    vi.advanceTimersByTime(1000);
    expect(scanout.size).toBeUndefined();
    memory.copyIn(FRAMEBUFFER_BASE + 4 * 65, Uint8Array.of(0x11, 0x22, 0x33));
    vi.advanceTimersByTime(200);
    expect(scanout.size).toEqual(size);
    expect(look({ x: 1, y: 1, width: 1, height: 1 })).toEqual([0xff112233]);
    screen.reset();
    vi.advanceTimersByTime(1000);
    expect(scanout.size).toBeUndefined();
    expect(memory.readU32(FRAMEBUFFER_BASE + 4 * 65)).toBe(0);
  });

  it('gives way to the adapter when that shows something, also when it then shows nothing, until it is new again', () => {
    write(ramfb(PIXELS, 'XR24', 100, 200, 0));
    scanout.show(undefined);
    expect(scanout.size?.width).toBe(100);
    scanout.show({ width: 32, height: 32, readRow: () => undefined });
    expect(scanout.size?.width).toBe(32);
    write(ramfb(PIXELS, 'XR24', 50, 50, 0));
    expect(scanout.size?.width).toBe(32);
    scanout.show(undefined);
    expect(scanout.size).toBeUndefined();
    // Nobody looks at memory meanwhile.
    expect(vi.getTimerCount()).toBe(0);
    scanout.darken(false);
    expect(scanout.size?.width).toBe(50);
    expect(vi.getTimerCount()).toBe(1);
  });

  it('is gone after a reset, and there again in a machine that is restored', () => {
    write(ramfb(PIXELS, 'XR24', 100, 200, 0));
    const saved: unknown = JSON.parse(JSON.stringify(fwCfg.state.snapshot()));
    fwCfg.reset();
    screen.reset();
    expect(scanout.size).toBeUndefined();
    expect(JSON.stringify(fwCfg.state.snapshot())).not.toBe(JSON.stringify(saved));
    fwCfg.state.restore(saved);
    expect(scanout.size).toEqual({ width: 100, height: 200 });
    expect(() => fwCfg.state.restore({ version: 2, state: { key: 0, at: 0, dmaHigh: 0, written: ['AAAA'] } })).toThrow(/not for its files/);
    expect(() => fwCfg.state.restore({ version: 2, state: { key: 0, at: 0, dmaHigh: 0, written: [] } })).toThrow(/not for its files/);
  });
});
