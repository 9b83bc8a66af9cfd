import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import { loadBytes, saveBytes, unsigned } from '../../../bus/device-state';
import { addressSchema } from '../../queue';
import { isShowable, type PartOf, type Picture, type PixelFormat, toOpaque } from '../../../gpu/picture';
import type { Rectangle } from '../../../gpu/scanout';
import type { GuestMemory } from '../../../memory/guest-memory';
import { Backing, type BackingEntry } from './backing';
import { FORMATS, PIXEL_BYTES, RESPONSE, type ResponseType } from './protocol';

/** Resources that a driver may have, and the pieces of guest memory behind all of them: a GiB of single pages. */
const RESOURCES_MAX = 4096;
const ENTRIES_MAX = 1 << 18;
/** Pixels of each side of an image; Linux's driver goes up to 8192. */
const SIDE_MAX = 16384;
/** Bytes of a blob; it is the guest's own memory. */
const BLOB_MAX = 2 ** 40;
const BLACK = 0xff000000;

/** An answer to a request that cannot be done. */
export class Refusal extends Error {
  constructor(readonly response: ResponseType) {
    super(`Response 0x${response.toString(16)}`);
  }
}

export interface GpuResource {
  readonly id: number;
  /** As the driver attached them. */
  entries?: readonly BackingEntry[] | undefined;
  /** Missing beside entries only in a device that was restored and has not gone on yet. */
  backing?: Backing | undefined;
}

/** RESOURCE_CREATE_2D: the host has pixels of its own, into which the driver copies its. */
export interface ImageResource extends GpuResource {
  readonly kind: 'image';
  readonly width: number;
  readonly height: number;
  readonly format: number;
  /** In the resource's format. */
  readonly pixels: Uint32Array<ArrayBuffer>;
}

/** RESOURCE_CREATE_BLOB: what is shown is the guest's memory itself. */
export interface BlobResource extends GpuResource {
  readonly kind: 'blob';
  readonly size: number;
}

export type Resource = ImageResource | BlobResource;

/** How a blob is to be seen as an image (SET_SCANOUT_BLOB). */
export interface BlobLayout {
  width: number;
  height: number;
  format: number;
  stride: number;
  offset: number;
}

const entriesSchema = z
  .array(z.tuple([addressSchema, unsigned(32)]))
  .max(ENTRIES_MAX)
  .nullable();
export const resourceSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('image'),
    id: unsigned(32),
    width: z.int().min(1).max(SIDE_MAX),
    height: z.int().min(1).max(SIDE_MAX),
    format: unsigned(32),
    /** Base64 of what deflate makes of them. */
    pixels: z.string(),
    entries: entriesSchema,
  }),
  z.strictObject({ kind: z.literal('blob'), id: unsigned(32), size: z.int().min(1).max(BLOB_MAX), entries: entriesSchema }),
]);
type SavedResource = z.output<typeof resourceSchema>;

/** The resources of one device, within bounds. Methods throw a Refusal for what cannot be. */
export class ResourceTable {
  readonly #resources = new Map<number, Resource>();
  #bytes = 0;
  #entries = 0;

  /** `bytesMax`: of pixels that the host holds for the guest. */
  constructor(private readonly bytesMax: number) {}

  get all(): Iterable<Resource> {
    return this.#resources.values();
  }

  /** Bytes of the host's memory that pixels take. */
  get bytes(): number {
    return this.#bytes;
  }

  find(id: number): Resource | undefined {
    return this.#resources.get(id);
  }

  get(id: number): Resource {
    const resource = this.#resources.get(id);
    if (!resource) throw new Refusal(RESPONSE.ERR_INVALID_RESOURCE_ID);
    return resource;
  }

  createImage(id: number, format: number, width: number, height: number): ImageResource {
    this.#checkNew(id);
    if (!FORMATS.has(format) || width < 1 || height < 1 || width > SIDE_MAX || height > SIDE_MAX)
      throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
    const bytes = width * height * PIXEL_BYTES;
    if (this.#bytes + bytes > this.bytesMax) throw new Refusal(RESPONSE.ERR_OUT_OF_MEMORY);
    const resource: ImageResource = { kind: 'image', id, width, height, format, pixels: new Uint32Array(width * height) };
    this.#resources.set(id, resource);
    this.#bytes += bytes;
    return resource;
  }

  createBlob(id: number, size: number): BlobResource {
    this.#checkNew(id);
    if (size < 1 || size > BLOB_MAX) throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
    const resource: BlobResource = { kind: 'blob', id, size };
    this.#resources.set(id, resource);
    return resource;
  }

  remove(resource: Resource): void {
    this.detach(resource);
    if (resource.kind === 'image') this.#bytes -= resource.pixels.byteLength;
    this.#resources.delete(resource.id);
  }

  /** Whether so many more pieces of memory may be attached. */
  checkEntries(count: number): void {
    if (this.#entries + count > ENTRIES_MAX) throw new Refusal(RESPONSE.ERR_OUT_OF_MEMORY);
  }

  attach(resource: Resource, entries: readonly BackingEntry[], memory: GuestMemory): void {
    if (resource.entries) throw new Refusal(RESPONSE.ERR_UNSPEC);
    this.checkEntries(entries.length);
    try {
      resource.backing = new Backing(memory, entries);
    } catch {
      throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
    }
    resource.entries = entries;
    this.#entries += entries.length;
  }

  detach(resource: Resource): void {
    this.#entries -= resource.entries?.length ?? 0;
    resource.entries = undefined;
    resource.backing = undefined;
  }

  clear(): void {
    this.#resources.clear();
    this.#bytes = 0;
    this.#entries = 0;
  }

  /** Find the guest's pages of what was restored. Throws DeviceError.InvalidParameter where they are none. */
  resolve(memory: GuestMemory): void {
    for (const resource of this.#resources.values()) {
      if (resource.entries) resource.backing ??= new Backing(memory, resource.entries);
    }
  }

  save(): SavedResource[] {
    return [...this.#resources.values()].map((resource) => {
      const entries = resource.entries?.map(({ address, length }): [number, number] => [address, length]) ?? null;
      const { id, kind } = resource;
      if (kind === 'blob') return { kind, id, size: resource.size, entries };
      const { width, height, format, pixels } = resource;
      const packed = deflateRawSync(new Uint8Array(pixels.buffer), { level: constants.Z_BEST_SPEED });
      return { kind, id, width, height, format, pixels: saveBytes(packed), entries };
    });
  }

  /** Make what was saved. Throws an Error for what no device has saved. */
  static load(saved: readonly SavedResource[], bytesMax: number): ResourceTable {
    const table = new ResourceTable(bytesMax);
    for (const one of saved) {
      const resource =
        one.kind === 'blob' ? table.createBlob(one.id, one.size) : table.createImage(one.id, one.format, one.width, one.height);
      if (one.kind === 'image' && resource.kind === 'image') {
        const { pixels } = resource;
        const bytes = inflateRawSync(loadBytes(one.pixels), { maxOutputLength: pixels.byteLength });
        if (bytes.length !== pixels.byteLength) throw new Error('pixels are missing');
        new Uint8Array(pixels.buffer).set(bytes);
      }
      if (!one.entries) continue;
      table.checkEntries(one.entries.length);
      resource.entries = one.entries.map(([address, length]) => ({ address, length }));
      table.#entries += one.entries.length;
    }
    return table;
  }

  #checkNew(id: number): void {
    if (id === 0 || this.#resources.has(id)) throw new Refusal(RESPONSE.ERR_INVALID_RESOURCE_ID);
    if (this.#resources.size >= RESOURCES_MAX) throw new Refusal(RESPONSE.ERR_OUT_OF_MEMORY);
  }
}

/**
 * Copy a part of an image from the guest's pages; `offset` is where in them its first pixel is (TRANSFER_TO_HOST_2D). Returns of how many pieces
 * of memory it was.
 */
export function transfer({ width, height, pixels, backing }: ImageResource, part: Rectangle, offset: number): number {
  if (!isInside(part, width, height)) throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
  const stride = width * PIXEL_BYTES;
  const rowBytes = part.width * PIXEL_BYTES;
  if (!backing) throw new Refusal(RESPONSE.ERR_UNSPEC);
  if (offset + stride * (part.height - 1) + rowBytes > backing.length) throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
  const bytes = new Uint8Array(pixels.buffer);
  const start = part.y * stride + part.x * PIXEL_BYTES;
  if (rowBytes === stride) return backing.copy(offset, stride * part.height, bytes, start);
  let pieces = 0;
  for (let row = 0; row < part.height; row++) pieces += backing.copy(offset + row * stride, rowBytes, bytes, start + row * stride);
  return pieces;
}

/** A part of an image, to be looked at. */
export class ImagePicture implements Picture {
  readonly width: number;
  readonly height: number;
  readonly within: PartOf;
  readonly #format: PixelFormat;

  constructor(
    private readonly image: ImageResource,
    private readonly part: Rectangle,
  ) {
    if (!isInside(part, image.width, image.height) || !isShowable(part)) throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
    this.width = part.width;
    this.height = part.height;
    this.within = { of: image, x: part.x, y: part.y, width: image.width, height: image.height };
    this.#format = formatOf(image.format);
  }

  readRow(x: number, y: number, width: number, target: Uint32Array, at: number): void {
    const { image, part } = this;
    toOpaque(this.#format, image.pixels, (part.y + y) * image.width + part.x + x, width, target, at);
  }
}

/** A part of a blob, to be looked at: what is in guest memory at that moment. */
export class BlobPicture implements Picture {
  readonly width: number;
  readonly height: number;
  readonly within: PartOf;
  readonly #format: PixelFormat;

  constructor(
    private readonly blob: BlobResource,
    private readonly part: Rectangle,
    private readonly layout: BlobLayout,
  ) {
    const { width, height, stride, offset, format } = layout;
    if (!isInside(part, width, height) || !isShowable(part)) throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
    if (stride < width * PIXEL_BYTES || offset + stride * (height - 1) + width * PIXEL_BYTES > blob.size)
      throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
    this.width = part.width;
    this.height = part.height;
    this.within = { of: blob, x: part.x, y: part.y, width, height };
    this.#format = formatOf(format);
  }

  readRow(x: number, y: number, width: number, target: Uint32Array, at: number): void {
    const { part, layout } = this;
    const { backing } = this.blob;
    const from = layout.offset + (part.y + y) * layout.stride + (part.x + x) * PIXEL_BYTES;
    // The driver may take its pages away at any time.
    if (!backing || from + width * PIXEL_BYTES > backing.length) {
      target.fill(BLACK, at, at + width);
      return;
    }
    backing.copy(from, width * PIXEL_BYTES, new Uint8Array(target.buffer, target.byteOffset, target.byteLength), at * PIXEL_BYTES);
    toOpaque(this.#format, target, at, width, target, at);
  }
}

function formatOf(number: number): PixelFormat {
  const format = FORMATS.get(number);
  if (!format) throw new Refusal(RESPONSE.ERR_INVALID_PARAMETER);
  return format;
}

function isInside({ x, y, width, height }: Rectangle, outerWidth: number, outerHeight: number): boolean {
  return width > 0 && height > 0 && x + width <= outerWidth && y + height <= outerHeight;
}
