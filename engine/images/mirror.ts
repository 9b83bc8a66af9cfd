import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VmError } from '../errors/vm-error';
import { parseStanzas } from './stanza';

/** Asked when neither the user nor the host's own package sources name a mirror. */
const PUBLIC_MIRRORS = [
  'https://ftp.debian.org/debian',
  'https://ftp.de.debian.org/debian',
  'https://ftp.us.debian.org/debian',
  'https://mirrors.kernel.org/debian',
];
/** A source with one of these suites is a Debian archive; other distributions name theirs otherwise. */
const DEBIAN_SUITES = /^(oldoldstable|oldstable|stable|testing|unstable|sid|buster|bullseye|bookworm|trixie|forky|duke)$/;

export interface MirrorOptions {
  /** The one mirror to use: a URL below which `dists/` and `pool/` lie. Default: the variable HARTBOX_DEBIAN_MIRROR. */
  mirror?: string | undefined;
  /** Where apt keeps its sources; default: `/etc/apt`. */
  aptDirectory?: string;
}

/**
 * URLs of Debian mirrors, without a slash at the end, in the order to try them: the one that the user has set, alone;
 * else those of the host's own apt sources, then public ones. Throws VmError 'Config' if what the user has set is no http(s) URL.
 */
export async function debianMirrors(options: MirrorOptions = {}): Promise<string[]> {
  const chosen = options.mirror ?? process.env['HARTBOX_DEBIAN_MIRROR'];
  if (chosen) {
    const mirror = httpUrl(chosen);
    if (!mirror)
      throw VmError.config(`"${chosen}" is no Debian mirror: expected a URL like https://ftp.debian.org/debian`, {
        code: 'mirror-wrong',
        params: { mirror: chosen },
      });
    return [mirror];
  }
  return [...new Set([...(await aptMirrors(options.aptDirectory ?? '/etc/apt')), ...PUBLIC_MIRRORS])];
}

/**
 * What `work` makes of the first mirror (of those that debianMirrors() names) that can give it: a mirror that fails with VmError
 * 'Network' is left for the next one. Throws VmError 'Network' with what each said; any other error, and an abort, at once.
 * `what` says in the message what needs the packages.
 */
export async function fromFirstMirror<T>(
  options: { mirror?: string | undefined; signal?: AbortSignal | undefined; what: string },
  work: (mirror: string) => Promise<T>,
): Promise<T> {
  const failures: string[] = [];
  for (const mirror of await debianMirrors({ mirror: options.mirror })) {
    try {
      return await work(mirror);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof VmError) || error.kind !== 'Network') throw error;
      const { origin, pathname } = new URL(mirror);
      failures.push(`  ${origin}${pathname}: ${error.message}`);
    }
  }
  throw new VmError(
    'Network',
    `${options.what} needs packages of Debian trixie, and no mirror gave them:\n${failures.join('\n')}\nCheck the network connection, or set HARTBOX_DEBIAN_MIRROR to a mirror that can be reached`,
    { cause: new Error(failures.join('\n')), code: 'no-mirror', params: { what: options.what } },
  );
}

/** The Debian mirrors that the host's apt uses (sources.list(5): both forms). None where there is no apt. */
async function aptMirrors(directory: string): Promise<string[]> {
  const listed = await readdir(join(directory, 'sources.list.d')).catch(() => []);
  const files = ['sources.list', ...listed.sort().map((name) => join('sources.list.d', name))];
  const sources: Source[] = [];
  for (const name of files) {
    const text = await readFile(join(directory, name), 'utf8').catch(() => '');
    if (name.endsWith('.sources')) sources.push(...stanzaSources(text));
    else if (name.endsWith('.list')) sources.push(...lineSources(text));
  }
  return sources
    .filter((source) => source.components.includes('main') && source.suites.some((suite) => DEBIAN_SUITES.test(suite)))
    .flatMap((source) => source.uris.map(httpUrl))
    .filter((url) => url !== undefined);
}

interface Source {
  uris: string[];
  suites: string[];
  components: string[];
}

/** `deb [OPTIONS] URI SUITE COMPONENT…` */
function lineSources(text: string): Source[] {
  return text.split('\n').flatMap((line) => {
    const [, uri, suite, components] = /^\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line) ?? [];
    return uri && suite && components ? [{ uris: [uri], suites: [suite], components: components.trim().split(/\s+/) }] : [];
  });
}

/** Stanzas of `Types`, `URIs`, `Suites`, `Components`. */
function stanzaSources(text: string): Source[] {
  return [...parseStanzas(text)].flatMap((stanza) => {
    const words = (name: string): string[] => (stanza.get(name) ?? '').split(/\s+/).filter(Boolean);
    if (stanza.get('Enabled') === 'no' || !words('Types').includes('deb')) return [];
    return [{ uris: words('URIs'), suites: words('Suites'), components: words('Components') }];
  });
}

function httpUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return url.protocol === 'http:' || url.protocol === 'https:' ? url.href.replace(/\/+$/, '') : undefined;
}
