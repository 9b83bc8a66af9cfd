import { driveSchema } from './drive';
import { networkSchema } from './network';
import { type Kind, type Option, optionsOf } from './option';

/** Kinds of option whose value is a list of things that have options of their own. */
export type ItemKind = 'drives' | 'networks';

export interface Items {
  options: readonly Option[];
  /** The option that may stand first on a command line, by its value alone; and the one that a value of that may have behind `=`. */
  first?: { key: string; value: string };
  /** What an empty list is called there. */
  none?: string;
}

const ITEMS: Readonly<Record<ItemKind, Items>> = {
  drives: { options: optionsOf(driveSchema) },
  networks: { options: optionsOf(networkSchema), first: { key: 'connection', value: 'name' }, none: 'none' },
};

/** What the things have of which an option's value is a list; undefined for all other options. */
export function itemsOf({ kind }: { kind: Kind }): Items | undefined {
  return kind in ITEMS ? ITEMS[kind as ItemKind] : undefined;
}
