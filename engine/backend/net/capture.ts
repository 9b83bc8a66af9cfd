import { systemError } from '../../errors/system-error';
import { VmError } from '../../errors/vm-error';
import { openOutput, OutputStream } from '../../host/output-file';
import type { Frame } from './packet-port';
import { wireCopy } from './plain-frames';

// Blocks of pcapng (draft-ietf-opsawg-pcapng) and their options.
const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;
const OPTION_END = 0;
const OPTION_USER_APPLICATION = 4;
const OPTION_INTERFACE_NAME = 2;
const OPTION_TIME_RESOLUTION = 9;
const OPTION_PACKET_FLAGS = 2;
const MICROSECONDS = 6;
const INBOUND = 1;
const OUTBOUND = 2;

/** Bytes that may wait for the disk; frames that come then are left out. */
const WAITING_MAX = 16 << 20;

/** Which way a frame goes, as the guest sees it. */
export type Direction = 'in' | 'out';

/**
 * Writes frames to a pcapng file, as Wireshark and tcpdump read it. Checksums that a card would still make are made; a large frame that
 * stands for many is one packet, as in a capture in the guest.
 */
export class Capture {
  frames = 0;
  /** Frames that the disk was too slow for. */
  dropped = 0;
  /** Its file. */
  readonly path: string;
  readonly #file: OutputStream;
  #failure: Error | undefined;

  private constructor(path: string, file: OutputStream) {
    this.path = path;
    this.#file = file;
    file.on('error', (error) => {
      this.#failure = error;
    });
  }

  /** Begin a file; one of that name is replaced. `interfaces` are the names of adapters, by number. Throws VmError 'Resource'. */
  static async open(path: string, interfaces: readonly string[]): Promise<Capture> {
    // Whoever may read it sees all that went through.
    const file = new OutputStream(await openOutput(path, { mode: 0o600 }, 'The capture could not be begun'));
    const capture = new Capture(path, file);
    file.write(sectionHeader());
    for (const name of interfaces) file.write(interfaceDescription(name));
    return capture;
  }

  add(adapter: number, direction: Direction, frame: Frame): void {
    if (this.#file.writableLength >= WAITING_MAX || this.#failure) {
      this.dropped++;
      return;
    }
    this.frames++;
    this.#file.write(packet(adapter, direction, wireCopy(frame)));
  }

  /** Ends the file. Throws VmError 'Resource' where it could not be written. */
  async close(): Promise<void> {
    await this.#file.finish();
    const failure = this.#failure;
    if (failure)
      throw systemError(failure, 'The capture could not be written') ?? new VmError('Resource', failure.message, { cause: failure });
  }
}

function sectionHeader(): Uint8Array {
  const fixed = new Uint8Array(16);
  const view = new DataView(fixed.buffer);
  view.setUint32(0, BYTE_ORDER_MAGIC, true);
  view.setUint16(4, 1, true);
  // Nobody knows yet how long the section gets.
  fixed.fill(0xff, 8);
  return block(SECTION_HEADER, [fixed, option(OPTION_USER_APPLICATION, Buffer.from('Hartbox')), option(OPTION_END)]);
}

function interfaceDescription(name: string): Uint8Array {
  const fixed = new Uint8Array(8);
  new DataView(fixed.buffer).setUint16(0, LINKTYPE_ETHERNET, true);
  return block(INTERFACE_DESCRIPTION, [
    fixed,
    option(OPTION_INTERFACE_NAME, Buffer.from(name)),
    option(OPTION_TIME_RESOLUTION, Uint8Array.of(MICROSECONDS)),
    option(OPTION_END),
  ]);
}

function packet(adapter: number, direction: Direction, bytes: Uint8Array): Uint8Array {
  const fixed = new Uint8Array(20);
  const view = new DataView(fixed.buffer);
  const now = Math.floor((performance.timeOrigin + performance.now()) * 1000);
  view.setUint32(0, adapter, true);
  view.setUint32(4, Math.floor(now / 0x1_0000_0000), true);
  view.setUint32(8, now % 0x1_0000_0000, true);
  view.setUint32(12, bytes.length, true);
  view.setUint32(16, bytes.length, true);
  const flags = new Uint8Array(4);
  flags[0] = direction === 'in' ? INBOUND : OUTBOUND;
  return block(ENHANCED_PACKET, [fixed, padded(bytes), option(OPTION_PACKET_FLAGS, flags), option(OPTION_END)]);
}

/** Type and length before it, the length once more behind it. */
function block(type: number, parts: readonly Uint8Array[]): Uint8Array {
  let length = 12;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  let at = 8;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  view.setUint32(at, length, true);
  return bytes;
}

function option(code: number, value = new Uint8Array(0)): Uint8Array {
  const head = new Uint8Array(4);
  const view = new DataView(head.buffer);
  view.setUint16(0, code, true);
  view.setUint16(2, value.length, true);
  return Buffer.concat([head, padded(value)]);
}

/** Up to whole words. */
function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.length % 4 === 0) return bytes;
  const whole = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  whole.set(bytes);
  return whole;
}
