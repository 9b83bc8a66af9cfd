import type { DeviceTreeNode } from '../bus/device-tree';
import { type MemoryFormat, MemoryPicture, type PictureLayout, bytesPerPixel, pictureBytes } from '../gpu/memory-picture';
import { isShowable } from '../gpu/picture';
import type { Scanout } from '../gpu/scanout';
import type { GuestMemory } from '../memory/guest-memory';
import { FRAMEBUFFER_BASE } from './board-map';

/** The file in fw_cfg by which guests say where their picture is, as QEMU's device `ramfb` has it, and its bytes. */
export const RAMFB_FILE = 'etc/ramfb';
export const RAMFB_BYTES = 28;

const SIDE_MIN = 16;

/** Linux's drm_fourcc.h; as QEMU's, and with red and blue exchanged. */
const FORMATS: ReadonlyMap<string, MemoryFormat> = new Map<string, MemoryFormat>([
  ['XR24', { blue: 0, green: 8, red: 16 }],
  ['AR24', { blue: 0, green: 8, red: 16 }],
  ['XB24', { red: 0, green: 8, blue: 16 }],
  ['AB24', { red: 0, green: 8, blue: 16 }],
  ['RG24', 'rgb888'],
  ['RG16', 'rgb565'],
]);

/** Milliseconds from one look at memory to the next, while somebody looks at the screen, and while nobody does. */
const LOOK_MS = 40;
const GLANCE_MS = 200;

/** Bytes of the framebuffer of a screen: whole pages. */
export function framebufferBytes({ width, height }: { width: number; height: number }): number {
  return Math.ceil((4 * width * height) / 4096) * 4096;
}

/** What a guest wrote to etc/ramfb: where a picture lies, and how. Undefined for what is none. */
export function readRamfb(bytes: Uint8Array): (PictureLayout & { address: number }) | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const format = FORMATS.get(String.fromCharCode(...[11, 10, 9, 8].map((at) => bytes[at])));
  const [width, height, given] = [view.getUint32(16), view.getUint32(20), view.getUint32(24)];
  if (!format || width < SIDE_MIN || height < SIDE_MIN || !isShowable({ width, height })) return undefined;
  const least = width * bytesPerPixel(format);
  const stride = given || least;
  if (stride < least) return undefined;
  return { address: view.getUint32(0) * 2 ** 32 + view.getUint32(4), width, height, stride, format };
}

/**
 * The first screen before there is a driver for the adapter, or where there is no adapter: firmware, and a kernel that begins, draw into
 * memory, and tell nobody. They know of that memory by fw_cfg, as on QEMU with `-device ramfb` (EDK2), or by a node of the device tree
 * (U-Boot), which has a framebuffer of its own: that is shown when something is in it.
 */
export class BootScreen {
  #picture: MemoryPicture | undefined;
  #framebuffer: MemoryPicture;
  #timer: NodeJS.Timeout | undefined;
  #nextGlance = 0;

  constructor(
    private readonly memory: GuestMemory,
    private readonly scanout: Scanout,
    private readonly size: { width: number; height: number },
  ) {
    this.#framebuffer = this.#ownPicture();
    scanout.on('picture', () => this.#follow());
    this.#follow();
  }

  /** The guest wrote to etc/ramfb. As on QEMU, what is no picture changes nothing: it may still be writing. */
  configure(bytes: Uint8Array): void {
    const layout = readRamfb(bytes);
    const at = layout ? this.memory.offsetOf(layout.address, pictureBytes(layout)) : -1;
    if (layout && at >= 0) this.#show(new MemoryPicture(this.memory.bytes.subarray(at, at + pictureBytes(layout)), layout));
  }

  reset(): void {
    this.memory.view(FRAMEBUFFER_BASE, framebufferBytes(this.size)).fill(0);
    this.memory.wrote(FRAMEBUFFER_BASE, framebufferBytes(this.size));
    this.#framebuffer = this.#ownPicture();
    this.#show(undefined);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Not in /chosen: there, Linux takes it for the reason to leave UEFI's alone, and stock kernels have no driver for it. */
  rootNode(): DeviceTreeNode {
    const { width, height } = this.size;
    return {
      name: `framebuffer@${FRAMEBUFFER_BASE.toString(16)}`,
      properties: {
        compatible: 'simple-framebuffer',
        reg: [{ u64: FRAMEBUFFER_BASE }, { u64: framebufferBytes(this.size) }],
        width: [width],
        height: [height],
        stride: [4 * width],
        format: 'x8r8g8b8',
      },
    };
  }

  #ownPicture(): MemoryPicture {
    const layout: PictureLayout = { ...this.size, stride: 4 * this.size.width, format: { blue: 0, green: 8, red: 16 } };
    return new MemoryPicture(this.memory.view(FRAMEBUFFER_BASE, pictureBytes(layout)), layout);
  }

  #show(picture: MemoryPicture | undefined): void {
    this.#picture = picture;
    this.scanout.showBoot(picture);
  }

  /** Look at memory from time to time, unless the adapter has the screen. */
  #follow(): void {
    if (this.scanout.isTaken) this.close();
    else this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  #look(): void {
    const isSeen = this.scanout.listenerCount('damage') > 0;
    if (this.#picture) {
      if (isSeen) for (const rows of this.#picture.changes()) this.scanout.damage({ x: 0, width: this.#picture.width, ...rows });
      return;
    }
    const now = performance.now();
    if (!isSeen && now < this.#nextGlance) return;
    this.#nextGlance = now + GLANCE_MS;
    if (this.#framebuffer.changes().length > 0) this.#show(this.#framebuffer);
  }
}
