import { VmError } from '../errors/vm-error';
import { parseStanzas } from './stanza';

/** A host clock that is behind by more than this makes a release look as if it came from the future. */
const CLOCK_TOLERANCE_MS = 24 * 3600_000;

/** The signed index of a Debian suite: which files it has, with their sizes and hashes. */
export interface Release {
  codename: string;
  architectures: string[];
  date: Date;
  /** Whether files can be asked for by their hash, which does not change under a mirror's update. */
  byHash: boolean;
  files: Map<string, { size: number; sha256: string }>;
}

/**
 * Checks the signature of an InRelease file (RFC 9580 §7, the cleartext signature framework) and reads it. One good
 * signature by one of `keys` (ASCII-armoured) is enough: Debian signs with several. Throws VmError 'Network' if there is none, or if
 * the file is expired or dated in the future.
 */
export async function verifyRelease(inRelease: string, keys: readonly string[], now = new Date()): Promise<Release> {
  // Large, and needed for downloads only: not at every start.
  const { readCleartextMessage, readKeys, verify } = await import('openpgp');
  const message = await readCleartextMessage({ cleartextMessage: inRelease }).catch((error: unknown) => {
    throw new VmError('Network', 'the suite index (InRelease) is not a signed message', { cause: error });
  });
  const verificationKeys = (await Promise.all(keys.map((armoredKeys) => readKeys({ armoredKeys })))).flat();
  const { data, signatures } = await verify({ message, verificationKeys, date: new Date(now.getTime() + CLOCK_TOLERANCE_MS) });
  const outcomes = await Promise.allSettled(signatures.map((signature) => signature.verified));
  if (!outcomes.some((outcome) => outcome.status === 'fulfilled' && outcome.value)) {
    const reasons = outcomes.map((outcome) => (outcome.status === 'rejected' ? String((outcome.reason as Error).message) : 'not verified'));
    const advice = reasons.some((reason) => reason.includes('future')) ? ". Is this computer's clock right?" : '';
    throw new VmError('Network', `the suite index (InRelease) is not signed by the Debian archive: ${reasons.join('; ')}${advice}`);
  }
  return parseRelease(data, now);
}

function parseRelease(text: string, now: Date): Release {
  const [fields] = [...parseStanzas(text)];
  const field = (name: string): string => {
    const value = fields?.get(name);
    if (value === undefined) throw new VmError('Network', `the suite index (InRelease) has no field ${name}`);
    return value;
  };
  const time = (name: string): Date => {
    const date = new Date(field(name));
    if (Number.isNaN(date.getTime())) throw new VmError('Network', `the suite index (InRelease) has an unreadable ${name}: ${field(name)}`);
    return date;
  };
  const date = time('Date');
  if (date.getTime() > now.getTime() + CLOCK_TOLERANCE_MS) {
    throw new VmError(
      'Network',
      `the suite index is dated ${field('Date')}, but this computer's clock says ${now.toUTCString()}: set the clock`,
    );
  }
  // Stable suites carry no such date; those that do are not to be believed after it.
  if (fields?.has('Valid-Until') && time('Valid-Until') < now) {
    throw new VmError(
      'Network',
      `the suite index expired on ${field('Valid-Until')}: the mirror is out of date, or this computer's clock is wrong`,
    );
  }
  const files: Release['files'] = new Map();
  for (const line of field('SHA256').split('\n')) {
    const [, sha256, size, path] = /^\s*([0-9a-f]{64})\s+(\d{1,12})\s+(\S+)\s*$/.exec(line) ?? [];
    if (sha256 && size && path) files.set(path, { size: Number(size), sha256 });
  }
  return {
    codename: field('Codename'),
    architectures: field('Architectures').split(/\s+/),
    date,
    byHash: fields?.get('Acquire-By-Hash') === 'yes',
    files,
  };
}
