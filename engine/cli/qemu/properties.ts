import { QemuError } from './qemu-error';

interface Property {
  name: string;
  value: string;
}

const TRUE = ['on', 'yes', 'true', 'y'];
const FALSE = ['off', 'no', 'false', 'n'];
/** QEMU's suffixes are powers of 1024. */
/** How deep objects lie in one another at most. */
const JSON_DEPTH = 16;
const SUFFIXES = ['B', 'K', 'M', 'G', 'T', 'P', 'E'];

/**
 * What stands in one argument between commas: `driver,name=value,flag,noflag`. A comma within a value is written twice. Whoever knows what a
 * property means takes it; those that nobody took are refused by name. All errors are QemuErrors that name the option.
 */
export class Properties {
  private readonly taken = new Set<string>();

  private constructor(
    /** The option and its argument, for messages. */
    readonly where: string,
    private readonly list: readonly Property[],
  ) {}

  /** `implied`: the name of a first value that stands without one. A text that begins with `{` is JSON, as QEMU takes it. */
  static of(option: string, text: string, implied?: string): Properties {
    const where = `${option} ${text}`;
    return new Properties(where, text.startsWith('{') ? fromJson(where, text) : fromText(text, implied));
  }

  /** These, then those of the other. */
  with(other: Properties): Properties {
    return new Properties(other.where, [...this.list, ...other.list]);
  }

  /** With this one, unless it is there. */
  withDefault(name: string, value: string): Properties {
    return this.list.some((one) => one.name === name) ? this : new Properties(this.where, [...this.list, { name, value }]);
  }

  /** Under the first of these names that is there; of one that stands there twice, the last. */
  take(...names: string[]): string | undefined {
    let found: string | undefined;
    for (const name of names) {
      this.taken.add(name);
      found ??= this.list.findLast((one) => one.name === name)?.value;
    }
    return found;
  }

  /** All of that name. */
  takeAll(name: string): string[] {
    this.taken.add(name);
    return this.list.filter((one) => one.name === name).map(({ value }) => value);
  }

  takeSwitch(...names: string[]): boolean | undefined {
    const value = this.take(...names);
    if (value === undefined) return undefined;
    if (TRUE.includes(value)) return true;
    if (FALSE.includes(value)) return false;
    throw this.wrong(`Parameter '${names[0]}' expects 'on' or 'off'`);
  }

  /** A whole number, decimal or with 0x. */
  takeNumber(...names: string[]): number | undefined {
    const value = this.take(...names);
    if (value === undefined) return undefined;
    const number = parseNumber(value);
    if (number === undefined) throw this.wrong(`Parameter '${names[0]}' expects a number`);
    return number;
  }

  /** Bytes. `unit`: what a number without a suffix counts, M say. */
  takeSize(name: string, unit = 'B'): number | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    const size = parseSize(value, unit);
    if (size === undefined)
      throw this.wrong(
        `Parameter '${name}' expects a non-negative number below 2^64, with one of the suffixes k, M, G, T, P and E if need be`,
      );
    return size;
  }

  /** What is left under the names that begin so, without that beginning. */
  takeUnder(prefix: string): [string, string][] {
    return this.rest
      .filter(({ name }) => name.startsWith(prefix))
      .map(({ name, value }) => {
        this.taken.add(name);
        return [name.slice(prefix.length), value];
      });
  }

  /** These make no difference here. Returns those that are there. */
  ignore(...names: string[]): string[] {
    for (const name of names) this.taken.add(name);
    return names.filter((name) => this.list.some((one) => one.name === name));
  }

  /** What nobody has taken. */
  get rest(): readonly Property[] {
    return this.list.filter(({ name }) => !this.taken.has(name));
  }

  /** Refuses what nobody has taken. `what` has these properties: "the drive". */
  end(what: string): void {
    const [left] = this.rest;
    if (left) throw this.wrong(`${what} takes no '${left.name}' here; leave it out`);
  }

  wrong(message: string): QemuError {
    return new QemuError(this.where, message);
  }
}

export function parseNumber(text: string): number | undefined {
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}

function parseSize(text: string, unit: string): number | undefined {
  const [, hex, digits, suffix] = /^(?:(0x[0-9a-f]+)|(\d+(?:\.\d+)?))([bkmgtpe]?)$/i.exec(text) ?? [];
  const number = Number(hex ?? digits ?? 'none');
  const bytes = Math.floor(number * 1024 ** SUFFIXES.indexOf((suffix || unit).toUpperCase()));
  return bytes < 2 ** 64 ? bytes : undefined;
}

/** The parts between single commas; double ones are part of a value. */
export function splitAtCommas(text: string): string[] {
  const parts = [''];
  for (const [piece] of text.matchAll(/,,|,|[^,]+/g)) {
    if (piece === ',') parts.push('');
    else parts[parts.length - 1] += piece === ',,' ? ',' : piece;
  }
  return parts;
}

function fromText(text: string, implied: string | undefined): Property[] {
  return splitAtCommas(text).flatMap((part, at) => {
    const equals = part.indexOf('=');
    if (equals >= 0) return { name: part.slice(0, equals), value: part.slice(equals + 1) };
    if (at === 0 && implied !== undefined) return part === '' ? [] : { name: implied, value: part };
    if (part === '') return [];
    // Flags of old: `nofoo` is foo=off.
    if (/^no[a-z]{3}/.test(part) && part !== 'node-name') return { name: part.slice(2), value: 'off' };
    return { name: part, value: 'on' };
  });
}

function fromJson(where: string, text: string): Property[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new QemuError(where, `this is no JSON: ${(error as Error).message}`);
  }
  const list: Property[] = [];
  const add = (name: string, value: unknown, depth: number): void => {
    if (depth > JSON_DEPTH) throw new QemuError(where, `this JSON lies more than ${JSON_DEPTH} deep`);
    if (typeof value === 'object' && value !== null)
      for (const [key, inner] of Object.entries(value)) add(name === '' ? key : `${name}.${key}`, inner, depth + 1);
    else list.push({ name, value: value === true ? 'on' : value === false ? 'off' : String(value) });
  };
  add('', json, 0);
  return list;
}
