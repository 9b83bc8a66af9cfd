import type { PixelFormat } from '../../../gpu/picture';

/** Numbers of the GPU device (virtio 1.3 §5.7). */

export const F_EDID = 1;
export const F_RESOURCE_BLOB = 3;

/** Queue 0 is the control queue. */
export const CURSOR_QUEUE = 1;

// Offsets in the configuration space (§5.7.4).
export const EVENTS_READ = 0;
export const EVENTS_CLEAR = 4;
export const NUM_SCANOUTS = 8;
export const CONFIG_BYTES = 16;
export const EVENT_DISPLAY = 1;

/** Of requests (§5.7.6.7). */
export const COMMAND = {
  GET_DISPLAY_INFO: 0x100,
  RESOURCE_CREATE_2D: 0x101,
  RESOURCE_UNREF: 0x102,
  SET_SCANOUT: 0x103,
  RESOURCE_FLUSH: 0x104,
  TRANSFER_TO_HOST_2D: 0x105,
  RESOURCE_ATTACH_BACKING: 0x106,
  RESOURCE_DETACH_BACKING: 0x107,
  GET_EDID: 0x10a,
  RESOURCE_CREATE_BLOB: 0x10c,
  SET_SCANOUT_BLOB: 0x10d,
  UPDATE_CURSOR: 0x300,
  MOVE_CURSOR: 0x301,
} as const;

export const RESPONSE = {
  OK_NODATA: 0x1100,
  OK_DISPLAY_INFO: 0x1101,
  OK_EDID: 0x1104,
  ERR_UNSPEC: 0x1200,
  ERR_OUT_OF_MEMORY: 0x1201,
  ERR_INVALID_SCANOUT_ID: 0x1202,
  ERR_INVALID_RESOURCE_ID: 0x1203,
  ERR_INVALID_PARAMETER: 0x1205,
} as const;
export type ResponseType = (typeof RESPONSE)[keyof typeof RESPONSE];

/** le32 type, le32 flags, le64 fence_id, le32 ctx_id, u8 ring_idx, u8 padding[3]. */
export const HEADER_BYTES = 24;
export const FLAG_FENCE = 1;
export const FLAG_INFO_RING_IDX = 2;
/** le64 addr, le32 length, le32 padding. */
export const ENTRY_BYTES = 16;

/** Scanouts of which GET_DISPLAY_INFO tells, whether they are there or not. */
export const DISPLAY_INFOS = 16;
export const DISPLAY_INFO_BYTES = 24;
/** le32 size, le32 padding, then what there is. */
export const EDID_RESPONSE_BYTES = 8 + 1024;

export const BLOB_MEM_GUEST = 1;

/** Bytes of a pixel; all formats have four. */
export const PIXEL_BYTES = 4;

/** enum virtio_gpu_formats: names say which part is in which byte, the first is the lowest. */
export const FORMATS: ReadonlyMap<number, PixelFormat> = new Map([
  [1, { blue: 0, green: 8, red: 16, alpha: 24 }], // B8G8R8A8
  [2, { blue: 0, green: 8, red: 16 }], // B8G8R8X8
  [3, { alpha: 0, red: 8, green: 16, blue: 24 }], // A8R8G8B8
  [4, { red: 8, green: 16, blue: 24 }], // X8R8G8B8
  [67, { red: 0, green: 8, blue: 16, alpha: 24 }], // R8G8B8A8
  [68, { blue: 8, green: 16, red: 24 }], // X8B8G8R8
  [121, { alpha: 0, blue: 8, green: 16, red: 24 }], // A8B8G8R8
  [134, { red: 0, green: 8, blue: 16 }], // R8G8B8X8
]);
