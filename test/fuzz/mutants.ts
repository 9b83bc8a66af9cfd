import type { Random } from '../support/random';

/** Numbers at which parsers trip. */
const EDGES = [0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff];
const WORDS = [
  '0',
  '-1',
  '1e999',
  '9007199254740993',
  '18446744073709551616',
  'NaN',
  '',
  ' ',
  '\0',
  '../',
  '/',
  ':',
  ',',
  '=',
  '"',
  '\\',
  '\n',
  '\n\n',
  'ü',
  '\ud800',
  '%00',
  '{',
  '[',
  '@',
  '0x',
  'true',
  'null',
  '__proto__',
];
/** Longer ones say no more. */
const LONGEST = 1 << 16;

/** A copy of a valid input with one to six things wrong, anywhere; `others` are inputs from which pieces come. */
export function mutated(random: Random, input: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let bytes = Buffer.from(input);
  for (let changes = random.pick([1, 1, 1, 2, 3, 6]); changes > 0; changes--) bytes = change(random, bytes, others);
  return bytes.length > LONGEST ? bytes.subarray(0, LONGEST) : bytes;
}

function change(random: Random, bytes: Buffer<ArrayBuffer>, others: readonly Uint8Array[]): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const left = bytes.length - at;
  switch (random.below(11)) {
    case 0:
      if (left > 0) bytes[at] ^= 1 << random.below(8);
      return bytes;
    case 1:
      if (left > 0) bytes[at] = random.below(256);
      return bytes;
    case 2:
    case 3: {
      // A field of a header, where it is aligned.
      const width = random.pick([1, 2, 4, 8]);
      const place = at - (at % width);
      if (place + width > bytes.length) return bytes;
      const value = random.oneIn(3) ? bytes.length + random.between(-8, 8) : random.pick(EDGES);
      const field = Buffer.alloc(8, random.oneIn(4) ? 0xff : 0);
      if (random.oneIn(3)) {
        field.writeUInt32BE(value >>> 0, 4);
        field.copy(bytes, place, 8 - width);
      } else {
        field.writeUInt32LE(value >>> 0, 0);
        field.copy(bytes, place, 0, width);
      }
      return bytes;
    }
    case 4:
      return bytes.subarray(0, at);
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.between(1, 16))]);
    case 6: {
      const piece = bytes.subarray(at, at + random.between(1, 64));
      const to = random.below(bytes.length + 1);
      return Buffer.concat([bytes.subarray(0, to), piece, bytes.subarray(random.oneIn(2) ? to : to + piece.length)]);
    }
    case 7: {
      const other = random.pick(others);
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))]);
    }
    case 8: {
      const word = Buffer.from(random.pick(WORDS));
      return Buffer.concat([bytes.subarray(0, at), word, bytes.subarray(at + random.pick([0, 1, word.length]))]);
    }
    case 9: {
      // A number in a text.
      const digits = /\d+/g;
      const text = bytes.toString('latin1');
      digits.lastIndex = at;
      const found = digits.exec(text);
      if (!found) return bytes;
      const number = random.oneIn(2) ? String(random.pick(EDGES)) : random.pick(WORDS);
      return Buffer.from(text.slice(0, found.index) + number + text.slice(found.index + found[0].length), 'latin1');
    }
    default: {
      const many = Buffer.alloc(random.pick([1, 16, 255, 4096]), random.pick([0, 0x20, 0x2f, 0x41, 0xff]));
      return Buffer.concat([bytes.subarray(0, at), many, bytes.subarray(at)]);
    }
  }
}

/** A copy of JSON data in which one to three things, anywhere, are others, are gone, or have something beside them. */
export function mutatedValue(random: Random, input: unknown): unknown {
  const root = { value: structuredClone(input) };
  for (let changes = random.between(1, 3); changes > 0; changes--) {
    const places = placesIn(root);
    const { holder, key } = random.pick(places);
    const what = anything(random, root.value);
    const target = holder[key];
    switch (random.below(4)) {
      case 0:
        if (Array.isArray(holder)) holder.splice(Number(key), 1);
        else if (holder !== root) delete holder[key];
        break;
      case 1:
        if (Array.isArray(target)) target.push(what);
        else if (typeof target === 'object' && target !== null) (target as Record<string, unknown>)[random.pick(WORDS)] = what;
        else holder[key] = what;
        break;
      default:
        holder[key] = what;
    }
  }
  return root.value;
}

function placesIn(holder: Record<string, unknown>): { holder: Record<string, unknown>; key: string }[] {
  return Object.entries(holder).flatMap(([key, value]) => [
    { holder, key },
    ...(typeof value === 'object' && value !== null ? placesIn(value as Record<string, unknown>) : []),
  ]);
}

function anything(random: Random, root: unknown): unknown {
  switch (random.below(5)) {
    case 0:
      return random.pick(EDGES) * random.pick([1, -1, 0.5, 2 ** 32, 1e300]);
    case 1:
      return random.pick(WORDS).repeat(random.pick([1, 1, 3, 1000]));
    case 2:
      return random.pick<unknown>([null, true, false, [], {}, [[]], [null], { a: {} }]);
    case 3:
      // Something that belongs elsewhere.
      return structuredClone(random.pick(placesIn({ root })).holder);
    default:
      return Array.from({ length: random.below(40) }, () => random.pick(WORDS));
  }
}
