import { VmError } from '../../errors/vm-error';
import type { DebianPackage } from '../packages';
import { satisfies } from './version';

/** One name in a relation between packages, and which versions of it are meant (deb-control(5)). */
export interface Relation {
  name: string;
  operator?: string;
  version?: string;
}

/** `a (>= 1) | b:any, c` as lists of alternatives. What cannot be read is left out. */
export function relations(text: string): Relation[][] {
  return text
    .split(',')
    .map((group) =>
      group.split('|').flatMap((one): Relation[] => {
        const [, name, operator, version] =
          /^\s*([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(>=|<=|>>|<<|=)\s*([^\s)]+)\s*\))?/.exec(one) ?? [];
        if (name === undefined) return [];
        return [operator === undefined || version === undefined ? { name } : { name, operator, version }];
      }),
    )
    .filter((group) => group.length > 0);
}

const RANKS = ['required', 'important', 'standard'];

/** A suite's packages, and which of them stand for which names. */
class Suite {
  private readonly providers = new Map<string, { by: DebianPackage; version?: string | undefined }[]>();

  constructor(readonly packages: ReadonlyMap<string, DebianPackage>) {
    for (const by of packages.values()) {
      for (const [provided] of relations(by.provides)) {
        if (provided === undefined) continue;
        const others = this.providers.get(provided.name) ?? [];
        this.providers.set(provided.name, [...others, { by, version: provided.version }]);
      }
    }
  }

  /** All that do for a relation, the best first: of that name, then those that stand for it, more usual ones first. */
  candidates({ name, operator, version }: Relation): DebianPackage[] {
    const fits = (has: string | undefined): boolean =>
      operator === undefined || version === undefined || (has !== undefined && satisfies(has, operator, version));
    const real = this.packages.get(name);
    const providers = (this.providers.get(name) ?? []).filter((one) => fits(one.version)).map(({ by }) => by);
    const rank = ({ priority }: DebianPackage): number => (RANKS.indexOf(priority) + RANKS.length + 1) % (RANKS.length + 1);
    providers.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
    return [...(real && fits(real.version) ? [real] : []), ...providers];
  }

  /** Whether one says that it cannot be there together with the other. */
  excludes(one: DebianPackage, other: DebianPackage): boolean {
    if (one.name === other.name) return false;
    return [...relations(one.conflicts), ...relations(one.breaks)].some(([relation]) =>
      this.candidates(relation).some(({ name }) => name === other.name),
    );
  }
}

/**
 * The packages with these names, those without which there is no Debian (`required`), and all that they depend on (deb-control(5): Depends
 * and Pre-Depends), in an order in which each comes behind what it depends on, as far as there is one. Of alternatives the first is taken
 * that nothing speaks against, unless another is there already. Throws VmError 'Network' where the suite does not have something, or has
 * only what does not go with the rest.
 */
export function resolveDependencies(
  packages: ReadonlyMap<string, DebianPackage>,
  names: readonly string[],
  { required = true } = {},
): DebianPackage[] {
  const suite = new Suite(packages);
  const chosen = new Map<string, DebianPackage>();
  const choose = (alternatives: Relation[], why: string): void => {
    const candidates = alternatives.flatMap((relation) => suite.candidates(relation));
    if (candidates.some(({ name }) => chosen.has(name))) return;
    const fitting = candidates.find(
      (one) => ![...chosen.values()].some((other) => suite.excludes(one, other) || suite.excludes(other, one)),
    );
    if (fitting) {
      chosen.set(fitting.name, fitting);
      return;
    }
    const wanted = alternatives.map(({ name, operator, version }) => (operator ? `${name} (${operator} ${version})` : name)).join(' or ');
    const found = candidates.length === 0 ? 'does not have it' : `has only what does not go with the rest (${candidates[0].name})`;
    throw new VmError('Network', `${why}: ${wanted} is needed, and the mirror's suite ${found}`);
  };
  if (required) for (const one of packages.values()) if (one.required) choose([{ name: one.name }], 'It is part of every Debian');
  for (const name of names) choose([{ name }], 'It was asked for');
  // A map's iteration goes on with what is added meanwhile.
  for (const one of chosen.values()) {
    for (const alternatives of dependenciesOf(one)) choose(alternatives, `${one.name} depends on it`);
  }
  return inOrder(suite, chosen);
}

function dependenciesOf({ preDepends, depends }: DebianPackage): Relation[][] {
  return [...relations(preDepends), ...relations(depends)];
}

/** Depth first. Where packages depend on each other in a circle, it is opened somewhere, as dpkg does. */
function inOrder(suite: Suite, chosen: ReadonlyMap<string, DebianPackage>): DebianPackage[] {
  const ordered: DebianPackage[] = [];
  const seen = new Set<string>();
  /** Those whose dependencies are being looked at, each with what is left of them; no recursion, however long the chain. */
  const open: { one: DebianPackage; left: DebianPackage[] }[] = [];
  const visit = (one: DebianPackage): void => {
    if (seen.has(one.name)) return;
    seen.add(one.name);
    const below = dependenciesOf(one).flatMap((alternatives) =>
      alternatives.flatMap((relation) => suite.candidates(relation)).filter(({ name }) => chosen.has(name)),
    );
    open.push({ one, left: below });
  };
  for (const start of chosen.values()) {
    visit(start);
    for (let last = open.at(-1); last; last = open.at(-1)) {
      const next = last.left.shift();
      if (next) visit(next);
      else {
        ordered.push(last.one);
        open.pop();
      }
    }
  }
  return ordered;
}
