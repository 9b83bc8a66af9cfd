import { z } from 'zod';

/** The settings page on which an option stands. */
export const PAGES = ['general', 'start', 'system', 'drives', 'shares', 'network', 'terminal', 'host'] as const;
export type Page = (typeof PAGES)[number];

/**
 * What kind of value an option has. It decides how the value is written on a command line (text.ts) and by what a form shows it.
 * size: bytes. grid: columns × rows. choice, choices: of those in `choices`; with `orFile` a path too. words: short texts without order.
 * lines: text of several lines. file, folder: a path. address: of the guest, as text, 0x… drives, networks, shares, fw-cfg, load: lists of objects.
 */
export type Kind =
  | 'size'
  | 'count'
  | 'switch'
  | 'choice'
  | 'choices'
  | 'text'
  | 'lines'
  | 'words'
  | 'file'
  | 'folder'
  | 'grid'
  | 'address'
  | 'drives'
  | 'networks'
  | 'shares'
  | 'fw-cfg'
  | 'load';

/** When a change takes effect in a box that runs: at once, or when it is switched on again. */
export type Effect = 'live' | 'restart';

/** What a rule for a recommended value looks at. */
export interface HostFacts {
  /** Bytes of RAM. */
  memory: number;
  /** Processors that programs can use. */
  processors: number;
}

/** The one description of an option; everything that shows, parses, checks or documents it is made from this and its schema. */
export interface OptionInfo {
  /** English; translations stand under `option.KEY.label` and `option.KEY.help`. */
  label: string;
  help: string;
  page: Page;
  kind: Kind;
  effect: Effect;
  /** English names of the values; translations stand under `option.KEY.choice.VALUE`. Keys are the values. */
  choices?: Readonly<Record<string, string>>;
  /** Beside the choices, the path of a file. */
  orFile?: boolean;
  /** Few need it: it stands on the expert page of the wizard, and behind "Advanced" elsewhere. */
  advanced?: boolean;
  /** The switch of what it belongs to: on where this is not the usual value, and the switch is not given. */
  turnsOn?: string;
  /** What is recommended where that is not simply the default. */
  recommended?: (host: HostFacts) => unknown;
  /** The command line. */
  cli?: {
    /** Where the name on the command line is not the key in kebab-case. */
    name?: string;
    /** One letter. */
    short?: string;
    /** What stands for the value in the help: SIZE, N, FILE. */
    value?: string;
  };
}

const infos = z.registry<OptionInfo>();

/** Ties a schema to its description. To be called outermost, behind `.default()`. */
export function option<Schema extends z.ZodType>(schema: Schema, info: OptionInfo): Schema {
  if (infos.has(schema)) throw new Error(`Two options, ${info.label} is the second, need a schema each.`);
  infos.add(schema, info);
  return schema;
}

/** The description that was tied to a schema. */
export function infoOf(schema: z.core.$ZodType): OptionInfo | undefined {
  return infos.get(schema);
}

export interface Option extends OptionInfo {
  /** In the settings file and in `hartbox get` and `set`: one name, whatever part it stands in. */
  key: string;
  schema: z.ZodType;
  /** What it is unless given; undefined where it may be missing. */
  default: unknown;
}

/** The options of an object schema, in its order. */
export function optionsOf(schema: z.ZodObject): Option[] {
  return Object.entries(schema.shape).map(([key, one]) => {
    const info = infoOf(one as z.ZodType);
    if (!info) throw new Error(`The option ${key} has no description.`);
    const initial = (one as z.ZodType).safeParse(undefined);
    return { key, schema: one as z.ZodType, default: initial.success ? initial.data : undefined, ...info };
  });
}

/** `flashVars` is `--flash-vars`. */
export function commandLineName(option: Option): string {
  return option.cli?.name ?? option.key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
