import { createHash, createHmac } from 'node:crypto';
import { sha3_224, sha3_256, sha3_384, sha3_512, shake128, shake256 } from '@noble/hashes/sha3.js';
import { AES, type Blocks, run, TRIPLE_DES } from './ciphers';
import { CryptoError } from './crypto-error';

/** Most bytes of a result whose length is free. */
const FREE_LENGTH_MAX = 1024;

export interface Hash {
  /** Bytes of the result; of less the first ones are given. */
  readonly bytes: number;
  digest(data: Uint8Array, bytes: number): Uint8Array;
}

export interface Mac {
  /** Bytes of the result; of less the first ones are given. */
  readonly bytes: number;
  /** Lengths that a key may have, in bytes; undefined for any. */
  readonly keyBytes?: readonly number[] | undefined;
  mac(key: Uint8Array, data: Uint8Array): Uint8Array;
}

const native = (name: string, bytes: number): Hash => ({ bytes, digest: (data) => createHash(name).update(data).digest() });
const pure = (bytes: number, hash: (data: Uint8Array) => Uint8Array): Hash => ({ bytes, digest: hash });
const free = (hash: (data: Uint8Array, options: { dkLen: number }) => Uint8Array): Hash => ({
  bytes: FREE_LENGTH_MAX,
  digest: (data, dkLen) => hash(data, { dkLen }),
});

/** SHA-3 comes from a library of its own: BoringSSL has none. */
export const HASHES = {
  md5: native('md5', 16),
  sha1: native('sha1', 20),
  sha224: native('sha224', 28),
  sha256: native('sha256', 32),
  sha384: native('sha384', 48),
  sha512: native('sha512', 64),
  'sha3-224': pure(28, sha3_224),
  'sha3-256': pure(32, sha3_256),
  'sha3-384': pure(48, sha3_384),
  'sha3-512': pure(64, sha3_512),
  shake128: free(shake128),
  shake256: free(shake256),
} as const satisfies Record<string, Hash>;
export type HashName = keyof typeof HASHES;

const hmac = (name: string, bytes: number): Mac => ({ bytes, mac: (key, data) => createHmac(name, key).update(data).digest() });

/** The last block of CBC over whole blocks; of none at all a block of zeroes. */
export function chain(blocks: Blocks, key: Uint8Array, data: Uint8Array): Uint8Array {
  if (data.length === 0) return new Uint8Array(blocks.bytes);
  return run(blocks, 'cbc', 'encrypt', key, new Uint8Array(blocks.bytes), data).subarray(-blocks.bytes);
}

/** Data in whole blocks: what is missing is `mark`, then zeroes. */
function filled(blocks: Blocks, data: Uint8Array, mark: number[]): Uint8Array {
  const length = Math.max(1, Math.ceil(data.length / blocks.bytes)) * blocks.bytes;
  const result = new Uint8Array(length);
  result.set(data);
  if (data.length < length) result.set(mark, data.length);
  return result;
}

function mixInto(bytes: Uint8Array, last: Uint8Array): Uint8Array {
  const at = bytes.length - last.length;
  for (let i = 0; i < last.length; i++) bytes[at + i] ^= last[i];
  return bytes;
}

/** Times x in the field of the block (NIST SP 800-38B §6.1), big-endian. */
function doubled(value: Uint8Array): Uint8Array {
  const result = new Uint8Array(value.length);
  for (let i = 0; i < value.length; i++) result[i] = (value[i] << 1) | ((value[i + 1] ?? 0) >> 7);
  if (value[0] & 0x80) result[value.length - 1] ^= value.length === 16 ? 0x87 : 0x1b;
  return result;
}

/** CMAC (NIST SP 800-38B). */
const cmac = (blocks: Blocks): Mac => ({
  bytes: blocks.bytes,
  keyBytes: blocks.keyBytes,
  mac: (key, data) => {
    const one = doubled(run(blocks, 'ecb', 'encrypt', key, null, new Uint8Array(blocks.bytes)));
    const isWhole = data.length > 0 && data.length % blocks.bytes === 0;
    return chain(blocks, key, mixInto(filled(blocks, data, [0x80]), isWhole ? one : doubled(one)));
  },
});

/** AES-XCBC-MAC (RFC 3566 §4), whose result is the first 12 bytes of 16. */
const xcbc: Mac = {
  bytes: 16,
  keyBytes: [16],
  mac: (key, data) => {
    const [one, two, three] = [1, 2, 3].map((byte) => run(AES, 'ecb', 'encrypt', key, null, new Uint8Array(16).fill(byte)));
    const isWhole = data.length > 0 && data.length % 16 === 0;
    return chain(AES, one, mixInto(filled(AES, data, [0x80]), isWhole ? two : three));
  },
};

export const MACS = {
  'hmac-md5': hmac('md5', 16),
  'hmac-sha1': hmac('sha1', 20),
  'hmac-sha224': hmac('sha224', 28),
  'hmac-sha256': hmac('sha256', 32),
  'hmac-sha384': hmac('sha384', 48),
  'hmac-sha512': hmac('sha512', 64),
  'cmac-3des': cmac(TRIPLE_DES),
  'cmac-aes': cmac(AES),
  /** Zeroes fill the last block (ISO/IEC 9797-1, MAC algorithm 1). */
  'cbcmac-aes': { bytes: 16, keyBytes: AES.keyBytes, mac: (key, data) => chain(AES, key, filled(AES, data, [])) },
  'xcbc-aes': xcbc,
} as const satisfies Record<string, Mac>;
export type MacName = keyof typeof MACS;

/** Throws CryptoError 'wrong' for a length that the result cannot have. */
export function hash(name: HashName, data: Uint8Array, bytes: number): Uint8Array {
  const algorithm: Hash = HASHES[name];
  return algorithm.digest(data, checked(algorithm.bytes, bytes)).subarray(0, bytes);
}

/** Throws CryptoError 'wrong' for a length that the key or the result cannot have. */
export function mac(name: MacName, key: Uint8Array, data: Uint8Array, bytes: number): Uint8Array {
  const algorithm: Mac = MACS[name];
  if (algorithm.keyBytes && !algorithm.keyBytes.includes(key.length))
    throw new CryptoError('wrong', `A key of ${key.length} bytes; it has ${algorithm.keyBytes.join(' or ')}.`);
  return algorithm.mac(key, data).subarray(0, checked(algorithm.bytes, bytes));
}

function checked(most: number, bytes: number): number {
  if (bytes >= 1 && bytes <= most) return bytes;
  throw new CryptoError('wrong', `A result of ${bytes} bytes; it has 1 to ${most}.`);
}
