import { createCipheriv, randomInt, timingSafeEqual } from 'node:crypto';

/** Bytes of a challenge, and of the answer to it. */
export const CHALLENGE_BYTES = 16;
/** All that VNC looks at of a password. */
export const PASSWORD_MOST = 8;
const BLOCK = 8;

/**
 * What a client that knows the password answers (RFC 6143 §7.2.2): the challenge encrypted by DES, whose key is the password with the bits of
 * each byte in the other order. DES is 3DES with thrice the same key: OpenSSL 3 has no other by itself.
 */
export function answerTo(challenge: Buffer, password: string): Buffer {
  const key = Buffer.alloc(BLOCK);
  key.set(Buffer.from(password, 'latin1').subarray(0, BLOCK).map(mirrored));
  const blocks = [];
  for (let at = 0; at < challenge.length; at += BLOCK) {
    // One block with an empty start is what no chaining would give; not every library has that.
    const cipher = createCipheriv('des-ede3-cbc', Buffer.concat([key, key, key]), Buffer.alloc(BLOCK)).setAutoPadding(false);
    blocks.push(cipher.update(challenge.subarray(at, at + BLOCK)), cipher.final());
  }
  return Buffer.concat(blocks);
}

/** Whether that is the right answer. */
export function isRightAnswer(answer: Buffer, challenge: Buffer, password: string): boolean {
  return timingSafeEqual(answer, answerTo(challenge, password));
}

/** A password of the most that VNC takes, of letters and digits that are not mistaken for each other. */
export function makePassword(): string {
  const letters = 'abcdefghijkmnpqrstuvwxyz23456789';
  return Array.from({ length: PASSWORD_MOST }, () => letters[randomInt(letters.length)]).join('');
}

function mirrored(byte: number): number {
  let result = 0;
  for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) result |= 0x80 >> bit;
  return result;
}
