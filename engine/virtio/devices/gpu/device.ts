import { z } from 'zod';
import type { AccessSize } from '../../../bus/device';
import { bytesSchema, DeviceState, loadBytes, saveBytes, unsigned } from '../../../bus/device-state';
import { DeviceError, VmError } from '../../../errors/vm-error';
import { EDID_BYTES, edid } from '../../../gpu/edid';
import { toStraight } from '../../../gpu/picture';
import { CURSOR_SIDE, type Rectangle, type Scanout, type ScreenCursor, type ScreenMode } from '../../../gpu/scanout';
import type { GuestMemory } from '../../../memory/guest-memory';
import type { ScatterGatherList } from '../../../memory/scatter-gather-list';
import { type Activation, PIECE_BYTES, VirtioDevice } from '../../device';
import type { DescriptorChain } from '../../queue';
import type { BackingEntry } from './backing';
import {
  BLOB_MEM_GUEST,
  COMMAND,
  CONFIG_BYTES,
  CURSOR_QUEUE,
  DISPLAY_INFO_BYTES,
  DISPLAY_INFOS,
  EDID_RESPONSE_BYTES,
  ENTRY_BYTES,
  EVENT_DISPLAY,
  EVENTS_CLEAR,
  EVENTS_READ,
  F_EDID,
  F_RESOURCE_BLOB,
  FLAG_FENCE,
  FLAG_INFO_RING_IDX,
  FORMATS,
  HEADER_BYTES,
  NUM_SCANOUTS,
  PIXEL_BYTES,
  RESPONSE,
  type ResponseType,
} from './protocol';
import {
  type BlobLayout,
  BlobPicture,
  ImagePicture,
  type ImageResource,
  Refusal,
  type Resource,
  ResourceTable,
  resourceSchema,
  transfer,
} from './resources';

export const SCANOUTS_MAX = 4;
const CONTROL_QUEUE_SIZE = 256;
const CURSOR_QUEUE_SIZE = 16;
/** Of pixels that the host holds for the guest, unless told otherwise. */
const MEMORY_BYTES = 256 << 20;
/** Pieces of guest memory in one request: a picture of 256 MiB in single pages. */
const REQUEST_ENTRIES_MAX = 1 << 16;
/** The longest request without its list of memory: SET_SCANOUT_BLOB. */
const REQUEST_BYTES = 96;

export interface VirtioGpuOptions {
  /** What it shows pictures on: one to four. */
  scanouts: readonly Scanout[];
  /** Bytes that pixels of the guest's may take on the host. */
  memoryBytes?: number;
  /**
   * Whether drivers may show their own memory, without copies (VIRTIO_GPU_F_RESOURCE_BLOB); they may unless told otherwise. Linux 6.12 flushes
   * and copies whole pictures for every character on its console: without the copies only who looks has work, at his own pace.
   */
  blobs?: boolean;
}

/** What a scanout shows. */
interface Shown {
  resource: Resource;
  part: Rectangle;
  /** Of a blob. */
  layout?: BlobLayout | undefined;
}

const rectangleSchema = z.strictObject({ x: unsigned(32), y: unsigned(32), width: unsigned(32), height: unsigned(32) });
const layoutSchema = z.strictObject({
  width: unsigned(32),
  height: unsigned(32),
  format: unsigned(32),
  stride: unsigned(32),
  offset: unsigned(32),
});
const cursorSchema = z.strictObject({
  width: z.int().min(1).max(CURSOR_SIDE),
  height: z.int().min(1).max(CURSOR_SIDE),
  pixels: bytesSchema,
  hotX: z
    .int()
    .min(0)
    .max(CURSOR_SIDE - 1),
  hotY: z
    .int()
    .min(0)
    .max(CURSOR_SIDE - 1),
  x: z.int32(),
  y: z.int32(),
});
const stateSchema = z.strictObject({
  events: unsigned(32),
  resources: z.array(resourceSchema),
  scanouts: z
    .array(
      z.strictObject({
        shown: z.strictObject({ resource: unsigned(32), part: rectangleSchema, layout: layoutSchema.nullable() }).nullable(),
        cursor: cursorSchema.nullable(),
        isTaken: z.boolean(),
      }),
    )
    .max(SCANOUTS_MAX),
});
type SavedScanout = z.output<typeof stateSchema>['scanouts'][number];

/**
 * The GPU device without 3D (virtio 1.3 §5.7). Every request is done when it is answered, so that fences need no more. What a scanout shows is
 * read by those who look, at their time: the device only tells them what changed.
 */
export class VirtioGpu extends VirtioDevice {
  readonly name = 'virtio-gpu';
  readonly deviceId = 16;
  /** A display controller without VGA (§5.7.7). */
  override readonly pciClass = 0x038000;
  readonly queueSizes = [CONTROL_QUEUE_SIZE, CURSOR_QUEUE_SIZE];
  readonly #scanouts: readonly Scanout[];
  readonly #memoryBytes: number;
  readonly #shown: (Shown | undefined)[];
  /** What the driver was told last that each screen is wanted to be, by either request; and what it was reminded of. */
  readonly #known: { mode?: Readonly<ScreenMode>; edid?: Readonly<ScreenMode>; again?: Readonly<ScreenMode> }[];
  readonly #request = new DataView(new ArrayBuffer(REQUEST_BYTES));
  readonly #response = new DataView(new ArrayBuffer(HEADER_BYTES + EDID_RESPONSE_BYTES));
  #resources: ResourceTable;
  #memory: GuestMemory | undefined;

  override readonly state = new DeviceState(this, {
    version: 2,
    schema: stateSchema,
    save: () => ({
      events: this.config.getUint32(EVENTS_READ, true),
      resources: this.#resources.save(),
      scanouts: this.#scanouts.map((scanout, index) => saveScanout(scanout, this.#shown[index])),
    }),
    load: ({ events, resources, scanouts }, refuse) => {
      const table = this.#loadResources(resources, refuse);
      if (scanouts.length !== this.#scanouts.length)
        refuse(`it has ${scanouts.length} scanouts, and this device has ${this.#scanouts.length}`);
      const shown = scanouts.map((one) => loadShown(one, table, refuse));
      const cursors = scanouts.map((one) => loadCursor(one, refuse));
      return () => {
        this.config.setUint32(EVENTS_READ, events, true);
        this.#resources = table;
        for (const [index, scanout] of this.#scanouts.entries()) {
          this.#show(index, shown[index]);
          if (!shown[index]) scanout.darken(scanouts[index].isTaken);
          const at = scanouts[index].cursor;
          scanout.setCursor(cursors[index], { x: at?.x ?? 0, y: at?.y ?? 0 });
        }
      };
    },
  });

  /** Throws VmError 'Config' for more scanouts than a device has, or none. */
  constructor({ scanouts, memoryBytes = MEMORY_BYTES, blobs = true }: VirtioGpuOptions) {
    if (scanouts.length < 1 || scanouts.length > SCANOUTS_MAX)
      throw VmError.config(`A graphics adapter has 1 to ${SCANOUTS_MAX} scanouts, not ${scanouts.length}.`);
    super(blobs ? [F_EDID, F_RESOURCE_BLOB] : [F_EDID], new DataView(new ArrayBuffer(CONFIG_BYTES)));
    this.#scanouts = scanouts;
    this.#memoryBytes = memoryBytes;
    this.#resources = new ResourceTable(memoryBytes);
    this.#shown = scanouts.map(() => undefined);
    this.#known = scanouts.map(() => ({}));
    this.config.setUint32(NUM_SCANOUTS, scanouts.length, true);
    for (const scanout of scanouts) scanout.on('wanted', () => this.#tellOfModes());
  }

  /** Bytes of the host's memory that the guest's pixels take. */
  get memoryUse(): number {
    return this.#resources.bytes;
  }

  override writeConfig(offset: number, size: AccessSize, value: number): void {
    if (offset !== EVENTS_CLEAR || size !== 4) return;
    this.config.setUint32(EVENTS_READ, this.config.getUint32(EVENTS_READ, true) & ~value, true);
    if (value & EVENT_DISPLAY && this.#isNewsCleared()) this.#tellOfModes();
  }

  /** Linux asks for the modes and clears the event afterwards, and with that one that came between: each mode that it has not got is told once more. */
  #isNewsCleared(): boolean {
    let isCleared = false;
    for (const [index, { wanted }] of this.#scanouts.entries()) {
      const known = this.#known[index];
      if (known.mode === undefined || known.again === wanted) continue;
      if (known.mode === wanted && (known.edid === undefined || known.edid === wanted)) continue;
      known.again = wanted;
      isCleared = true;
    }
    return isCleared;
  }

  protected override onActivate({ memory }: Activation): void {
    this.#memory = memory;
    this.#resources.resolve(memory);
    // What was wanted while it slept.
    if (this.config.getUint32(EVENTS_READ, true) !== 0) this.changeConfig(() => undefined);
  }

  protected override onReset(): void {
    this.config.setUint32(EVENTS_READ, 0, true);
    for (const [index, scanout] of this.#scanouts.entries()) {
      this.#shown[index] = undefined;
      this.#known[index] = {};
      scanout.darken(false);
      scanout.setCursor(undefined, { x: 0, y: 0 });
    }
    this.#resources.clear();
  }

  protected override serve(index: number): void {
    for (let chain = this.take(index); chain; chain = this.take(index)) {
      let written = 0;
      try {
        written = this.#serveOne(index, chain);
      } finally {
        this.queue(index)?.complete(chain, written);
      }
    }
  }

  /** Somebody would like other sizes: the driver asks for them by GET_DISPLAY_INFO and GET_EDID. */
  #tellOfModes(): void {
    if (this.status.kind === 'Initialized') return;
    this.changeConfig((config) => config.setUint32(EVENTS_READ, config.getUint32(EVENTS_READ, true) | EVENT_DISPLAY, true));
  }

  /** Returns the number of bytes written. */
  #serveOne(index: number, { readable, writable }: DescriptorChain): number {
    const request = new Uint8Array(this.#request.buffer).fill(0);
    const length = readable.copyTo(request);
    if (length < HEADER_BYTES)
      throw DeviceError.InvalidParameter(`A request to the graphics adapter has ${length} bytes; it needs ${HEADER_BYTES}.`);
    const response = new Uint8Array(this.#response.buffer).fill(0);
    let type: ResponseType;
    let more = 0;
    try {
      [type, more] = index === CURSOR_QUEUE ? [this.#serveCursor(), 0] : this.#serveControl(readable);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      type = error.response;
      response.fill(0);
    }
    this.#response.setUint32(0, type, true);
    const flags = this.#request.getUint32(4, true);
    if (flags & FLAG_FENCE) {
      this.#response.setUint32(4, flags & (FLAG_FENCE | FLAG_INFO_RING_IDX), true);
      // fence_id, ctx_id, ring_idx.
      response.set(request.subarray(8, 21), 8);
    }
    // Linux gives cursor requests no room for an answer.
    return writable.copyFrom(response.subarray(0, Math.min(HEADER_BYTES + more, writable.length)));
  }

  /** Returns the type of the response, and the bytes that follow its header. */
  #serveControl(readable: ScatterGatherList): [ResponseType, number] {
    const request = this.#request;
    const word = (at: number): number => request.getUint32(HEADER_BYTES + at, true);
    switch (request.getUint32(0, true)) {
      case COMMAND.GET_DISPLAY_INFO:
        return this.#displayInfo();
      case COMMAND.GET_EDID:
        return this.#edid(word(0));
      case COMMAND.RESOURCE_CREATE_2D: {
        const { pixels } = this.#resources.createImage(word(0), word(4), word(8), word(12));
        this.spend(pixels.byteLength);
        break;
      }
      case COMMAND.RESOURCE_CREATE_BLOB:
        this.#createBlob(readable, word);
        break;
      case COMMAND.RESOURCE_UNREF:
        this.#remove(this.#resources.get(word(0)));
        break;
      case COMMAND.RESOURCE_ATTACH_BACKING:
        this.#attach(this.#resources.get(word(0)), readEntries(readable, word(4), HEADER_BYTES + 8, this.#resources));
        break;
      case COMMAND.RESOURCE_DETACH_BACKING:
        this.#resources.detach(this.#resources.get(word(0)));
        break;
      case COMMAND.SET_SCANOUT:
        this.#setScanout(word(16), word(20), rectangleAt(request, HEADER_BYTES));
        break;
      case COMMAND.SET_SCANOUT_BLOB:
        this.#setScanout(word(16), word(20), rectangleAt(request, HEADER_BYTES), {
          width: word(24),
          height: word(28),
          format: word(32),
          stride: word(40),
          offset: word(56),
        });
        break;
      case COMMAND.TRANSFER_TO_HOST_2D:
        this.#transfer(this.#resources.get(word(24)), rectangleAt(request, HEADER_BYTES), word(16) + word(20) * 2 ** 32);
        break;
      case COMMAND.RESOURCE_FLUSH:
        this.#flush(this.#resources.get(word(16)), rectangleAt(request, HEADER_BYTES));
        break;
      default:
        return [RESPONSE.ERR_UNSPEC, 0];
    }
    return [RESPONSE.OK_NODATA, 0];
  }

  /** What modes are wanted, the screens from left to right. */
  #displayInfo(): [ResponseType, number] {
    let left = 0;
    for (const [index, { wanted }] of this.#scanouts.entries()) {
      const at = HEADER_BYTES + index * DISPLAY_INFO_BYTES;
      for (const [i, value] of [left, 0, wanted.width, wanted.height, 1].entries()) this.#response.setUint32(at + 4 * i, value, true);
      left += wanted.width;
      this.#known[index].mode = wanted;
    }
    return [RESPONSE.OK_DISPLAY_INFO, DISPLAY_INFOS * DISPLAY_INFO_BYTES];
  }

  #edid(index: number): [ResponseType, number] {
    const scanout = this.#scanout(index);
    this.#known[index].edid = scanout.wanted;
    this.#response.setUint32(HEADER_BYTES, EDID_BYTES, true);
    new Uint8Array(this.#response.buffer).set(edid(scanout.wanted, index + 1), HEADER_BYTES + 8);
    return [RESPONSE.OK_EDID, EDID_RESPONSE_BYTES];
  }

  #createBlob(readable: ScatterGatherList, word: (at: number) => number): void {
    if (word(4) !== BLOB_MEM_GUEST || !this.hasFeature(F_RESOURCE_BLOB)) throw new Refusal(RESPONSE.ERR_UNSPEC);
    const entries = readEntries(readable, word(12), HEADER_BYTES + 32, this.#resources);
    const blob = this.#resources.createBlob(word(0), word(24) + word(28) * 2 ** 32);
    if (entries.length === 0) return;
    try {
      this.#attach(blob, entries);
    } catch (error) {
      this.#resources.remove(blob);
      throw error;
    }
  }

  #attach(resource: Resource, entries: readonly BackingEntry[]): void {
    this.#resources.attach(resource, entries, this.#memory!);
    this.spend(entries.length * ENTRY_BYTES);
  }

  #remove(resource: Resource): void {
    for (const [index, shown] of this.#shown.entries()) if (shown?.resource === resource) this.#show(index, undefined);
    this.#resources.remove(resource);
  }

  #setScanout(index: number, id: number, part: Rectangle, layout?: BlobLayout): void {
    this.#scanout(index);
    if (id === 0) {
      this.#show(index, undefined);
      return;
    }
    const resource = this.#resources.get(id);
    // An image has a layout of its own.
    if ((resource.kind === 'blob') !== (layout !== undefined)) throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
    this.#show(index, { resource, part, layout });
  }

  #transfer(resource: Resource, part: Rectangle, offset: number): void {
    // A blob is the guest's memory itself.
    if (resource.kind === 'blob') return;
    const pieces = transfer(resource, part, offset);
    this.spend(part.width * part.height * PIXEL_BYTES + PIECE_BYTES * pieces);
  }

  #flush(resource: Resource, part: Rectangle): void {
    for (const [index, shown] of this.#shown.entries()) {
      if (shown?.resource !== resource) continue;
      this.#scanouts[index].damage({ ...part, x: part.x - shown.part.x, y: part.y - shown.part.y });
    }
  }

  #serveCursor(): ResponseType {
    const word = (at: number): number => this.#request.getUint32(HEADER_BYTES + at, true);
    const type = this.#request.getUint32(0, true);
    if (type !== COMMAND.UPDATE_CURSOR && type !== COMMAND.MOVE_CURSOR) return RESPONSE.ERR_UNSPEC;
    const scanout = this.#scanout(word(0));
    const at = { x: word(4) | 0, y: word(8) | 0 };
    if (type === COMMAND.MOVE_CURSOR) {
      scanout.moveCursor(at);
      return RESPONSE.OK_NODATA;
    }
    this.spend(CURSOR_SIDE * CURSOR_SIDE * PIXEL_BYTES);
    scanout.setCursor(word(16) === 0 ? undefined : cursorOf(this.#resources.get(word(16)), word(20), word(24)), at);
    return RESPONSE.OK_NODATA;
  }

  #scanout(index: number): Scanout {
    if (index >= this.#scanouts.length) throw new Refusal(RESPONSE.ERR_INVALID_SCANOUT_ID);
    return this.#scanouts[index];
  }

  #show(index: number, shown: Shown | undefined): void {
    this.#scanouts[index].show(shown && pictureOf(shown));
    this.#shown[index] = shown;
  }

  #loadResources(saved: z.output<typeof resourceSchema>[], refuse: (why: string) => never): ResourceTable {
    try {
      return ResourceTable.load(saved, this.#memoryBytes);
    } catch (error) {
      return refuse(`its resources are none of such a device (${error instanceof Error ? error.message : String(error)})`);
    }
  }
}

function rectangleAt(view: DataView, at: number): Rectangle {
  const word = (index: number): number => view.getUint32(at + 4 * index, true);
  return { x: word(0), y: word(1), width: word(2), height: word(3) };
}

/** The list of memory that follows a request. */
function readEntries(readable: ScatterGatherList, count: number, at: number, resources: ResourceTable): BackingEntry[] {
  if (count > REQUEST_ENTRIES_MAX) throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
  resources.checkEntries(count);
  if (at + count * ENTRY_BYTES > readable.length) throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
  const view = new DataView(readable.slice(at, at + count * ENTRY_BYTES).toBytes().buffer);
  return Array.from({ length: count }, (_, i) => ({
    address: view.getUint32(i * ENTRY_BYTES, true) + view.getUint32(i * ENTRY_BYTES + 4, true) * 2 ** 32,
    length: view.getUint32(i * ENTRY_BYTES + 8, true),
  }));
}

function pictureOf({ resource, part, layout }: Shown): ImagePicture | BlobPicture {
  if (resource.kind === 'image') return new ImagePicture(resource, part);
  if (!layout) throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
  return new BlobPicture(resource, part, layout);
}

/** What the pointer looks like now. A cursor has 64×64 pixels, of which one points; of a blob it is told nothing but that. */
function cursorOf(resource: Resource, atX: number, atY: number): ScreenCursor {
  const [hotX, hotY] = [Math.min(atX, CURSOR_SIDE - 1), Math.min(atY, CURSOR_SIDE - 1)];
  if (resource.kind === 'image') {
    const [width, height] = [Math.min(resource.width, CURSOR_SIDE), Math.min(resource.height, CURSOR_SIDE)];
    return { width, height, hotX, hotY, pixels: toStraight(FORMATS.get(resource.format)!, topLeft(resource, width, height)) };
  }
  const words = new Uint32Array(CURSOR_SIDE * CURSOR_SIDE);
  const { backing } = resource;
  if (!backing || backing.length < words.byteLength) throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
  backing.copy(0, words.byteLength, new Uint8Array(words.buffer), 0);
  // Linux's are ARGB8888, which is B8G8R8A8 here.
  return { width: CURSOR_SIDE, height: CURSOR_SIDE, hotX, hotY, pixels: toStraight(FORMATS.get(1)!, words) };
}

function topLeft(image: ImageResource, width: number, height: number): Uint32Array {
  const words = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) words.set(image.pixels.subarray(y * image.width, y * image.width + width), y * width);
  return words;
}

function saveScanout(scanout: Scanout, shown: Shown | undefined): SavedScanout {
  const { cursor, cursorAt } = scanout;
  return {
    shown: shown ? { resource: shown.resource.id, part: { ...shown.part }, layout: shown.layout ? { ...shown.layout } : null } : null,
    cursor: cursor ? { ...cursor, pixels: saveBytes(cursor.pixels), ...cursorAt } : null,
    isTaken: scanout.isTaken,
  };
}

function loadShown({ shown }: SavedScanout, table: ResourceTable, refuse: (why: string) => never): Shown | undefined {
  if (!shown) return undefined;
  const resource = table.find(shown.resource);
  const one = resource && { resource, part: shown.part, layout: shown.layout ?? undefined };
  try {
    if (one && pictureOf(one)) return one;
  } catch {
    // As where the resource is missing.
  }
  return refuse('what it shows is not there');
}

function loadCursor({ cursor }: SavedScanout, refuse: (why: string) => never): ScreenCursor | undefined {
  if (!cursor) return undefined;
  const { x: _x, y: _y, ...rest } = cursor;
  const pixels = loadBytes(cursor.pixels);
  if (pixels.length !== cursor.width * cursor.height * PIXEL_BYTES) refuse('its pointer has another size than it says');
  return { ...rest, pixels };
}
