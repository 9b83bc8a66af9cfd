import {
  constants,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  privateDecrypt,
  privateEncrypt,
  publicDecrypt,
  publicEncrypt,
} from 'node:crypto';
import { asCryptoError, CryptoError } from './crypto-error';
import type { HashName } from './digests';

const { RSA_NO_PADDING, RSA_PKCS1_PADDING } = constants;

/** As Linux; the time for one operation grows with the third power. */
const MODULUS_BITS_MAX = 4096;
/** So many bits longer than half of the modulus may a prime be: those of keys that programs make are as long as each other. */
const PRIME_SURPLUS_BITS = 64;
/** Of the public exponent of a private key, which blinding works with: OpenSSL takes no longer one for large public keys either. */
const EXPONENT_BITS_MAX = 64;
/** A padded text has this many bytes before it at least (PKCS #1 v1.5: 00 02, eight others, 00). */
const PADDING_BYTES = 11;

/** What stands before a digest that is signed: the DER of a DigestInfo (RFC 8017 §9.2, note 1). */
const DIGEST_INFOS = {
  md5: '3020300c06082a864886f70d020505000410',
  sha1: '3021300906052b0e03021a05000414',
  sha224: '302d300d06096086480165030402040500041c',
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
} as const satisfies Partial<Record<HashName, string>>;
export type SignedHash = keyof typeof DIGEST_INFOS;

export interface RsaOptions {
  /** RSAPublicKey or RSAPrivateKey of RFC 8017, as DER. */
  key: Uint8Array;
  isPrivate: boolean;
  /** PKCS #1 v1.5, or none. */
  isPadded: boolean;
  /** What was signed; undefined for bytes as they are. */
  hash?: SignedHash | undefined;
}

/** An RSA key and what can be done with it, one operation at a time. All throw CryptoError. */
export class Rsa {
  readonly #key: KeyObject;
  readonly #public: KeyObject;
  /** Of the modulus. */
  readonly #bytes: number;

  constructor(private readonly options: RsaOptions) {
    const der = { key: Buffer.from(options.key), format: 'der', type: 'pkcs1' } as const;
    try {
      this.#key = options.isPrivate ? createPrivateKey(der) : createPublicKey(der);
      this.#public = options.isPrivate ? createPublicKey(this.#key) : this.#key;
    } catch (error) {
      throw asCryptoError(error);
    } finally {
      der.key.fill(0);
    }
    if (options.isPrivate) mustBeUsual(this.#key);
    const bits = this.#public.asymmetricKeyDetails?.modulusLength ?? 0;
    if (this.#public.asymmetricKeyType !== 'rsa' || bits > MODULUS_BITS_MAX)
      throw new CryptoError('unsupported', `An RSA key of ${bits} bits; it has at most ${MODULUS_BITS_MAX}.`);
    this.#bytes = Math.ceil(bits / 8);
  }

  encrypt(data: Uint8Array): Uint8Array {
    const { isPadded } = this.options;
    if (isPadded && data.length > this.#bytes - PADDING_BYTES)
      throw new CryptoError('wrong', `${data.length} bytes are too many for a key of ${this.#bytes}.`);
    return this.#run(() =>
      publicEncrypt({ key: this.#public, padding: isPadded ? RSA_PKCS1_PADDING : RSA_NO_PADDING }, isPadded ? data : this.#wide(data)),
    );
  }

  decrypt(data: Uint8Array): Uint8Array {
    this.#needPrivate();
    // Node refuses to take the padding away by itself where its OpenSSL would tell an attacker how that went (CVE-2023-46809).
    const block = this.#run(() => privateDecrypt({ key: this.#key, padding: RSA_NO_PADDING }, this.#wide(data)));
    if (!this.options.isPadded) return block;
    const end = block.indexOf(0, 2);
    if (block[0] !== 0 || block[1] !== 2 || end < PADDING_BYTES - 1) throw new CryptoError('wrong', 'The padding is none of PKCS #1.');
    return block.subarray(end + 1);
  }

  sign(digest: Uint8Array): Uint8Array {
    this.#needPrivate();
    return this.#run(() => privateEncrypt({ key: this.#key, padding: RSA_PKCS1_PADDING }, this.#signed(digest)));
  }

  /** Throws CryptoError 'rejected' for a signature that is not the digest's. */
  verify(signature: Uint8Array, digest: Uint8Array): void {
    const expected = this.#signed(digest);
    let found: Uint8Array;
    try {
      found = publicDecrypt({ key: this.#public, padding: RSA_PKCS1_PADDING }, signature);
    } catch (error) {
      throw asCryptoError(error, 'rejected');
    }
    if (Buffer.compare(found, expected) !== 0) throw new CryptoError('rejected', 'The signature is not that of the digest.');
  }

  #signed(digest: Uint8Array): Uint8Array {
    const { hash, isPadded } = this.options;
    if (!isPadded) throw new CryptoError('unsupported', 'What is signed has to be padded.');
    const info = Buffer.from(hash === undefined ? '' : DIGEST_INFOS[hash], 'hex');
    if (hash !== undefined && digest.length !== info[info.length - 1])
      throw new CryptoError('wrong', `A digest of ${digest.length} bytes is none of ${hash}.`);
    if (info.length + digest.length > this.#bytes - PADDING_BYTES)
      throw new CryptoError('wrong', `A digest of ${digest.length} bytes is too long for a key of ${this.#bytes}.`);
    return Buffer.concat([info, digest]);
  }

  /** As long as the modulus. */
  #wide(data: Uint8Array): Uint8Array {
    const surplus = data.length - this.#bytes;
    if (surplus > 0 && data.subarray(0, surplus).some((byte) => byte !== 0))
      throw new CryptoError('wrong', `${data.length} bytes are too many for a key of ${this.#bytes}.`);
    const wide = new Uint8Array(this.#bytes);
    wide.set(surplus > 0 ? data.subarray(surplus) : data, Math.max(0, -surplus));
    return wide;
  }

  #needPrivate(): void {
    if (!this.options.isPrivate) throw new CryptoError('wrong', 'This takes the private key.');
  }

  #run(work: () => Uint8Array): Uint8Array {
    try {
      return work();
    } catch (error) {
      throw asCryptoError(error);
    }
  }
}

/**
 * The library looks at none of a private key's numbers: with a prime of 24,000 bits beside a modulus of 4096 it works at one signature for
 * a quarter of a minute. Throws CryptoError where one is longer than those of other keys of that size, or 0.
 */
function mustBeUsual(key: KeyObject): void {
  let numbers: number[];
  const der = asBytes(key);
  try {
    numbers = numberBits(der);
  } finally {
    der.fill(0);
  }
  // RFC 8017 appendix A.1.2; with a version other than 0 there are more than two primes.
  const [version, modulus, ...others] = numbers;
  const half = modulus / 2 + PRIME_SURPLUS_BITS;
  // The exponents, public and private; two primes, their exponents, and the inverse of the second.
  const most = [EXPONENT_BITS_MAX, modulus, half, half, half, half, half];
  if (version !== 0 || others.length !== most.length) throw new CryptoError('unsupported', 'An RSA key has two primes.');
  if (others.some((bits, at) => bits === 0 || bits > most[at]))
    throw new CryptoError('wrong', `The numbers of a private key of ${modulus} bits have ${others.join(', ')} bits.`);
}

function asBytes(key: KeyObject): Buffer {
  try {
    return key.export({ type: 'pkcs1', format: 'der' });
  } catch (error) {
    throw asCryptoError(error);
  }
}

/** Bits of the INTEGERs that a SEQUENCE begins with. */
function numberBits(der: Buffer): number[] {
  const numbers: number[] = [];
  let at = 0;
  /** Moves on to the contents; their length, or undefined where something else, or nothing, follows. */
  const enter = (tag: number): number | undefined => {
    if (der[at] !== tag) return undefined;
    const first = der[at + 1];
    const more = first < 0x80 ? 0 : first - 0x80;
    at += 2 + more;
    return more === 0 ? first : der.readUIntBE(at - more, more);
  };
  enter(0x30);
  for (let length = enter(0x02); length !== undefined; at += length, length = enter(0x02)) {
    let from = at;
    while (from < at + length && der[from] === 0) from++;
    numbers.push(from === at + length ? 0 : 8 * (at + length - from) - Math.clz32(der[from]) + 24);
  }
  return numbers;
}
