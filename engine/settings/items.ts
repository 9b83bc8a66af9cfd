import { driveSchema } from './drive';
import { networkSchema } from './network';
import { infoOf, type Kind, type Option, optionsOf } from './option';
import { formatShare, parseShare, shareSchema } from './share';

/** Kinds of option whose value is a list of things that have options of their own. */
export type ItemKind = 'drives' | 'networks' | 'shares';

export interface Items {
  options: readonly Option[];
  /** What may stand first on a command line without the name of an option. */
  first?: FirstWord;
  /** What an empty list is called there. */
  none?: string;
}

export interface FirstWord {
  /** Options that it stands for. */
  keys: readonly string[];
  /** What stands for it in the help, and what it is. */
  placeholder: string;
  what: string;
  parse: (text: string) => Record<string, unknown>;
  /** Undefined where they have to be named. */
  format: (item: Readonly<Record<string, unknown>>) => string | undefined;
}

const ITEMS: Readonly<Record<ItemKind, Items>> = {
  drives: { options: optionsOf(driveSchema) },
  networks: {
    options: optionsOf(networkSchema),
    first: {
      keys: ['connection'],
      placeholder: Object.keys(infoOf(networkSchema.shape.connection)?.choices ?? {}).join('|'),
      what: 'connection',
      parse: (text) => {
        const [, connection = '', name] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? [];
        return { connection, ...(name !== undefined && { name }) };
      },
      format: ({ connection }) => (typeof connection === 'string' ? connection : undefined),
    },
    none: 'none',
  },
  shares: {
    options: optionsOf(shareSchema),
    first: { keys: ['folder', 'mount'], placeholder: 'PATH[:/PLACE]', what: 'path', parse: parseShare, format: formatShare },
    none: 'none',
  },
};

/** What the things have of which an option's value is a list; undefined for all other options. */
export function itemsOf({ kind }: { kind: Kind }): Items | undefined {
  return kind in ITEMS ? ITEMS[kind as ItemKind] : undefined;
}
