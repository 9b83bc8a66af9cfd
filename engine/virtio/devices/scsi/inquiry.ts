import { ascii } from './command';
import type { LogicalUnit, UnitKind } from './logical-unit';

const VENDOR = 'HARTBOX';
const PRODUCT: Record<UnitKind, string> = { disk: 'Disk', cdrom: 'CD-ROM' };
const REVISION = '1';
/** Peripheral device types (SPC-5 table 151). */
const DEVICE_TYPE: Record<UnitKind, number> = { disk: 0x00, cdrom: 0x05 };
/** Qualifier 3 and type 1Fh: the target knows no such unit. */
const NO_UNIT = 0x7f;
const SPC_4 = 6;

/** Standard INQUIRY data (SPC-5 §6.7.2); without a kind, for a logical unit number behind which there is none. */
export function inquiryData(kind: UnitKind | undefined): Uint8Array {
  const bytes = [
    kind === undefined ? NO_UNIT : DEVICE_TYPE[kind],
    // RMB: the medium can be removed.
    kind === 'cdrom' ? 0x80 : 0,
    SPC_4,
    // HISUP, and the response data format, always 2.
    0x12,
    0,
    0,
    0,
    // CMDQUE: many commands at a time.
    0x02,
    ...ascii(VENDOR, 8),
    ...ascii(kind === undefined ? '' : PRODUCT[kind], 16),
    ...ascii(REVISION, 4),
  ];
  bytes[4] = bytes.length - 5;
  return Uint8Array.from(bytes);
}

/** The limits of UNMAP and WRITE SAME, in blocks and descriptors. */
export const UNMAP_MAX_BYTES = 2 ** 31;
export const UNMAP_DESCRIPTORS_MAX = 256;
/** What the device reads or writes by itself takes time, in which nothing can stop it: no more than this at a time. */
export const TRANSFER_MAX_BYTES = 1 << 25;
/** Hosts' files are made of blocks of this size. */
const HOST_BLOCK = 4096;

type Page = (unit: LogicalUnit) => number[] | Uint8Array | undefined;

/** Vital product data (SPC-5 §7.7, SBC-4 §6.6): each page without its header. B1h says that nothing rotates. */
const pages = new Map<number, Page>([
  [0x80, ({ serial }) => (serial === '' ? undefined : ascii(serial, serial.length))],
  [0x83, deviceIdentification],
  [0xb0, blockLimits],
  [0xb1, ({ kind }) => (kind === 'disk' ? Uint8Array.of(0, 1, ...new Uint8Array(58)) : undefined)],
  [0xb2, logicalBlockProvisioning],
]);

/** A page of vital product data, or undefined where the unit has none of that number. */
export function vitalProductData(unit: LogicalUnit, code: number): Uint8Array | undefined {
  // Page 0 lists them.
  const data = code === 0 ? [0, ...[...pages.keys()].filter((other) => pages.get(other)?.(unit))] : pages.get(code)?.(unit);
  if (!data) return undefined;
  return Uint8Array.of(DEVICE_TYPE[unit.kind], code, data.length >>> 8, data.length & 0xff, ...data);
}

/** A name by vendor (SPC-5 §7.7.6.5): of the serial number, so that it stays the same from boot to boot. */
function deviceIdentification({ kind, serial }: LogicalUnit): number[] {
  const name = [...ascii(VENDOR, 8), ...ascii(PRODUCT[kind], 16), ...ascii(serial, serial.length)];
  return [0x02, 0x01, 0, name.length, ...name];
}

function blockLimits({ kind, blockSize, inserted }: LogicalUnit): Uint8Array | undefined {
  if (kind !== 'disk') return undefined;
  const page = new DataView(new ArrayBuffer(60));
  // WSNZ: a WRITE SAME of zero blocks does not mean all.
  page.setUint8(0, 0x01);
  page.setUint16(2, HOST_BLOCK / blockSize);
  page.setUint32(4, TRANSFER_MAX_BYTES / blockSize);
  if (inserted?.discards) {
    page.setUint32(16, UNMAP_MAX_BYTES / blockSize);
    page.setUint32(20, UNMAP_DESCRIPTORS_MAX);
    page.setUint32(24, Math.ceil(inserted.geometry.discardGranularity / blockSize));
    // UGAVALID: the alignment is 0.
    page.setUint32(28, 0x8000_0000);
  }
  page.setUint32(36, TRANSFER_MAX_BYTES / blockSize);
  return new Uint8Array(page.buffer);
}

/** LBPU, LBPWS, LBPWS10: what unmaps. Thinly provisioned, and what was unmapped need not read as zeroes. */
function logicalBlockProvisioning({ kind, inserted }: LogicalUnit): number[] | undefined {
  if (kind !== 'disk') return undefined;
  return inserted?.discards ? [0, 0xe0, 0x02, 0] : [0, 0, 0, 0];
}
