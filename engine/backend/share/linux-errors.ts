/** Linux's numbers of errors, as its clients of 9P and FUSE expect them (include/uapi/asm-generic/errno*.h), by the host's names for them. */
const NUMBERS: Readonly<Record<string, number>> = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  EOPNOTSUPP: 95,
  ESTALE: 116,
  EDQUOT: 122,
};

/** What is said to the guest of a failure; EIO of one that has no name of the host's. */
export function linuxError(error: unknown): number {
  const { code } = error as NodeJS.ErrnoException;
  return (typeof code === 'string' ? NUMBERS[code] : undefined) ?? NUMBERS['EIO'];
}

/** Whether it is the host's or our own answer to a request, and no defect of ours. */
export function isAnswer(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code);
}

/** A failure of our own, with a name as the host's have. */
export function refusal(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}
