import type { AeadName } from '../../../backend/crypto/aeads';
import type { CipherName } from '../../../backend/crypto/ciphers';
import type { HashName, MacName } from '../../../backend/crypto/digests';
import type { SignedHash } from '../../../backend/crypto/rsa';

/** What stands in requests to the crypto device, and in its configuration space (virtio 1.3 §5.9). */

export const SERVICES = ['cipher', 'hash', 'mac', 'aead', 'akcipher'] as const;
export type Service = (typeof SERVICES)[number];

// Answers (§5.9.7.1).
export const OK = 0;
export const ERR = 1;
export const BADMSG = 2;
export const NOTSUPP = 3;
export const INVSESS = 4;
export const KEY_REJECTED = 6;

// Numbers of algorithms (§5.9.4). Those that are missing no library has: KASUMI, SNOW 3G, ZUC; or nobody should use: ARC4. GMAC would need a
// nonce, for which requests have no field.
export const CIPHER_NUMBERS: Readonly<Record<number, CipherName>> = {
  2: 'aes-ecb',
  3: 'aes-cbc',
  4: 'aes-ctr',
  5: 'des-ecb',
  6: 'des-cbc',
  7: '3des-ecb',
  8: '3des-cbc',
  9: '3des-ctr',
  13: 'aes-xts',
};
export const HASH_NUMBERS: Readonly<Record<number, HashName>> = {
  1: 'md5',
  2: 'sha1',
  3: 'sha224',
  4: 'sha256',
  5: 'sha384',
  6: 'sha512',
  7: 'sha3-224',
  8: 'sha3-256',
  9: 'sha3-384',
  10: 'sha3-512',
  11: 'shake128',
  12: 'shake256',
};
export const MAC_NUMBERS: Readonly<Record<number, MacName>> = {
  1: 'hmac-md5',
  2: 'hmac-sha1',
  3: 'hmac-sha224',
  4: 'hmac-sha256',
  5: 'hmac-sha384',
  6: 'hmac-sha512',
  25: 'cmac-3des',
  26: 'cmac-aes',
  49: 'cbcmac-aes',
  53: 'xcbc-aes',
};
export const AEAD_NUMBERS: Readonly<Record<number, AeadName>> = { 1: 'aes-gcm', 2: 'aes-ccm', 3: 'chacha20-poly1305' };
export const RSA = 1;

/** Hashes of what RSA signs; 0 is bytes as they are. MD2, MD3 and MD4 nobody has. */
export const SIGNED_HASH_NUMBERS: Readonly<Record<number, SignedHash>> = {
  4: 'md5',
  5: 'sha1',
  6: 'sha256',
  7: 'sha384',
  8: 'sha512',
  9: 'sha224',
};

/** The opcode of requests is the service and one of these, which for key pairs are counted otherwise. */
export const CREATE_SESSION = 2;
export const DESTROY_SESSION = 3;
export const AKCIPHER_CREATE_SESSION = 4;
export const AKCIPHER_DESTROY_SESSION = 5;
export const ENCRYPT = 0;
export const DECRYPT = 1;
export const SIGN = 2;
export const VERIFY = 3;

/** A symmetric session or request does nothing but encrypt or decrypt. */
export const SYM_OP_CIPHER = 1;

/** Bytes of control and data requests before what has no fixed length: the header, and what depends on the operation, filled up. */
export const CONTROL_HEADER_BYTES = 16;
export const CONTROL_FIXED_BYTES = CONTROL_HEADER_BYTES + 56;
export const DATA_HEADER_BYTES = 24;
export const DATA_FIXED_BYTES = DATA_HEADER_BYTES + 48;
