/**
 * The stanzas of a Debian control file (deb822(5)): each a map from field names to values. The lines of a folded
 * value are joined by newlines, without the indentation's first space; comment lines are left out.
 */
export function* parseStanzas(text: string): Generator<Map<string, string>> {
  let stanza = new Map<string, string>();
  let last: string | undefined;
  for (const line of text.split('\n')) {
    if (/^\s*$/.test(line)) {
      if (stanza.size > 0) yield stanza;
      stanza = new Map();
      last = undefined;
    } else if (line.startsWith(' ') || line.startsWith('\t')) {
      if (last !== undefined) stanza.set(last, `${stanza.get(last)}\n${line.slice(1)}`);
    } else if (!line.startsWith('#')) {
      const colon = line.indexOf(':');
      last = colon > 0 ? line.slice(0, colon) : undefined;
      if (last !== undefined) stanza.set(last, line.slice(colon + 1).trim());
    }
  }
  if (stanza.size > 0) yield stanza;
}
