import { DeviceError } from '../../../errors/vm-error';
import { FRAME_MAX, type Frame, type Segmentation } from '../../../backend/net/packet-port';
import type { ScatterGatherList } from '../../../memory/scatter-gather-list';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_USO,
} from './features';

/** Bytes of what stands before each frame (virtio 1.3 §5.1.6); without hash reports the same in all modes. */
export const HEADER_BYTES = 12;

const FLAG_NEEDS_CHECKSUM = 1;
const FLAG_DATA_VALID = 2;
const GSO_NONE = 0;
const GSO_ECN = 0x80;

const ETHERNET_BYTES = 14;

/** Kinds of segmentation: the number, the feature that lets the driver use it, and our word. */
const SEGMENTATIONS: readonly { type: number; feature: number; name: Segmentation }[] = [
  { type: 1, feature: VIRTIO_NET_F_HOST_TSO4, name: 'tcp4' },
  { type: 4, feature: VIRTIO_NET_F_HOST_TSO6, name: 'tcp6' },
  { type: 5, feature: VIRTIO_NET_F_HOST_USO, name: 'udp' },
];

/** Reads the headers of frames that the driver sends. One frame at a time: it is the same object for each. */
export class HeaderReader {
  readonly #bytes = new Uint8Array(HEADER_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #frame: Frame = {
    views: [],
    length: 0,
    checksumStart: -1,
    checksumOffset: 0,
    checksumValid: false,
    segmentation: 'none',
    segmentSize: 0,
    headerLength: 0,
    ecn: false,
  };

  /**
   * The frame in a chain. Undefined for one that no card would send: too short or too long, or with a header that does not fit it.
   * Throws DeviceError.InvalidParameter where there is no header.
   */
  read({ readable }: { readable: ScatterGatherList }, features: ReadonlySet<number>): Frame | undefined {
    if (readable.length < HEADER_BYTES)
      throw DeviceError.InvalidParameter(`A frame begins with a header of ${HEADER_BYTES} bytes; there are ${readable.length}.`);
    const frame = this.#frame;
    const length = readable.length - HEADER_BYTES;
    if (length < ETHERNET_BYTES || length > FRAME_MAX) return undefined;
    readable.copyTo(this.#bytes);
    const flags = this.#bytes[0];
    const type = this.#bytes[1] & ~GSO_ECN;
    const start = this.#view.getUint16(6, true);
    const offset = this.#view.getUint16(8, true);
    const needsChecksum = (flags & FLAG_NEEDS_CHECKSUM) !== 0;
    if (needsChecksum && (!features.has(VIRTIO_NET_F_CSUM) || start + offset + 2 > length)) return undefined;
    frame.checksumStart = needsChecksum ? start : -1;
    frame.checksumOffset = offset;
    frame.segmentation = 'none';
    frame.segmentSize = 0;
    frame.ecn = false;
    if (type !== GSO_NONE) {
      const kind = SEGMENTATIONS.find((one) => one.type === type);
      const size = this.#view.getUint16(4, true);
      if (!kind || !features.has(kind.feature) || !needsChecksum || size === 0) return undefined;
      frame.segmentation = kind.name;
      frame.segmentSize = size;
      frame.ecn = (this.#bytes[1] & GSO_ECN) !== 0 && features.has(VIRTIO_NET_F_HOST_ECN);
    }
    frame.headerLength = Math.min(this.#view.getUint16(2, true), length);
    frame.length = length;
    frame.views = readable.views(HEADER_BYTES);
    return frame;
  }
}

/** Writes the header of a frame for the driver, which lies in `buffers` buffers. */
export function writeHeader(header: Uint8Array, frame: Frame, buffers: number): void {
  const view = new DataView(header.buffer, header.byteOffset, HEADER_BYTES);
  const partial = frame.checksumStart >= 0;
  header.fill(0, 0, HEADER_BYTES);
  header[0] = partial ? FLAG_NEEDS_CHECKSUM : frame.checksumValid ? FLAG_DATA_VALID : 0;
  if (partial) {
    view.setUint16(6, frame.checksumStart, true);
    view.setUint16(8, frame.checksumOffset, true);
  }
  const kind = frame.segmentation === 'none' ? undefined : SEGMENTATIONS.find((one) => one.name === frame.segmentation);
  if (kind) {
    header[1] = kind.type | (frame.ecn ? GSO_ECN : 0);
    view.setUint16(2, frame.headerLength, true);
    view.setUint16(4, frame.segmentSize, true);
  }
  view.setUint16(10, buffers, true);
}
