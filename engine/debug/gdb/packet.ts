/**
 * Packets of the GDB remote protocol (GDB manual, appendix E.1): `$payload#checksum`, with acknowledgements `+` and `-` between them and
 * the byte 3 for an interrupt. Payloads are strings of one character a byte.
 */

export type PacketEvent =
  /** `isSound`: its checksum is right. */
  | { kind: 'packet'; payload: string; isSound: boolean }
  /** It was longer than the limit, and is lost. */
  | { kind: 'overlong' }
  | { kind: 'ack' | 'nack' | 'interrupt' }
  /** A byte between packets that means nothing. */
  | { kind: 'stray' };

const [DOLLAR, HASH, ESCAPE, PLUS, MINUS, INTERRUPT] = [0x24, 0x23, 0x7d, 0x2b, 0x2d, 3];
const ESCAPE_BIT = 0x20;

/** Takes a stream apart, in whatever pieces it comes; keeps no more than one packet. */
export class PacketParser {
  private state: 'between' | 'payload' | 'checksum' | 'checksum2' = 'between';
  private readonly bytes: Uint8Array;
  private length = 0;
  private isOverlong = false;
  private isEscaped = false;
  private sum = 0;
  private given = 0;

  /** @param limit bytes of a payload, unescaped */
  constructor(limit: number) {
    this.bytes = new Uint8Array(limit);
  }

  push(chunk: Uint8Array): PacketEvent[] {
    const events: PacketEvent[] = [];
    for (const byte of chunk) {
      const event = this.take(byte);
      if (event) events.push(event);
    }
    return events;
  }

  private take(byte: number): PacketEvent | undefined {
    if (byte === DOLLAR) {
      // Within a payload it is always escaped: what was before has lost its end.
      this.begin();
      return undefined;
    }
    switch (this.state) {
      case 'between':
        if (byte === PLUS) return { kind: 'ack' };
        if (byte === MINUS) return { kind: 'nack' };
        return { kind: byte === INTERRUPT ? 'interrupt' : 'stray' };
      case 'payload':
        this.takePayload(byte);
        return undefined;
      case 'checksum':
        this.given = hexDigit(byte) * 16;
        this.state = 'checksum2';
        return undefined;
      case 'checksum2':
        this.given += hexDigit(byte);
        this.state = 'between';
        return this.finish();
    }
  }

  private begin(): void {
    this.state = 'payload';
    this.length = 0;
    this.sum = 0;
    this.isOverlong = false;
    this.isEscaped = false;
  }

  private takePayload(byte: number): void {
    if (byte === HASH) {
      this.state = 'checksum';
      return;
    }
    this.sum = (this.sum + byte) & 0xff;
    if (byte === ESCAPE && !this.isEscaped) {
      this.isEscaped = true;
      return;
    }
    if (this.length === this.bytes.length) this.isOverlong = true;
    else this.bytes[this.length++] = this.isEscaped ? byte ^ ESCAPE_BIT : byte;
    this.isEscaped = false;
  }

  private finish(): PacketEvent {
    if (this.isOverlong) return { kind: 'overlong' };
    const payload = Buffer.from(this.bytes.buffer, 0, this.length).toString('latin1');
    return { kind: 'packet', payload, isSound: this.given === this.sum };
  }
}

/** 1000 where it is none: no checksum then. */
function hexDigit(byte: number): number {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(byte | ESCAPE_BIT));
  return digit < 0 ? 1000 : digit;
}

/** A packet as it is sent. The payload must have been escaped where it can hold anything. */
export function encodePacket(payload: string): Buffer {
  const bytes = Buffer.from(payload, 'latin1');
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return Buffer.concat([Buffer.from('$'), bytes, Buffer.from(`#${(sum & 0xff).toString(16).padStart(2, '0')}`)]);
}

/** For payloads with any bytes: `#`, `$`, `}` and `*` have meanings of their own. */
export function escapeBinary(data: string): string {
  return data.replace(/[#$}*]/g, (character) => `}${String.fromCharCode(character.charCodeAt(0) ^ ESCAPE_BIT)}`);
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** Undefined where it is not made of whole bytes in hexadecimal. */
export function fromHex(text: string): Uint8Array | undefined {
  return text.length % 2 === 0 && /^[0-9a-f]*$/i.test(text) ? new Uint8Array(Buffer.from(text, 'hex')) : undefined;
}

/** Text for people, as the protocol carries it. */
export function textToHex(text: string): string {
  return Buffer.from(text, 'utf8').toString('hex');
}

/** A number as the protocol writes it: hexadecimal without a prefix, at most 64 bits. */
export function parseNumber(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : undefined;
}

/** The same for numbers up to `most`. */
export function parseSmall(text: string | undefined, most: number): number | undefined {
  const value = parseNumber(text);
  return value !== undefined && value <= BigInt(most) ? Number(value) : undefined;
}
