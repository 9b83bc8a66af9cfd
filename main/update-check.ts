import { z } from 'zod';
import { VmError } from '../engine/errors/vm-error';

const feedSchema = z.object({ version: z.string().regex(/^\d+\.\d+\.\d+$/), url: z.string().max(2000) });
/** A feed that is longer is none; bytes. */
const MOST_BYTES = 65536;
const PATIENCE_MS = 15_000;

export interface Update {
  version: string;
  /** A web page from which to get it. */
  url: string;
}

/**
 * Ask one https address, which the user has named, for the newest version: a JSON object with `version` and `url`. Nothing is sent but the
 * request. Undefined where this version is the newest. Throws VmError: 'Config' for an address that is none, 'Network'.
 */
export async function checkForUpdate(feed: string, current: string, ask: typeof fetch = fetch): Promise<Update | undefined> {
  if (!isSecure(feed)) throw VmError.config('Updates are looked for at an address that begins with https://.', { code: 'update-address' });
  let found: z.output<typeof feedSchema>;
  try {
    const answer = await ask(feed, { redirect: 'error', signal: AbortSignal.timeout(PATIENCE_MS), credentials: 'omit' });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
      bytes += part.length;
      if (bytes > MOST_BYTES) throw new Error('more than 64 KB');
      parts.push(part);
    }
    found = feedSchema.parse(JSON.parse(Buffer.concat(parts).toString('utf8')));
    if (!isSecure(found.url)) throw new Error('its page is not https');
  } catch (cause) {
    const reason = cause instanceof z.ZodError || cause instanceof SyntaxError ? 'no version and page in it' : (cause as Error).message;
    throw new VmError('Network', `No update could be looked for at ${feed}: ${reason}. Check the address and the network.`, {
      cause,
      code: 'update-unreachable',
      params: { feed, reason },
    });
  }
  return isNewer(found.version, current) ? found : undefined;
}

function isSecure(address: string): boolean {
  try {
    const { protocol, username, password } = new URL(address);
    return protocol === 'https:' && username === '' && password === '';
  } catch {
    return false;
  }
}

function isNewer(version: string, current: string): boolean {
  const [a, b] = [version, current].map((text) => text.split(/[.-]/).slice(0, 3).map(Number));
  const at = [0, 1, 2].find((i) => a[i] !== b[i]);
  return at !== undefined && a[at] > b[at];
}
