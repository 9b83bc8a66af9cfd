import type { Option } from '../settings/option';

/**
 * An option on the command line. flag: `--name`. switch: `--name`, `--no-name`, `--name=off`. value: `--name VALUE`. optional: `--name` or
 * `--name=VALUE`; left out the value is empty.
 */
export interface OptionRow {
  type: 'flag' | 'switch' | 'value' | 'optional';
  short?: string;
  multiple?: boolean;
  /** What stands for the value in the help. */
  value?: string;
  /** What it does, without a full stop. */
  help: string;
  /** What the value may be, for completion: these words, the path of a file. */
  choices?: readonly string[];
  isFile?: boolean;
}
export type OptionTable = Readonly<Record<string, OptionRow>>;

export const HELP_ROW = { type: 'flag', short: 'h', help: 'this help' } as const satisfies OptionRow;

/** What an argument is, for completion. */
export type ArgumentKind = 'box' | 'drive' | 'image' | 'trashed' | 'file' | 'option' | 'assignment' | 'command' | 'word';

/** One command as the help, the completion and the parser see it; what it does stands in dispatch.ts. */
export interface Command<Table extends OptionTable = OptionTable> {
  /** `run`, or `disk create`. */
  name: string;
  /** One line without a full stop. */
  summary: string;
  /** What follows the name, one line a form. */
  usage: readonly string[];
  /** What there is to know before the options, and after them. */
  about?: string;
  more?: string;
  options: Table;
  /** The options of a box that it takes beside those. */
  settings?: readonly Option[];
  /** What its arguments are; the last stands for all that follow. */
  arguments?: readonly ArgumentKind[];
  /** Its options end at the first argument, which begins a command line of its own. */
  endsAtFirst?: boolean;
  /** Its words follow rules of their own: nothing here reads them. */
  isForeign?: boolean;
  /** It only stands for those whose name goes on. */
  isGroup?: boolean;
}

/** A row with the types of its name and options kept. */
export function command<const Row extends Command>(row: Row): Row {
  return row;
}
