import { availableParallelism, totalmem } from 'node:os';
import { itemsOf } from '../settings/items';
import { commandLineName, type HostFacts, type Option } from '../settings/option';
import { limitsOf } from '../settings/problem';
import { formatSize, formatTexts } from '../settings/text';
import type { OptionRow } from './command';

/** The options of a box as the command line has them. */

export const rowName = commandLineName;

export function optionRow(option: Option): OptionRow {
  const choices = Object.keys(option.choices ?? {});
  return {
    type: option.kind === 'switch' ? 'switch' : 'value',
    ...(option.cli?.short !== undefined && { short: option.cli.short }),
    ...(['drives', 'networks', 'shares', 'fw-cfg', 'load', 'words', 'choices'].includes(option.kind) && { multiple: true }),
    value: placeholder(option),
    help: helpOf(option),
    ...(choices.length > 0 && { choices }),
    ...((option.kind === 'file' || option.kind === 'folder' || option.kind === 'load' || option.orFile) && { isFile: true }),
  };
}

/** What stands between the commas of an option such as `--drive`, as rows of the help: without dashes. */
export interface ItemSection {
  title: string;
  rows: [string, string][];
}

/** Undefined for an option that is no list of things with options. */
export function itemSection(option: Option): ItemSection | undefined {
  const list = itemsOf(option);
  if (!list) return undefined;
  const name = `--${rowName(option)}`;
  const { first } = list;
  return {
    title: `What ${name} takes, with commas between (a comma within a value is written twice)${first ? `; the first is the ${first.what}` : ''}:`,
    rows: list.options.map((one) => [
      one.key === first?.keys[0] ? first.placeholder : `${rowName(one)}${one.kind === 'switch' ? '[=on|off]' : `=${placeholder(one)}`}`,
      helpOf(one),
    ]),
  };
}

/** What stands for the value in the help. */
export function placeholder(option: Option): string {
  if (option.cli?.value !== undefined) return option.cli.value;
  switch (option.kind) {
    case 'size':
      return 'SIZE';
    case 'count':
      return 'N';
    case 'switch':
      return 'on|off';
    case 'choice': {
      const choices = [...Object.keys(option.choices ?? {}), ...(option.orFile ? ['FILE'] : [])].join('|');
      return choices.length <= 30 ? choices : 'WHICH';
    }
    case 'choices':
    case 'words':
      return 'WORD[,…]';
    case 'file':
      return 'FILE';
    case 'folder':
      return 'FOLDER';
    case 'grid':
      return 'COLUMNSxROWS';
    case 'drives':
      return 'file=FILE[,…]';
    case 'networks':
      return 'WHAT[=NAME][,…]';
    case 'shares':
      return 'PATH[:/PLACE][,…]';
    case 'fw-cfg':
      return 'name=opt/NAME,file=FILE|string=TEXT';
    case 'load':
      return 'FILE[@ADDRESS]';
    case 'address':
      return 'ADDRESS';
    case 'text':
    case 'lines':
      return 'TEXT';
  }
}

/** What it is and may be, and what it is unless given. */
function helpOf(option: Option): string {
  const range = rangeOf(option);
  const usual = defaultOf(option);
  // Whose values have no commas between them.
  const repeated = ['drives', 'networks', 'shares', 'fw-cfg', 'load'].includes(option.kind) ? '; may be given more than once' : '';
  return `${option.help}${repeated}${range && ` (${range})`}${usual && `  [${usual}]`}`;
}

/** The values it may have where its words and its placeholder do not say them: `16M to 3840M`. */
function rangeOf(option: Option): string {
  const choices = Object.entries(option.choices ?? {});
  const listed = placeholder(option).split('|');
  const isSaid = ([choice, label]: [string, string]): boolean =>
    new RegExp(`(^|\\W)${choice}(\\W|$)`).test(option.help) || (listed.includes(choice) && isTelling(choice, label));
  return choices.length > 0 && choices.every(isSaid) ? '' : valuesOf(option);
}

/** The values it may have: `16M to 3840M`; nothing where there is no end to them. */
export function valuesOf(option: Option): string {
  const { minimum, maximum } = limitsOf(option);
  if (option.kind === 'size') return `${formatSize(minimum ?? 0)} to ${formatSize(maximum ?? 0)}`;
  if (option.kind === 'count') return `${minimum} to ${maximum}`;
  const choices = Object.entries(option.choices ?? {}).map(([choice, label]) =>
    isTelling(choice, label) ? choice : `${choice}: ${label}`,
  );
  return [...choices, ...(option.orFile ? ['or a file'] : [])].join(', ');
}

/** `virtio disk` says no more than `virtio` does. */
function isTelling(choice: string, label: string): boolean {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '');
  return plain(label).includes(plain(choice));
}

/** `512M; recommended on this host: 2G`. */
export function defaultOf(option: Option): string {
  const usual = option.default === undefined ? '' : formatTexts(option, option.default).join(' ');
  const recommended = option.recommended === undefined ? '' : formatTexts(option, option.recommended(hostFacts())).join(' ');
  return recommended === '' || recommended === usual ? usual : `${usual}; recommended on this host: ${recommended}`;
}

function hostFacts(): HostFacts {
  return { memory: totalmem(), processors: availableParallelism() };
}
