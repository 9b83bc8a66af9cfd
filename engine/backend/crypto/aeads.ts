import { createCipheriv, createDecipheriv, timingSafeEqual } from 'node:crypto';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { AES, type Direction, run } from './ciphers';
import { CryptoError } from './crypto-error';
import { chain } from './digests';

/** Authenticated encryption with associated data. What comes out, and goes in for decryption, is the text with the tag behind it. */
export interface Aead {
  readonly keyBytes: readonly number[];
  readonly nonceBytes: readonly number[];
  readonly tagBytes: readonly number[];
  apply(direction: Direction, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array, tagBytes: number): Uint8Array;
}

function unauthentic(cause?: unknown): CryptoError {
  return new CryptoError('unauthentic', 'The tag does not fit the data.', { cause });
}

/** AES-GCM (NIST SP 800-38D). */
const gcm: Aead = {
  keyBytes: AES.keyBytes,
  nonceBytes: [12],
  tagBytes: [4, 8, 12, 13, 14, 15, 16],
  apply: (direction, key, nonce, aad, data, authTagLength) => {
    const name = `aes-${key.length * 8}-gcm` as const as 'aes-128-gcm';
    if (direction === 'encrypt') {
      const cipher = createCipheriv(name, key, nonce, { authTagLength }).setAAD(aad);
      return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
    }
    const at = data.length - authTagLength;
    const cipher = createDecipheriv(name, key, nonce, { authTagLength }).setAAD(aad).setAuthTag(data.subarray(at));
    const text = cipher.update(data.subarray(0, at));
    try {
      cipher.final();
    } catch (error) {
      throw unauthentic(error);
    }
    return text;
  },
};

/** How CCM puts the length of what is authenticated before it (NIST SP 800-38C appendix A.2.2). */
function lengthOf({ length }: Uint8Array): number[] {
  if (length === 0) return [];
  if (length < 0xff00) return [length >> 8, length & 0xff];
  return [0xff, 0xfe, length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff];
}

/** AES-CCM (NIST SP 800-38C), which BoringSSL lacks, of AES in CBC and in counter mode. */
const ccm: Aead = {
  keyBytes: AES.keyBytes,
  nonceBytes: [7, 8, 9, 10, 11, 12, 13],
  tagBytes: [4, 6, 8, 10, 12, 14, 16],
  apply: (direction, key, nonce, aad, data, tagBytes) => {
    const lengthBytes = 15 - nonce.length;
    const length = direction === 'encrypt' ? data.length : data.length - tagBytes;
    if (length >= 2 ** (8 * lengthBytes)) throw new CryptoError('wrong', `${length} bytes are too many for a nonce of ${nonce.length}.`);
    const counter = new Uint8Array(16);
    counter[0] = lengthBytes - 1;
    counter.set(nonce, 1);
    const tagOf = (text: Uint8Array): Uint8Array => {
      const first = Uint8Array.from(counter);
      first[0] |= (aad.length > 0 ? 0x40 : 0) | (((tagBytes - 2) / 2) << 3);
      for (let i = 15, rest = text.length; i > 15 - lengthBytes; i--, rest = Math.floor(rest / 256)) first[i] = rest % 256;
      const prefix = lengthOf(aad);
      const round = (bytes: number): number => Math.ceil(bytes / 16) * 16;
      const all = new Uint8Array(16 + round(prefix.length + aad.length) + round(text.length));
      all.set(first);
      all.set(prefix, 16);
      all.set(aad, 16 + prefix.length);
      all.set(text, 16 + round(prefix.length + aad.length));
      return run(AES, 'ctr', 'encrypt', key, counter, chain(AES, key, all)).subarray(0, tagBytes);
    };
    const next = Uint8Array.from(counter);
    next[15] = 1;
    const translate = (text: Uint8Array): Uint8Array => (text.length === 0 ? text : run(AES, 'ctr', 'encrypt', key, next, text));
    if (direction === 'encrypt') return Buffer.concat([translate(data), tagOf(data)]);
    const text = translate(data.subarray(0, length));
    if (!timingSafeEqual(tagOf(text), data.subarray(length))) throw unauthentic();
    return text;
  },
};

/** ChaCha20-Poly1305 (RFC 8439), from a library of its own: BoringSSL's is not to be had through Node's interface. */
const chacha: Aead = {
  keyBytes: [32],
  nonceBytes: [12],
  tagBytes: [16],
  apply: (direction, key, nonce, aad, data) => {
    const cipher = chacha20poly1305(key, nonce, aad);
    if (direction === 'encrypt') return cipher.encrypt(data);
    try {
      return cipher.decrypt(data);
    } catch (error) {
      throw unauthentic(error);
    }
  },
};

export const AEADS = { 'aes-gcm': gcm, 'aes-ccm': ccm, 'chacha20-poly1305': chacha } as const satisfies Record<string, Aead>;
export type AeadName = keyof typeof AEADS;

/** Throws CryptoError 'wrong' for a length that something cannot have, 'unauthentic' where the tag does not fit. */
export function aead(
  name: AeadName,
  direction: Direction,
  { key, nonce, aad, data, tagBytes }: { key: Uint8Array; nonce: Uint8Array; aad: Uint8Array; data: Uint8Array; tagBytes: number },
): Uint8Array {
  const algorithm: Aead = AEADS[name];
  const check = (what: string, bytes: number, allowed: readonly number[]): void => {
    if (!allowed.includes(bytes)) throw new CryptoError('wrong', `A ${what} of ${bytes} bytes; it has ${allowed.join(' or ')}.`);
  };
  check('key', key.length, algorithm.keyBytes);
  check('nonce', nonce.length, algorithm.nonceBytes);
  check('tag', tagBytes, algorithm.tagBytes);
  if (direction === 'decrypt' && data.length < tagBytes) throw new CryptoError('wrong', `${data.length} bytes have no tag of ${tagBytes}.`);
  return algorithm.apply(direction, key, nonce, aad, data, tagBytes);
}
