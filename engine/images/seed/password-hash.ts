import { createHash, randomBytes } from 'node:crypto';

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** What crypt(5) takes where nothing else is said. */
const ROUNDS = 5000;
/** The order in which the bytes of the hash are written down, three at a time. */
const ORDER = Array.from({ length: 21 }, (_, at) => {
  const triple = [at, at + 21, at + 42];
  return [...triple.slice(at % 3), ...triple.slice(0, at % 3)];
});

/**
 * A password as /etc/shadow has it: SHA-512 by 5000 rounds, "$6$salt$hash" (U. Drepper, "Unix crypt using SHA-256 and SHA-512", 0.6), which
 * every Linux understands. `salt`: at most 16 characters of the alphabet; new at each call unless given.
 */
export function hashPassword(password: string, salt = newSalt()): string {
  const key = Buffer.from(password, 'utf8');
  const salted = Buffer.from(salt.slice(0, 16), 'latin1');
  const sha = (...parts: Uint8Array[]): Buffer => {
    const hash = createHash('sha512');
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  const repeated = (bytes: Buffer, length: number): Buffer => Buffer.alloc(length, length > 0 ? bytes : 0);

  const inner = sha(key, salted, key);
  const start: Buffer[] = [key, salted, repeated(inner, key.length)];
  for (let length = key.length; length > 0; length >>= 1) start.push(length & 1 ? inner : key);
  let digest = sha(...start);
  const p = repeated(sha(...new Array<Buffer>(key.length).fill(key)), key.length);
  const s = repeated(sha(...new Array<Buffer>(16 + digest[0]).fill(salted)), salted.length);
  for (let round = 0; round < ROUNDS; round++) {
    const parts: Buffer[] = [round & 1 ? p : digest];
    if (round % 3) parts.push(s);
    if (round % 7) parts.push(p);
    parts.push(round & 1 ? digest : p);
    digest = sha(...parts);
  }

  const text = ORDER.map(([a, b, c]) => letters((digest[a] << 16) | (digest[b] << 8) | digest[c], 4)).join('');
  return `$6$${salted.toString('latin1')}$${text}${letters(digest[63], 2)}`;
}

function letters(value: number, count: number): string {
  let text = '';
  for (let at = 0; at < count; at++) text += ALPHABET[(value >> (6 * at)) & 63];
  return text;
}

function newSalt(): string {
  return [...randomBytes(16)].map((byte) => ALPHABET[byte & 63]).join('');
}
