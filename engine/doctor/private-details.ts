/** What tells who somebody is, and has no place in a report that is shown to others. */
export interface PrivateDetails {
  /** The user's home folder; more than one where links lead to it. */
  homes: readonly string[];
  user: string;
  host: string;
}

/** Stands for what was taken out. One sign that no name has, so that nothing that was left can grow together to a name. */
const GAP = '…';

/** An address without what lets somebody in: no name, no password, no query. */
export function shownAddress(address: string): string {
  try {
    const { protocol, host, pathname, search, hash } = new URL(address);
    // `user:secret@host` parses as a scheme called `user`; and of a password that nobody has escaped a part may pass for a host.
    if (host !== '' && !`${pathname}${search}${hash}`.includes('@')) return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
  } catch {
    // It is shown as far as it is surely no secret.
  }
  return `"${withoutSecrets(address).replace(/^.*@/s, `${GAP}@`)}"`;
}

/**
 * Take out what may be secret in addresses, wherever they stand in a text: queries, and all of an address that has a name or a password,
 * for those may hold any sign, so that nobody can tell where they end.
 */
function withoutSecrets(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)(\S*)/gi, (_whole, scheme: string, rest: string) =>
    rest.includes('@') ? `${scheme}${GAP}` : `${scheme}${rest.replace(/[?#].*$/, '')}`,
  );
}

function literal(text: string): RegExp {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'), 'giu');
}

/**
 * A text without personal details: the home folder is `~`, user and computer are `…`, and addresses keep neither names nor passwords nor
 * queries. Names are found wherever they stand, in other words too; those of one letter only as words.
 */
export function withoutPrivateDetails(text: string, { homes, user, host }: PrivateDetails): string {
  let plain = withoutSecrets(text);
  // The longest first: one may lie in another. The root of the file system is the home of some services, and nobody's secret.
  for (const home of homes.filter((one) => /[^/\\]/.test(one)).sort((a, b) => b.length - a.length))
    for (const form of new Set([home, home.replaceAll('\\', '/'), home.replaceAll('\\', '\\\\')]))
      plain = plain.replace(literal(form), '~');
  // Of a full name the parts too, but for the last, as `com` is.
  const parts = host.split('.');
  const names = new Set([user, host, parts[0], ...parts.slice(1, -1)]);
  for (const name of [...names].sort((a, b) => b.length - a.length)) {
    if (name.length > 1) plain = plain.replace(literal(name), GAP);
    else if (name !== '') plain = plain.replace(new RegExp(`(?<![\\p{L}\\p{N}])${literal(name).source}(?![\\p{L}\\p{N}])`, 'giu'), GAP);
  }
  return plain;
}
