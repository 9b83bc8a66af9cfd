import { type Items, itemsOf } from './items';
import { commandLineName, type Option } from './option';

/**
 * Options as text: on the command line, in `hartbox get` and `set`, in a form's field. What cannot be read as the kind of value that the
 * option has comes back as the text itself, and the schema refuses it: one place says what is right.
 */

const UNITS: Record<string, number> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** `512M`, `1G`, `1.5GiB`, `65536K` in bytes. A number alone is MiB, as in QEMU. Undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?)?$/i.exec(text.trim());
  const bytes = match ? Number(match[1]) * (UNITS[match[2]?.toUpperCase() ?? 'M'] ?? Number.NaN) : Number.NaN;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** `512M`, `3G`, `1536M`, `100K`: the largest unit that says it exactly; bytes that are no whole KiB as `0.5K`. */
export function formatSize(bytes: number): string {
  for (const unit of ['T', 'G', 'M', 'K'] as const) {
    if (bytes >= UNITS[unit] && bytes % UNITS[unit] === 0) return `${bytes / UNITS[unit]}${unit}`;
  }
  return `${bytes / 1024}K`;
}

/** The value of an option that was given as these texts; several only for lists. */
export function parseTexts(option: Option, texts: readonly string[]): unknown {
  const text = texts[texts.length - 1] ?? '';
  switch (option.kind) {
    case 'size':
      return parseSize(text) ?? text;
    case 'count':
      return /^\d+$/.test(text) ? Number(text) : text;
    case 'switch':
      return parseSwitch(text);
    case 'grid':
      return parseGrid(text);
    case 'choice':
      return parseChoice(option, text);
    case 'choices':
    case 'words':
      return texts.flatMap((one) => one.split(',').map((word) => word.trim())).filter((word) => word !== '');
    case 'drives':
    case 'networks':
    case 'shares': {
      const list = itemsOf(option) as Items;
      return texts.filter((one) => one !== '' && one !== list.none).map((one) => parseItem(list, one));
    }
    case 'fw-cfg':
      return texts.filter((one) => one !== '').map(parseFwCfg);
    case 'load':
      return texts.filter((one) => one !== '').map(parseLoad);
    case 'address':
      return parseAddress(text);
    case 'text':
    case 'lines':
    case 'file':
    case 'folder':
      return text;
  }
}

/** The texts that `parseTexts` makes the value from; one, except for drives, adapters, fw_cfg items and files to load. */
export function formatTexts(option: Option, value: unknown): string[] {
  if (value === undefined || value === null) return [''];
  switch (option.kind) {
    case 'size':
      return [typeof value === 'number' ? formatSize(value) : plain(value)];
    case 'switch':
      return [value === true ? 'on' : value === false ? 'off' : plain(value)];
    case 'grid':
      return [isObject(value) ? `${plain(value['columns'] ?? '?')}x${plain(value['rows'] ?? '?')}` : plain(value)];
    case 'choices':
    case 'words':
      return [Array.isArray(value) ? value.map(plain).join(',') : plain(value)];
    case 'drives':
    case 'networks':
    case 'shares': {
      const list = itemsOf(option) as Items;
      const texts = items(value).map((one) => (isObject(one) ? formatItem(list, one) : plain(one)));
      return texts.length === 0 && list.none !== undefined ? [list.none] : texts;
    }
    case 'fw-cfg':
      return items(value).map((one) => (isObject(one) ? formatFwCfg(one) : plain(one)));
    case 'load':
      return items(value).map((one) => (isObject(one) ? formatLoad(one) : plain(one)));
    default:
      return [plain(value)];
  }
}

/** Whatever it is, also what the option should not have. */
function plain(value: unknown): string {
  return typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function parseSwitch(text: string): unknown {
  if (/^(on|yes|true|1)$/i.test(text)) return true;
  return /^(off|no|false|0)$/i.test(text) ? false : text;
}

function parseGrid(text: string): unknown {
  const [, columns, rows] = /^(\d+)\s*[x×]\s*(\d+)$/i.exec(text.trim()) ?? [];
  return columns === undefined ? text : { columns: Number(columns), rows: Number(rows) };
}

/** Choices may be numbers. */
function parseChoice(option: Option, text: string): unknown {
  return /^\d+$/.test(text) && option.schema.safeParse(Number(text)).success ? Number(text) : text;
}

/** `file=disk.img,if=scsi,readonly` or `switch=lan,mtu=9000`; a comma within a value is written twice, as in QEMU. */
function parseItem({ options, first }: Items, text: string): unknown {
  const item: Record<string, unknown> = {};
  const set = (key: string, value: unknown): void => {
    // What is given twice stays as it is, for the schema to refuse.
    item[Object.hasOwn(item, key) ? `${key} (twice)` : key] = value;
  };
  for (const [at, part] of splitAtCommas(text).entries()) {
    const [, name = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(part) ?? [];
    const option = options.find((one) => commandLineName(one) === name);
    if (at === 0 && first && !option) {
      for (const [key, given] of Object.entries(first.parse(part))) set(key, given);
      continue;
    }
    // So does a key that there is not.
    set(option?.key ?? name, option ? parseTexts(option, [value ?? (option.kind === 'switch' ? 'on' : '')]) : (value ?? ''));
  }
  return item;
}

/** The parts between single commas, with double ones made single. */
function splitAtCommas(text: string): string[] {
  const parts = [''];
  for (const [piece] of text.matchAll(/,,|,|[^,]+/g)) {
    if (piece === ',') parts.push('');
    else parts[parts.length - 1] += piece === ',,' ? ',' : piece;
  }
  return parts;
}

function formatItem({ options, first }: Items, item: Readonly<Record<string, unknown>>): string {
  const optionOf = (key: string): Option | undefined => options.find((one) => one.key === key);
  // What each has unless given need not be said.
  const isTold = (key: string, value: unknown): boolean => value !== undefined && value !== optionOf(key)?.default;
  const word = first?.format(item);
  const parts = Object.entries(item).filter(([key, value]) => isTold(key, value) && !(word !== undefined && first?.keys.includes(key)));
  const texts = parts.map(([key, value]) => {
    const option = optionOf(key);
    const [text] = option ? formatTexts(option, value) : [plain(value)];
    return `${option ? commandLineName(option) : key}=${text.replaceAll(',', ',,')}`;
  });
  return [...(word === undefined ? [] : [word.replaceAll(',', ',,')]), ...texts].join(',');
}

/** `name=opt/…,file=FILE` or `name=opt/…,string=TEXT`, as in QEMU; all behind the second `=` belongs to the value. */
function parseFwCfg(text: string): unknown {
  const [, name, kind, value] = /^(?:name=)?(opt\/[^,\s]+),(file|string)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) return text;
  return kind === 'file' ? { name, file: value } : { name, text: value };
}

function formatFwCfg({ name, file, text }: Readonly<Record<string, unknown>>): string {
  return `name=${plain(name ?? '')},${file === undefined ? `string=${plain(text ?? '')}` : `file=${plain(file)}`}`;
}

/** An address as it stands in settings: `0x80200000`; also from decimal digits. */
function parseAddress(text: string): string {
  const digits = text.trim();
  return /^\d{1,15}$/.test(digits) ? `0x${Number(digits).toString(16)}` : digits.toLowerCase();
}

/** `FILE`, `FILE@ADDRESS`, `FILE@ADDRESS,raw`. */
function parseLoad(text: string): unknown {
  const [, named = text, raw] = /^(.+?)(,raw)?$/s.exec(text) ?? [];
  const [, file = named, address] = /^(.+)@(0x[0-9a-f]+|\d+)$/is.exec(named) ?? [];
  return { file, ...(address !== undefined && { address: parseAddress(address) }), ...(raw !== undefined && { raw: true }) };
}

function formatLoad({ file, address, raw }: Readonly<Record<string, unknown>>): string {
  return `${plain(file ?? '')}${address === undefined ? '' : `@${plain(address)}`}${raw === true ? ',raw' : ''}`;
}
