import { VmError } from './vm-error';

/**
 * What the host refused, in plain words: by the name of its error (errno(3)) what happened and what to do. Those that only a defect of ours
 * brings about (EBADF, EFAULT) are missing.
 */
const REFUSALS: Record<string, [happened: string, remedy: string]> = {
  EACCES: ['you may not', 'Change its permissions, or choose another place.'],
  EPERM: ['the system does not allow it', 'Change its permissions, or choose another place.'],
  EROFS: ['its file system is read-only', 'Choose another place.'],
  ENOENT: ['it does not exist', 'Check the path.'],
  ENOTDIR: ['a part of its path is a file where a folder is needed', 'Choose another place, or move that file away.'],
  EISDIR: ['it is a folder where a file is needed', 'Name a file.'],
  EEXIST: ['something of that name is there already', 'Choose another name, or move that away.'],
  ENOTEMPTY: ['the folder is not empty', 'Choose another name, or move that away.'],
  ENAMETOOLONG: ['its name is too long', 'Choose a shorter one.'],
  ELOOP: ['links lead from it to itself', 'Correct the links.'],
  ENOSPC: ['the disk is full', 'Free some space.'],
  EDQUOT: ['your share of the disk (quota) is used up', 'Free some space.'],
  EFBIG: ['its file system takes no file that long (FAT ends at 4 GiB)', 'Choose another file system.'],
  ERR_FS_FILE_TOO_LARGE: ['it is too large to be read at once', 'Is it the right file?'],
  EMFILE: ['Hartbox has as many files open as the system lets it', 'Raise the limit (ulimit -n), or stop some boxes.'],
  ENFILE: ['the system has as many files open as it can', 'Close other programs.'],
  ENOMEM: ['the system has no memory left for it', 'Close other programs, or raise the limit of this one (ulimit -v).'],
  EAGAIN: ['the system has no room left for it', 'Close other programs, or raise the limits of this one (ulimit -u).'],
  // EAGAIN of read(2); see codeOf.
  EWOULDBLOCK: ['there is nothing to read from it now, and Hartbox does not wait for that', 'Name a file.'],
  EBUSY: ['another program uses it', 'Close that program, or wait.'],
  ETXTBSY: ['another program runs it', 'Stop that program.'],
  EXDEV: ['it would have to go to another file system', 'Choose a place on the same one.'],
  EIO: ['the disk could not do it', 'The disk may be failing: make a backup.'],
  ESTALE: ['the file server has it no more', 'Try again, or mount it anew.'],
  ENODEV: ['there is no such device', 'Check the path.'],
  ENXIO: ['there is no such device', 'Check the path.'],
  EMLINK: ['it has as many links as its file system allows', 'Choose another place.'],
  EILSEQ: ['its file system allows no such name', 'Choose another name.'],
  EOVERFLOW: ['it is larger than this system can handle', 'Choose another file.'],
  ENOTSUP: ['its file system cannot do that', 'Choose another place.'],
  ENOSYS: ['its file system cannot do that', 'Choose another place.'],
  ENOTCONN: ['the file server is gone', 'Mount it anew, and try again.'],
  EHOSTDOWN: ['the file server does not answer', 'Check the network, and try again.'],
  EHOSTUNREACH: ['the file server does not answer', 'Check the network, and try again.'],
  ETIMEDOUT: ['the file server does not answer', 'Check the network, and try again.'],
  UNKNOWN: ['the system could not do it, and says no more', 'Try again; look into its own log.'],
  ENOEXEC: ['it is no program for this system', 'Check what it is.'],
  E2BIG: ['it is given more words than the system passes on', 'Give it fewer, or shorter ones.'],
  EADDRINUSE: ['another program uses that address', 'Stop that program, or choose another address.'],
  EADDRNOTAVAIL: ['this computer does not have that address', 'Choose another address.'],
  ERR_WORKER_INIT_FAILED: [
    'the system allows no further one',
    'Close other programs, or raise the limits of this one (ulimit -u, ulimit -v).',
  ],
};

/**
 * An error of Node for something that the host refused, as one for people: kind 'Resource', `code` that of the system (`error.ENOSPC` in the
 * window's texts) and what it is about as `what` among `params`. VmErrors come back as they are. Undefined for anything else: that is a defect of ours. `failed` says what could not be done
 * ("The clone could not be made"); without it that is said of the path.
 */
export function systemError(error: unknown, failed?: string): VmError | undefined {
  if (error instanceof VmError) return error;
  if (!(error instanceof Error)) return undefined;
  const { path, dest, syscall } = error as Error & { path?: string; dest?: string; syscall?: string };
  const code = codeOf(error);
  if (isOutOfMemory(error))
    return new VmError(
      'Resource',
      `The system gives this process no more memory (${error.message}). Give the box less, close other programs, or raise the limit of the address space, if there is one (ulimit -v).`,
      { cause: error, code: 'no-memory' },
    );
  if (!Object.hasOwn(REFUSALS, code)) return undefined;
  const [, remedy] = REFUSALS[code];
  const isThread = code === 'ERR_WORKER_INIT_FAILED';
  const done = isThread || syscall?.startsWith('spawn') ? 'started' : (DONE[syscall ?? ''] ?? 'used');
  const thing = isThread ? 'A thread' : 'A file';
  const where = dest === undefined ? path : `${path} (to ${dest})`;
  // Hidden names are ours, and mean nothing to people.
  const isShown = where !== undefined && !/[\\/]\.(?:new|old)-/.test(where);
  const what =
    failed === undefined ? `${where ?? thing} could not be ${done}` : isShown ? `${failed}: ${where} could not be ${done}` : failed;
  return new VmError('Resource', `${what}: ${refusal(code)}. ${remedy}`, {
    cause: error,
    code,
    params: { what: failed ?? (isShown ? where : thing) },
  });
}

/** By these `error.…` and `word.reason.…` of the window's texts are called. */
export const REFUSAL_CODES: readonly string[] = Object.keys(REFUSALS);

/** Why something failed, for the middle of a sentence. */
export function reasonOf(error: unknown): string {
  const code = reasonCode(error);
  return Object.hasOwn(REFUSALS, code) ? refusal(code) : code;
}

/** The same for the `params` of an error: what the system calls it, where the window has words for that; else what the error says. */
export function reasonCode(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = codeOf(error);
  return Object.hasOwn(REFUSALS, code) ? code : error.message;
}

/** What the system calls it; empty for what does not come from there. Some names mean one thing or another, as the call was. */
function codeOf(error: Error): string {
  const { code, syscall = '' } = error as NodeJS.ErrnoException;
  if (code === 'EAGAIN' && ['open', 'read'].includes(syscall)) return 'EWOULDBLOCK';
  // So FAT and NTFS say it.
  if (code === 'EINVAL' && ['open', 'mkdir', 'rename', 'link', 'stat', 'lstat', 'realpath'].includes(syscall)) return 'EILSEQ';
  // Of a file that is open already.
  if (code === 'EINVAL' && ['read', 'write', 'fstat', 'fsync', 'fdatasync', 'ftruncate'].includes(syscall)) return 'ENOTSUP';
  return code === 'EOPNOTSUPP' ? 'ENOTSUP' : String(code ?? '');
}

function refusal(code: string): string {
  return `${REFUSALS[code][0]} (${code})`;
}

/** An error as one for people, whatever it is. What is none of the host's is 'Internal'. */
export function asVmError(error: unknown): VmError {
  return systemError(error) ?? new VmError('Internal', error instanceof Error ? error.message : String(error), { cause: error });
}

/** What system calls do to a path. */
const DONE: Record<string, string> = {
  open: 'opened',
  read: 'read',
  write: 'written',
  fstat: 'looked at',
  fsync: 'written',
  fdatasync: 'written',
  statfs: 'looked at',
  chmod: 'given its permissions',
  chown: 'given to its owner',
  symlink: 'linked',
  ftruncate: 'made longer',
  mkdir: 'made',
  scandir: 'read',
  opendir: 'read',
  rename: 'moved',
  link: 'linked',
  copyfile: 'copied',
  unlink: 'deleted',
  rmdir: 'deleted',
  realpath: 'found',
  rm: 'deleted',
  stat: 'looked at',
  lstat: 'looked at',
  watch: 'watched',
  connect: 'connected to',
  listen: 'made',
};

/** V8 says so in these words; there is no class or code for it, but of a thread that ended by it. */
function isOutOfMemory(error: Error): boolean {
  if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') return true;
  return error instanceof RangeError && /could not allocate memory|allocation failed|Out of memory/i.test(error.message);
}
