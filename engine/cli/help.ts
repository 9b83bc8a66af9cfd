import { itemsOf } from '../settings/items';
import { commandLineName, type Option } from '../settings/option';
import { PART_NAMES, type Part, OPTIONS } from '../settings/settings';
import { PART_TITLES } from '../settings/json-schema';
import { COMMANDS } from './commands';
import { RUN } from './commands/running';
import { type Command, HELP_ROW, type OptionRow } from './command';
import { defaultOf, itemSection, optionRow, placeholder, valuesOf } from './option-rows';

/** All help is made from the same descriptions as the parser. No line of it is longer. */
const WIDTH = 100;
const COLUMN = 26;

/** What there is: `hartbox --help`. */
export function overview(): string {
  const rows = COMMANDS.filter(({ name }) => !name.includes(' ')).map(({ name, summary }) => [name, summary] as const);
  const more = [
    ['--version', 'the version'],
    ['-h, --help', 'this help; also after each command'],
  ] as const;
  return `Hartbox runs RISC-V virtual machines, here called boxes, on an engine of its own.

Usage: hartbox COMMAND [OPTIONS]

Commands:
${table(rows, 15)}

${table(more, 15)}
${wrap(RUN.more ?? '').replace(/^\n.*?\n(?=\nExit codes)/s, '')}
`;
}

/** The help of one command. */
export function commandHelp(command: Command): string {
  const { name, summary, usage, about, more } = command;
  const sections = [
    `${sentence(summary)}\n`,
    ...usage.map((form, at) => `${at === 0 ? 'Usage:' : '      '} hartbox ${`${name} ${form}`.trim()}`),
    ...(about === undefined ? [] : ['', wrap(about)]),
    ...(command.isGroup
      ? [
          '',
          'Commands:',
          table(
            membersOf(command).map((member) => [member.name.slice(name.length + 1), member.summary] as const),
            12,
          ),
        ]
      : ['', ...optionSections(command)]),
    ...(more === undefined ? [] : [wrap(more)]),
  ];
  return `${sections.join('\n')}\n`;
}

export function membersOf(group: Command): Command[] {
  return COMMANDS.filter(({ name }) => name.startsWith(`${group.name} `));
}

function optionSections(command: Command): string[] {
  const own = [...Object.entries(command.options), ['help', HELP_ROW] as const].map(
    ([name, row]) => [optionName(name, row), row.help] as const,
  );
  const settings = (command.settings ?? []).map(
    (option) => [optionName(commandLineName(option), optionRow(option)), optionRow(option).help] as const,
  );
  if (settings.length === 0) return ['Options:', table(own)];
  return ['Options:', table(own), '', 'Settings of the box:', table(settings), ...itemSections(command.settings ?? [])];
}

/** What the lists among these options take. */
function itemSections(options: readonly Option[]): string[] {
  return options.flatMap((option) => {
    const section = itemSection(option);
    return section ? ['', ...wrapTo(section.title, WIDTH), table(section.rows)] : [];
  });
}

/** `-m, --memory SIZE`, `--[no-]jit`, `--stats[=SECONDS]`. */
function optionName(name: string, { type, short, value }: OptionRow): string {
  const long = {
    flag: `--${name}`,
    switch: `--[no-]${name}`,
    value: `--${name} ${value ?? 'VALUE'}`,
    optional: `--${name}[=${value ?? 'VALUE'}]`,
  }[type];
  return `${short === undefined ? '    ' : `-${short}, `}${long}`;
}

/** Names at the left, what they mean at the right; a name that is too long has a line of its own. */
function table(rows: readonly (readonly [string, string])[], column = COLUMN): string {
  return rows
    .flatMap(([name, meaning]) => {
      const lines = wrapTo(meaning, WIDTH - column);
      const left = `  ${name}`;
      if (left.length > column - 2) return [left, ...lines.map((line) => ' '.repeat(column) + line)];
      return lines.map((line, at) => (at === 0 ? left.padEnd(column) : ' '.repeat(column)) + line);
    })
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Each line that is too long goes on in a next one with the same beginning; with it go the lines of its paragraph. */
function wrap(text: string): string {
  return text
    .replace(/^\S.*(?:\n\S.*)+$/gm, (lines) =>
      lines.split('\n').some((line) => line.length > WIDTH) ? lines.replaceAll('\n', ' ') : lines,
    )
    .split('\n')
    .flatMap((line) => {
      const [indent] = /^ */.exec(line) ?? [''];
      return line.length <= WIDTH ? [line] : wrapTo(line.trim(), WIDTH - indent.length).map((part) => indent + part);
    })
    .join('\n');
}

function wrapTo(text: string, width: number): string[] {
  const lines = [''];
  // Two spaces, before a default, stay together.
  for (const word of text.split(/ (?=\S)/)) {
    const last = lines[lines.length - 1];
    if (last === '') lines[lines.length - 1] = word;
    else if (`${last} ${word}`.trimEnd().length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => line.trimEnd());
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** All settings of a box, part by part: `hartbox help options`. */
export function settingsHelp(): string {
  const parts = PART_NAMES.map(
    (part) => `${PART_TITLES[part]} (${part}):\n${table(settingsOf(part).map((option) => [option.key, optionRow(option).help]))}`,
  );
  return `The settings of a box, by the keys that \`hartbox get\`, \`hartbox set\` and its settings file use.
${wrap('On the command line each is an option too: `hartbox help KEY` says how.')}

${parts.join('\n\n')}
${itemSections(OPTIONS).join('\n')}
`;
}

function settingsOf(part: Part): (typeof OPTIONS)[number][] {
  return OPTIONS.filter((option) => option.part === part);
}

/** One setting: `hartbox help KEY`. */
export function settingHelp(option: (typeof OPTIONS)[number]): string {
  const usual = defaultOf(option);
  const range = valuesOf(option);
  const rows: [string, string][] = [
    ['Command line', optionName(commandLineName(option), optionRow(option)).trim()],
    ['Settings file', `${option.part}.${option.key}`],
    ...(range === '' ? [] : [['Values', range] satisfies [string, string]]),
    ['Default', usual === '' ? 'none' : usual],
    ...(option.turnsOn === undefined ? [] : [['Turns on', `${option.turnsOn}, unless that is set too`] satisfies [string, string]]),
    [
      'A change',
      option.effect === 'live' ? 'takes effect at once, also in a box that runs' : 'takes effect when the box is switched on again',
    ],
  ];
  const section = itemSections([option]).map((line) => `${line}\n`);
  return `${option.key}: ${option.label}\n\n${wrap(sentence(option.help))}\n\n${table(rows, 18)}\n${section.join('')}`;
}

/** One command as a section of the reference. */
export function commandMarkdown(command: Command): string {
  return `## hartbox ${command.name}\n\n\`\`\`text\n${commandHelp(command).trimEnd()}\n\`\`\`\n`;
}

/** All settings as tables. */
export function settingsMarkdown(): string {
  const cells = (...texts: string[]): string => `| ${texts.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
  const rows = (options: readonly Option[], dashes: string): string[] => [
    cells('Key', 'Command line', 'Values', 'Default', 'Takes effect', 'What it is'),
    '| --- | --- | --- | --- | --- | --- |',
    ...options.map((option) =>
      cells(
        `\`${option.key}\``,
        `\`${dashes}${commandLineName(option)}\``,
        valuesOf(option) || placeholder(option),
        // Not what is recommended: that depends on the host.
        option.default === undefined ? '' : defaultOf({ ...option, recommended: undefined }),
        option.effect === 'live' ? 'at once' : 'at the next start',
        option.help,
      ),
    ),
  ];
  const parts = PART_NAMES.map((part) => [`### ${PART_TITLES[part]} (\`${part}\`)`, '', ...rows(settingsOf(part), '--'), ''].join('\n'));
  const lists = OPTIONS.flatMap((option) => {
    const list = itemsOf(option);
    return list ? [`### Of each of \`${option.part}.${option.key}\``, '', ...rows(list.options, ''), ''] : [];
  });
  return [`## Settings of a box`, '', ...parts, ...lists].join('\n');
}

/** All commands and settings. */
export function reference(): string {
  return [
    '# Hartbox: commands and settings',
    '',
    settingsMarkdown(),
    ...COMMANDS.filter(({ name }) => name !== 'help').map(commandMarkdown),
  ].join('\n');
}
