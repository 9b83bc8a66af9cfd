import { ownCatalogue } from '../catalogue/catalogue';
import { dataDirectory } from '../host/data-directory';
import { Library } from '../runner/library';
import { itemsOf } from '../settings/items';
import { commandLineName, type Option } from '../settings/option';
import { OPTIONS } from '../settings/settings';
import { type ArgumentKind, type Command, HELP_ROW, type OptionRow } from './command';
import { COMMANDS } from './commands';
import { COMPLETION } from './commands/program';
import { parseArguments } from './option-parser';
import { optionRow } from './option-rows';
import { UsageError } from './usage-error';

/** What may stand for the last word, and whether the name of a file may as well. */
export interface Candidates {
  words: string[];
  files: boolean;
}

/**
 * What the shells run at each press of Tab: `hartbox completion words` and the words up to the cursor. It prints one candidate a line,
 * and a line of its own for files. So the shells know nothing that could grow old.
 */
const FILES = ':files';
const SCRIPTS: Readonly<Record<string, string>> = {
  // bash takes `=` and `:` for the ends of words.
  bash: `_hartbox() {
  local cur=\${COMP_WORDS[COMP_CWORD]} line
  [[ $cur == = ]] && cur=
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == ${FILES} ]]; then
      compopt -o filenames
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$cur")
    else
      [[ $line == *= || $line == *, ]] && compopt -o nospace
      COMPREPLY+=("$line")
    fi
  done < <(hartbox completion words "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _hartbox hartbox
`,
  zsh: `#compdef hartbox
_hartbox() {
  local line
  local -a plain open
  for line in "\${(@f)$(hartbox completion words "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      ${FILES}) compset -P '*='; _files ;;
      *=|*,) open+=("$line") ;;
      *) plain+=("$line") ;;
    esac
  done
  compset -P '*='
  (( \${#plain} )) && compadd -- "\${plain[@]}"
  (( \${#open} )) && compadd -S '' -- "\${open[@]}"
}
compdef _hartbox hartbox
`,
  fish: `function __hartbox_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l before (string match -r '^.*=' -- $words[-1])
  for line in (hartbox completion words $words[2..-1] 2>/dev/null)
    if test "$line" = ${FILES}
      __fish_complete_path (string replace -r '^.*=' '' -- $words[-1]) | string replace -r '^' -- "$before"
    else
      echo "$before$line"
    end
  end
end
complete -c hartbox -f -a '(__hartbox_complete)'
`,
};

/** `hartbox completion SHELL`. */
export async function completion(args: string[]): Promise<number> {
  const { names } = parseArguments(COMPLETION, args);
  const [shell, ...typed] = names;
  if (shell === 'words') {
    const { words, files } = await complete(typed, boxNames);
    process.stdout.write([...words, ...(files ? [FILES] : [])].map((line) => `${line}\n`).join(''));
    return 0;
  }
  if (names.length !== 1 || !Object.hasOwn(SCRIPTS, shell))
    throw new UsageError(`completion expects a shell: ${Object.keys(SCRIPTS).join(', ')}.`, 'completion');
  process.stdout.write(SCRIPTS[shell]);
  return 0;
}

async function boxNames(kind: 'box' | 'trashed'): Promise<string[]> {
  const library = new Library(dataDirectory());
  return kind === 'box' ? (await library.list()).map(({ id }) => id) : (await library.trashed()).map(({ trashId }) => trashId);
}

/** What may stand for the last of the words; where that has a `=`, for what is behind the last one. */
export async function complete(typed: readonly string[], boxes: (kind: 'box' | 'trashed') => Promise<string[]>): Promise<Candidates> {
  const words = joined(typed);
  const current = words[words.length - 1] ?? '';
  const { words: found, files } = await candidates(words.slice(0, -1), current, boxes);
  return { words: found.filter((word) => word.startsWith(current)).map((word) => word.slice(current.lastIndexOf('=') + 1)), files };
}

/** bash hands over `--drive=file=x` as five words. */
function joined(typed: readonly string[]): string[] {
  const words: string[] = [];
  let isOpen = false;
  for (const word of typed) {
    if ((word === '=' || isOpen) && words.length > 0) words[words.length - 1] += word;
    else words.push(word);
    isOpen = word === '=';
  }
  return words;
}

async function candidates(
  before: readonly string[],
  current: string,
  boxes: (kind: 'box' | 'trashed') => Promise<string[]>,
): Promise<Candidates> {
  const command = COMMANDS.find(({ name }) => name === before.slice(0, 2).join(' ')) ?? COMMANDS.find(({ name }) => name === before[0]);
  if (!command) return only(before.length === 0 ? [...topLevel(), '--help', '--version'] : []);
  if ((command as Command).isGroup) return only(membersOf(command));
  return ofCommand(command, before.slice(command.name.split(' ').length), current, boxes);
}

async function ofCommand(
  command: Command,
  args: readonly string[],
  current: string,
  boxes: (kind: 'box' | 'trashed') => Promise<string[]>,
): Promise<Candidates> {
  const settings = new Map((command.settings ?? []).map((option) => [commandLineName(option), option]));
  const rows = new Map<string, OptionRow>([
    ...Object.entries(command.options),
    ...[...settings].map(([name, option]): [string, OptionRow] => [name, optionRow(option)]),
    ['help', HELP_ROW],
  ]);
  if (command.isForeign) return foreign(current);
  const rowOf = (word: string): [string, OptionRow] | undefined =>
    [...rows].find(([name, { short }]) => word === `--${name}` || (short !== undefined && word === `-${short}`));
  const ofRow = (found: [string, OptionRow], text: string): Candidates => {
    const [name, row] = found;
    const option = settings.get(name);
    return option
      ? valuesOf(option, text)
      : name === 'unset'
        ? only(OPTIONS.map(({ key }) => key))
        : name === 'image'
          ? only(ownCatalogue().map(({ id }) => id))
          : { words: [...(row.choices ?? [])], files: row.isFile ?? false };
  };
  const names: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const row = rowOf(args[at]);
    if (row?.[1].type === 'value') {
      if (at === args.length - 1) return ofRow(row, current);
      at++;
    } else if (!args[at].startsWith('-')) names.push(args[at]);
  }
  if (command.endsAtFirst && names.length > 0) return { words: [], files: true };
  const [, name, value] = /^(--[^=]+)=(.*)$/s.exec(current) ?? [];
  if (value !== undefined) {
    const row = rowOf(name);
    return row ? behind(`${name}=`, ofRow(row, value)) : only([]);
  }
  if (current.startsWith('-'))
    return only([...rows].flatMap(([one, { type }]) => (type === 'switch' ? [`--${one}`, `--no-${one}`] : [`--${one}`])));
  const kinds = command.arguments ?? [];
  return ofArgument(kinds[Math.min(names.length, kinds.length - 1)], command, current, boxes);
}

/** Options of QEMU, or a file. */
async function foreign(current: string): Promise<Candidates> {
  if (!current.startsWith('-')) return { words: [], files: true };
  const { QEMU_OPTIONS } = await import('./qemu/option-table');
  return only(QEMU_OPTIONS.filter(({ effect }) => effect !== 'refused').flatMap(({ names }) => names));
}

async function ofArgument(
  kind: ArgumentKind | undefined,
  command: Command,
  current: string,
  boxes: (kind: 'box' | 'trashed') => Promise<string[]>,
): Promise<Candidates> {
  switch (kind) {
    case 'box':
    case 'trashed':
      return only(await boxes(kind));
    case 'image':
      return only(ownCatalogue().map(({ id }) => id));
    case 'file':
      return { words: [], files: true };
    case 'drive': {
      const option = OPTIONS.find((one) => one.kind === 'drives');
      return option ? valuesOf(option, current) : only([]);
    }
    case 'option':
      return only(OPTIONS.map(({ key }) => key));
    case 'assignment': {
      const [, key, text] = /^(\w+)=(.*)$/s.exec(current) ?? [];
      if (key === undefined) return only(OPTIONS.map((one) => `${one.key}=`));
      const option = OPTIONS.find((one) => one.key === key);
      return option ? behind(`${key}=`, valuesOf(option, text)) : only([]);
    }
    case 'command':
      return only([...topLevel(), 'options', ...OPTIONS.map(({ key }) => key)]);
    default:
      return only(command.name === 'completion' ? Object.keys(SCRIPTS) : []);
  }
}

/** The values that an option may have, as far as they can be listed. */
function valuesOf(option: Option, text: string): Candidates {
  if (option.kind === 'switch') return only(['on', 'off']);
  const row = optionRow(option);
  const list = itemsOf(option);
  if (!list) return { words: [...(row.choices ?? [])], files: row.isFile ?? false };
  const [, done = '', last = ''] = /^(.*,)?([^,]*)$/s.exec(text) ?? [];
  const [, name, value] = /^([^=]*)=(.*)$/s.exec(last) ?? [];
  const { options, first } = list;
  const one = options.find((each) => commandLineName(each) === name);
  if (value === undefined) {
    const words = options.find((each) => done === '' && each.key === first?.keys[0])?.choices;
    return only([
      ...Object.keys(words ?? {}),
      ...options
        .filter((each) => first === undefined || each.key !== first.keys[0] || each.kind === 'folder')
        .map((each) => `${done}${commandLineName(each)}=`),
    ]);
  }
  if (!one || one.kind === 'file' || one.kind === 'folder') return { words: [], files: one !== undefined };
  return only(valuesOf(one, value).words.map((word) => `${done}${name}=${word}`));
}

function topLevel(): string[] {
  return COMMANDS.map(({ name }) => name).filter((name) => !name.includes(' '));
}

function membersOf({ name }: { name: string }): string[] {
  return COMMANDS.filter((one) => one.name.startsWith(`${name} `)).map((one) => one.name.slice(name.length + 1));
}

function behind(start: string, { words, files }: Candidates): Candidates {
  return { words: words.map((word) => start + word), files };
}

function only(words: string[]): Candidates {
  return { words, files: false };
}
