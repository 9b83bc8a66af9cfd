import { z } from 'zod';
import { bytesSchema, loadBytes, saveBytes, unsigned } from '../../../bus/device-state';
import { CryptoError } from '../../../backend/crypto/crypto-error';
import { Rsa } from '../../../backend/crypto/rsa';
import { CIPHERS, type Cipher } from '../../../backend/crypto/ciphers';
import { AEAD_NUMBERS, CIPHER_NUMBERS, HASH_NUMBERS, MAC_NUMBERS, RSA, type Service, SERVICES, SIGNED_HASH_NUMBERS } from './protocol';

/** Linux has two for each key in use; a guest that wants more has lost count of them. */
export const SESSIONS_MAX = 4096;
/** Of a cipher's key, in bytes: two of AES-256 for XTS. */
export const CIPHER_KEY_MAX = 64;
/** Of a MAC's key. */
export const MAC_KEY_MAX = 512;
/** Of an RSA key: one of 4096 bits has 2,400. */
export const AKCIPHER_KEY_MAX = 8192;

/** What a session was made of. */
export interface SessionParameters {
  service: Service;
  algorithm: number;
  key: Uint8Array;
  /** Bytes of the hash or the tag; 0 where there is none. */
  resultBytes: number;
  /** Of key pairs. */
  isPrivate: boolean;
  isPadded: boolean;
  hash: number;
}

export interface Session extends SessionParameters {
  /** Of a session with a key pair. */
  rsa: Rsa | undefined;
}

const parametersSchema = z.strictObject({
  service: z.enum(SERVICES),
  algorithm: unsigned(6),
  key: bytesSchema,
  resultBytes: unsigned(32),
  isPrivate: z.boolean(),
  isPadded: z.boolean(),
  hash: unsigned(8),
});

export const sessionsSchema = z.strictObject({
  next: unsigned(53),
  sessions: z.array(parametersSchema.extend({ id: unsigned(53) })).max(SESSIONS_MAX),
});
export type SavedSessions = z.output<typeof sessionsSchema>;

/** The keys that a driver has handed over, by the numbers under which it uses them. */
export class Sessions {
  readonly #sessions = new Map<number, Session>();
  #next = 1;

  get size(): number {
    return this.#sessions.size;
  }

  /** Takes the key over. Throws CryptoError where it cannot be one, or there are too many sessions. */
  create(parameters: SessionParameters): number {
    const { service, key } = parameters;
    try {
      if (this.#sessions.size >= SESSIONS_MAX) throw new CryptoError('wrong', `There are ${SESSIONS_MAX} sessions already.`);
      const most = { cipher: CIPHER_KEY_MAX, hash: 0, mac: MAC_KEY_MAX, aead: CIPHER_KEY_MAX, akcipher: AKCIPHER_KEY_MAX }[service];
      if (key.length > most) throw new CryptoError('wrong', `A key of ${key.length} bytes; it has at most ${most}.`);
      const id = this.#next++;
      this.#sessions.set(id, openSession(parameters));
      return id;
    } catch (error) {
      key.fill(0);
      throw error;
    }
  }

  /** That of a service; undefined where there is none. */
  find(service: Service, id: number): Session | undefined {
    const session = this.#sessions.get(id);
    return session?.service === service ? session : undefined;
  }

  /** Overwrites the key. False where there is no such session. */
  destroy(service: Service, id: number): boolean {
    const session = this.find(service, id);
    if (!session) return false;
    session.key.fill(0);
    return this.#sessions.delete(id);
  }

  clear(): void {
    for (const session of this.#sessions.values()) session.key.fill(0);
    this.#sessions.clear();
    this.#next = 1;
  }

  save(): SavedSessions {
    const sessions = [...this.#sessions].map(([id, { rsa: _, key, ...parameters }]) => ({ id, key: saveBytes(key), ...parameters }));
    return { next: this.#next, sessions };
  }

  /** Returns what puts them into place; throws CryptoError where a key is none. */
  load({ next, sessions }: SavedSessions): () => void {
    const opened = sessions.map(({ id, key, ...parameters }) => [id, openSession({ ...parameters, key: loadBytes(key) })] as const);
    return () => {
      this.clear();
      this.#next = next;
      for (const [id, session] of opened) this.#sessions.set(id, session);
    };
  }
}

const ALGORITHMS: Readonly<Record<Service, Readonly<Record<number, unknown>>>> = {
  cipher: CIPHER_NUMBERS,
  hash: HASH_NUMBERS,
  mac: MAC_NUMBERS,
  aead: AEAD_NUMBERS,
  akcipher: { [RSA]: 'rsa' },
};

function openSession(parameters: SessionParameters): Session {
  const { service, algorithm, key, isPrivate, isPadded, hash } = parameters;
  if (!Object.hasOwn(ALGORITHMS[service], algorithm)) throw new CryptoError('unsupported', `There is no ${service} ${algorithm}.`);
  if (service === 'cipher') {
    const { keyBytes }: Cipher = CIPHERS[CIPHER_NUMBERS[algorithm]];
    if (!keyBytes.includes(key.length)) throw new CryptoError('wrong', `A key of ${key.length} bytes; it has ${keyBytes.join(' or ')}.`);
  }
  if (service !== 'akcipher') return { ...parameters, rsa: undefined };
  if (hash !== 0 && !Object.hasOwn(SIGNED_HASH_NUMBERS, hash))
    throw new CryptoError('unsupported', `There is no hash ${hash} to be signed.`);
  return { ...parameters, rsa: new Rsa({ key, isPrivate, isPadded, hash: SIGNED_HASH_NUMBERS[hash] }) };
}
