import { VmError } from '../errors/vm-error';
import { parseStanzas } from './stanza';

/** Longest stanza that is believed; real ones have a few KiB. */
const STANZA_MAX_CHARACTERS = 1 << 20;

/** A package of the suite, as its index describes it. */
export interface DebianPackage {
  name: string;
  version: string;
  /** What it needs to run, and what it needs to be installed; forms as in deb-control(5). */
  depends: string;
  preDepends: string;
  /** Names that it stands for beside its own. */
  provides: string;
  /** What it cannot be together with. */
  conflicts: string;
  breaks: string;
  /** How usual it is: required, important, standard, optional. */
  priority: string;
  /** Bytes that it takes when it is installed, roughly. */
  installedSize: number;
  /** Whether every Debian system has it. */
  required: boolean;
  /** Path below the mirror's root. */
  file: string;
  /** Bytes. */
  size: number;
  sha256: string;
}

/** Reads a Packages index and keeps what is `wanted`, by name. Throws VmError 'Network' for an index that makes no sense. */
export async function readPackages(
  index: AsyncIterable<Uint8Array>,
  wanted: (name: string) => boolean,
): Promise<Map<string, DebianPackage>> {
  const found = new Map<string, DebianPackage>();
  const keep = (text: string): void => {
    // Names of the form that Debian allows: files are named after them.
    const name = /^Package: *([a-z0-9][a-z0-9+.-]*)$/m.exec(text)?.[1];
    if (!name || !wanted(name)) return;
    for (const stanza of parseStanzas(text)) found.set(name, toPackage(name, stanza));
  };
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of index) {
    const stanzas = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
    rest = stanzas.pop() ?? '';
    if (rest.length > STANZA_MAX_CHARACTERS) throw new VmError('Network', 'the package index (Packages) is damaged: a stanza does not end');
    stanzas.forEach(keep);
  }
  keep(rest + decoder.decode());
  return found;
}

/** What a package depends on: names alone, the first of each list of alternatives. */
export function dependencyNames(depends: string): string[] {
  return depends
    .split(',')
    .map((dependency) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(dependency)?.[1])
    .filter((name) => name !== undefined);
}

function toPackage(name: string, stanza: Map<string, string>): DebianPackage {
  const field = (key: string, form: RegExp): string => {
    const value = stanza.get(key) ?? '';
    if (!form.test(value)) throw new VmError('Network', `the package index (Packages) is damaged: ${name} has ${key} "${value}"`);
    return value;
  };
  return {
    name,
    version: field('Version', /^[\w.+:~-]+$/),
    depends: stanza.get('Depends') ?? '',
    preDepends: stanza.get('Pre-Depends') ?? '',
    provides: stanza.get('Provides') ?? '',
    conflicts: stanza.get('Conflicts') ?? '',
    breaks: stanza.get('Breaks') ?? '',
    priority: stanza.get('Priority') ?? 'optional',
    installedSize: Number(/^\d{1,9}$/.exec(stanza.get('Installed-Size') ?? '')?.[0] ?? 0) * 1024,
    required: stanza.get('Essential') === 'yes' || stanza.get('Priority') === 'required',
    // A relative path that stays below the mirror's root.
    file: field('Filename', /^(?!.*\.\.\/)[A-Za-z0-9][\w.+~%/-]*\.deb$/),
    size: Number(field('Size', /^[1-9]\d{0,11}$/)),
    sha256: field('SHA256', /^[0-9a-f]{64}$/),
  };
}
