import { createCipheriv, createDecipheriv } from 'node:crypto';
import { CryptoError } from './crypto-error';

/**
 * Symmetric ciphers, the same wherever the engine runs: the host's library (OpenSSL in Node, BoringSSL in Electron) does the blocks, and the
 * modes that one of them lacks are made of those here.
 */

export type Direction = 'encrypt' | 'decrypt';

export interface Cipher {
  /** Lengths that a key may have, in bytes. */
  readonly keyBytes: readonly number[];
  /** Bytes of initialization vector, counter or tweak; 0 for none. */
  readonly ivBytes: number;
  /** Data is a multiple of this, in bytes. */
  readonly unit: number;
  /** Throws CryptoError 'wrong' for what has another length. The result is as long as the data. */
  apply(direction: Direction, key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array;
}

/** A block cipher as the host's library knows it. */
export interface Blocks {
  readonly bytes: number;
  readonly keyBytes: readonly number[];
  /** By the length of the key. */
  name(keyBytes: number, mode: 'ecb' | 'cbc' | 'ctr'): string;
  /** The key as the library takes it. */
  key?(key: Uint8Array): Uint8Array;
}

export const AES: Blocks = { bytes: 16, keyBytes: [16, 24, 32], name: (keyBytes, mode) => `aes-${keyBytes * 8}-${mode}` };
const tripleDesName = (_keyBytes: number, mode: string): string => (mode === 'ecb' ? 'des-ede3' : `des-ede3-${mode}`);
export const TRIPLE_DES: Blocks = { bytes: 8, keyBytes: [24], name: tripleDesName };
/** As three times the same key: OpenSSL 3 has DES alone only where it is asked to start with what is old. */
const DES: Blocks = { bytes: 8, keyBytes: [8], name: tripleDesName, key: (key) => Uint8Array.of(...key, ...key, ...key) };

/** One of the library's modes on whole data, without padding. */
export function run(
  blocks: Blocks,
  mode: 'ecb' | 'cbc' | 'ctr',
  direction: Direction,
  key: Uint8Array,
  iv: Uint8Array | null,
  data: Uint8Array,
): Uint8Array {
  const create = direction === 'encrypt' ? createCipheriv : createDecipheriv;
  const cipher = create(blocks.name(key.length, mode), blocks.key?.(key) ?? key, iv).setAutoPadding(false);
  const result = cipher.update(data);
  const rest = cipher.final();
  return rest.length === 0 ? result : Buffer.concat([result, rest]);
}

/** Checks lengths before the library sees them. */
function cipher(properties: Omit<Cipher, 'apply'>, apply: Cipher['apply']): Cipher {
  const { keyBytes, ivBytes, unit } = properties;
  return {
    ...properties,
    apply: (direction, key, iv, data) => {
      if (!keyBytes.includes(key.length)) throw new CryptoError('wrong', `A key of ${key.length} bytes; it has ${keyBytes.join(' or ')}.`);
      if (iv.length !== ivBytes) throw new CryptoError('wrong', `An initialization vector of ${iv.length} bytes; it has ${ivBytes}.`);
      if (data.length % unit !== 0) throw new CryptoError('wrong', `${data.length} bytes are no multiple of ${unit}.`);
      return data.length === 0 ? new Uint8Array(0) : apply(direction, key, iv, data);
    },
  };
}

const ecb = (blocks: Blocks): Cipher =>
  cipher({ keyBytes: blocks.keyBytes, ivBytes: 0, unit: blocks.bytes }, (direction, key, _iv, data) =>
    run(blocks, 'ecb', direction, key, null, data),
  );
const cbc = (blocks: Blocks): Cipher =>
  cipher({ keyBytes: blocks.keyBytes, ivBytes: blocks.bytes, unit: blocks.bytes }, (direction, key, iv, data) =>
    run(blocks, 'cbc', direction, key, iv, data),
  );

function xor(one: Uint8Array, other: Uint8Array): Uint8Array {
  const result = new Uint8Array(one.length);
  for (let i = 0; i < one.length; i++) result[i] = one[i] ^ other[i];
  return result;
}

/** Counter mode (NIST SP 800-38A §6.5) of a cipher whose library does not have it: the counter is the whole block, big-endian. */
const counterMode = (blocks: Blocks): Cipher =>
  cipher({ keyBytes: blocks.keyBytes, ivBytes: blocks.bytes, unit: 1 }, (_direction, key, iv, data) => {
    const counters = new Uint8Array(Math.ceil(data.length / blocks.bytes) * blocks.bytes);
    const counter = Uint8Array.from(iv);
    for (let at = 0; at < counters.length; at += blocks.bytes) {
      counters.set(counter, at);
      // A byte that comes round to 0 carries on.
      for (let i = blocks.bytes - 1; i >= 0; i--) {
        counter[i]++;
        if (counter[i] !== 0) break;
      }
    }
    return xor(data, run(blocks, 'ecb', 'encrypt', key, null, counters));
  });

/** The next tweak: times x in GF(2^128), little-endian (IEEE 1619-2007 §5.2). */
function nextTweak(tweak: Uint8Array): void {
  let carry = 0;
  for (let i = 0; i < 16; i++) {
    const byte = tweak[i];
    tweak[i] = (byte << 1) | carry;
    carry = byte >> 7;
  }
  if (carry) tweak[0] ^= 0x87;
}

/** AES-XTS (IEEE 1619-2007), with ciphertext stealing where the data is no whole number of blocks. */
const xts = cipher({ keyBytes: [32, 64], ivBytes: 16, unit: 1 }, (direction, key, iv, data) => {
  if (data.length < 16) throw new CryptoError('wrong', `XTS takes at least 16 bytes, not ${data.length}.`);
  const half = key.length / 2;
  const dataKey = key.subarray(0, half);
  const tweak = Uint8Array.from(run(AES, 'ecb', 'encrypt', key.subarray(half), null, iv));
  const stolen = data.length % 16;
  const whole = data.length - stolen;
  const tweaks = new Uint8Array(whole + (stolen > 0 ? 16 : 0));
  for (let at = 0; at < tweaks.length; at += 16, nextTweak(tweak)) tweaks.set(tweak, at);
  const blocks = (from: number, bytes: Uint8Array): Uint8Array => {
    const mask = tweaks.subarray(from, from + bytes.length);
    return xor(run(AES, 'ecb', direction, dataKey, null, xor(bytes, mask)), mask);
  };
  if (stolen === 0) return blocks(0, data);
  const result = new Uint8Array(data.length);
  const last = whole - 16;
  result.set(blocks(0, data.subarray(0, last)));
  // The last whole block and the rest change places; decrypting uses their tweaks the other way round.
  const [first, second] = direction === 'encrypt' ? [last, whole] : [whole, last];
  const full = blocks(first, data.subarray(last, whole));
  const tail = Uint8Array.from(full);
  tail.set(data.subarray(whole));
  result.set(blocks(second, tail), last);
  result.set(full.subarray(0, stolen), whole);
  return result;
});

export const CIPHERS = {
  'aes-ecb': ecb(AES),
  'aes-cbc': cbc(AES),
  'aes-ctr': cipher({ keyBytes: AES.keyBytes, ivBytes: 16, unit: 1 }, (direction, key, iv, data) =>
    run(AES, 'ctr', direction, key, iv, data),
  ),
  'aes-xts': xts,
  'des-ecb': ecb(DES),
  'des-cbc': cbc(DES),
  '3des-ecb': ecb(TRIPLE_DES),
  '3des-cbc': cbc(TRIPLE_DES),
  '3des-ctr': counterMode(TRIPLE_DES),
} as const satisfies Record<string, Cipher>;
export type CipherName = keyof typeof CIPHERS;
