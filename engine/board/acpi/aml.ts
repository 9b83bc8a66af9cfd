/**
 * A small encoder for ACPI machine language (ACPI 6.5 §20.2) and resource descriptors (§6.4). Every function returns the bytes of one
 * term; terms nest by concatenation.
 */
export type Aml = readonly number[];

const littleEndian = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);

function text(value: string): number[] {
  return [...value].map((character) => character.charCodeAt(0));
}

/** A reference to a name, as an element of a package. */
export function reference(path: string): Aml {
  return nameString(path);
}

/** A name of up to 4 characters, or a path such as `\_SB.PCI0`. */
function nameString(path: string): number[] {
  const root = path.startsWith('\\') ? [0x5c] : [];
  const segments = path.slice(root.length).split('.');
  const padded = segments.flatMap((segment) => text(segment.padEnd(4, '_')));
  if (segments.length === 1) return [...root, ...padded];
  return [...root, ...(segments.length === 2 ? [0x2e] : [0x2f, segments.length]), ...padded];
}

/** A length that counts itself (§20.2.4). */
function withLength(content: readonly number[]): number[] {
  const { length } = content;
  if (length + 1 < 64) return [length + 1, ...content];
  const extra = length + 2 < 2 ** 12 ? 1 : length + 3 < 2 ** 20 ? 2 : 3;
  const total = length + 1 + extra;
  return [(extra << 6) | (total & 0xf), ...littleEndian(total >>> 4, extra), ...content];
}

/** Unsigned, below 2^53. */
export function integer(value: number): Aml {
  if (value <= 1) return [value];
  if (value < 2 ** 8) return [0x0a, value];
  if (value < 2 ** 16) return [0x0b, ...littleEndian(value, 2)];
  if (value < 2 ** 32) return [0x0c, ...littleEndian(value, 4)];
  return [0x0e, ...littleEndian(value, 8)];
}

export function string(value: string): Aml {
  return [0x0d, ...text(value), 0];
}

/** An EISA id such as PNP0A08 in its four bytes (§19.6.37). */
export function eisaId(id: string): Aml {
  const [a, b, c] = text(id).map((code) => code - 0x40);
  const vendor = (a << 10) | (b << 5) | c;
  return [0x0c, vendor >> 8, vendor & 0xff, ...Buffer.from(id.slice(3), 'hex')];
}

export function buffer(bytes: readonly number[]): Aml {
  return [0x11, ...withLength([...integer(bytes.length), ...bytes])];
}

export function packageOf(elements: readonly Aml[]): Aml {
  return [0x12, ...withLength([elements.length, ...elements.flat()])];
}

export function scope(path: string, terms: readonly Aml[]): Aml {
  return [0x10, ...withLength([...nameString(path), ...terms.flat()])];
}

export function device(name: string, terms: readonly Aml[]): Aml {
  return [0x5b, 0x82, ...withLength([...nameString(name), ...terms.flat()])];
}

/** A method that does nothing; callers give it `parameters` values (0 to 7). */
export function emptyMethod(name: string, parameters: number): Aml {
  return [0x14, ...withLength([...nameString(name), parameters])];
}

export function named(name: string, value: Aml): Aml {
  return [0x08, ...nameString(name), ...value];
}

/** A `_UID`, `_HID`, … device property list in the form of §6.2.5. */
export function deviceProperties(properties: Record<string, number>): Aml {
  const uuid = 'daffd814-6eba-4d8c-8a91-bc9bbf4aa301';
  const pairs = Object.entries(properties).map(([key, value]) => packageOf([string(key), integer(value)]));
  return packageOf([uuidBuffer(uuid), packageOf(pairs)]);
}

/** The first three groups of a UUID are little-endian (§19.6.142). */
function uuidBuffer(uuid: string): Aml {
  const bytes = [...Buffer.from(uuid.replaceAll('-', ''), 'hex')];
  return buffer([...bytes.slice(0, 4).reverse(), ...bytes.slice(4, 6).reverse(), ...bytes.slice(6, 8).reverse(), ...bytes.slice(8)]);
}

// ---- Resources -------------------------------------------------------------------------------------------------------

export function resources(descriptors: readonly Aml[]): Aml {
  return buffer([...descriptors.flat(), 0x79, 0]);
}

/** Read and written; below 4 GiB. */
export function memory32(base: number, bytes: number): Aml {
  return [0x86, 9, 0, 1, ...littleEndian(base, 4), ...littleEndian(bytes, 4)];
}

/** What a bridge passes on to its bus (§6.4.3.5): `first` to `last` there are `translation` further up on this side. */
export function bridgeWindow(type: 'memory' | 'io' | 'bus', { first, last, translation = 0 }: BridgeWindow): Aml {
  const bytes = type === 'bus' ? 2 : last < 2 ** 32 ? 4 : 8;
  const tag = { 2: 0x88, 4: 0x87, 8: 0x8a }[bytes];
  // Ends are fixed. Memory is read and written, not cached; ports are there in the whole range.
  const [kind, flags] = { memory: [0, 1], io: [1, 3], bus: [2, 0] }[type];
  const fields = [0, first, last, translation, last - first + 1].flatMap((value) => littleEndian(value, bytes));
  return [tag, ...littleEndian(3 + fields.length, 2), kind, 0x0c, flags, ...fields];
}

export interface BridgeWindow {
  first: number;
  last: number;
  translation?: number;
}

/** A level-triggered interrupt, active high. */
export function interrupt(number: number): Aml {
  return [0x89, 6, 0, 1, 1, ...littleEndian(number, 4)];
}
