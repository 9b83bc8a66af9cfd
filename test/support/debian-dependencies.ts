import type { DebianPackage } from '../../engine/images/packages';

/**
 * The packages with these names, those that every Debian system has, and all that they depend on (deb-control(5): Depends and
 * Pre-Depends). Versions are not looked at: a suite fits together. Of alternatives the first that there is is taken, unless
 * another is there already. Throws if something is not to be had.
 */
export function withDependencies(index: ReadonlyMap<string, DebianPackage>, names: readonly string[]): DebianPackage[] {
  const providers = new Map<string, string[]>();
  for (const { name, provides } of index.values()) {
    for (const [virtual] of relations(provides)) if (virtual) providers.set(virtual, [...(providers.get(virtual) ?? []), name]);
  }
  const chosen = new Map<string, DebianPackage>();
  const choose = (alternatives: string[], why: string): void => {
    const candidates = alternatives.flatMap((name) => [...(index.has(name) ? [name] : []), ...(providers.get(name) ?? [])]);
    if (candidates.some((name) => chosen.has(name))) return;
    const found = candidates[0] === undefined ? undefined : index.get(candidates[0]);
    if (!found) throw new Error(`the suite has no package ${alternatives.join(' or ')}, which ${why}`);
    chosen.set(found.name, found);
  };
  for (const { name, required } of index.values()) if (required) choose([name], 'is required');
  for (const name of names) choose([name], 'was asked for');
  // A map's iteration goes on with what is added meanwhile.
  for (const { name, depends, preDepends } of chosen.values()) {
    for (const alternatives of [...relations(preDepends), ...relations(depends)]) choose(alternatives, `${name} depends on`);
  }
  return [...chosen.values()];
}

/** `a (>= 1) | b:any, c` as names: those of alternatives together. */
function relations(text: string): string[][] {
  return text
    .split(',')
    .map((group) => group.split('|').flatMap((relation) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(relation)?.[1] ?? []))
    .filter((group) => group.length > 0);
}
