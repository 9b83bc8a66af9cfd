/** unsupported: an algorithm or size that is not there. wrong: anything else. unauthentic: a tag that does not fit. rejected: such a signature. */
export type CryptoFailure = 'unsupported' | 'wrong' | 'unauthentic' | 'rejected';

/** An operation that could not be done with what was given. */
export class CryptoError extends Error {
  constructor(
    readonly failure: CryptoFailure,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What the host's library says of a key or of data; a defect of ours goes on as it is. */
export function asCryptoError(error: unknown, failure: CryptoFailure = 'wrong'): CryptoError {
  if (error instanceof CryptoError) return error;
  // Node's own and OpenSSL's have a code; BoringSSL's name the library's function.
  if (error instanceof Error && ('code' in error || 'library' in error || 'opensslErrorStack' in error))
    return new CryptoError(failure, error.message, { cause: error });
  throw error;
}
