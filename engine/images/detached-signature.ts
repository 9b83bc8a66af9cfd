import { VmError } from '../errors/vm-error';

/**
 * Checks a detached OpenPGP signature (RFC 9580 §10.4) of a text by one of the keys (ASCII-armoured). `what` is for the message: the address
 * of the text. Throws VmError 'Network' where there is no good one.
 */
export async function verifyDetached(text: string, armoredSignature: string, armoredKeys: string, what: string): Promise<void> {
  // Large, and needed for downloads only: not at every start.
  const { createMessage, readKeys, readSignature, verify } = await import('openpgp');
  const refuse = (reason: string, cause?: unknown): VmError =>
    new VmError('Network', `${what} is not signed by its publisher (${reason}), so nothing that it says is believed. Try again later.`, {
      cause,
      code: 'checksums-not-signed',
      params: { url: what },
    });
  const signature = await readSignature({ armoredSignature }).catch((error: unknown) => {
    throw refuse('the signature cannot be read', error);
  });
  const verificationKeys = await readKeys({ armoredKeys });
  const message = await createMessage({ binary: Buffer.from(text) });
  const { signatures } = await verify({ message, signature, verificationKeys });
  const outcomes = await Promise.allSettled(signatures.map((one) => one.verified));
  if (outcomes.some((outcome) => outcome.status === 'fulfilled' && outcome.value)) return;
  const reasons = outcomes.map((outcome) => (outcome.status === 'rejected' ? String((outcome.reason as Error).message) : 'not verified'));
  throw refuse(reasons.join('; ') || 'there is no signature');
}
