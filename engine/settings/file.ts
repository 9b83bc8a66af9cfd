import { z } from 'zod';
import { VmError } from '../errors/vm-error';
import { impliedSource } from './boot';
import { itemsOf } from './items';
import type { Option } from './option';
import { checkSettings } from './problem';
import { type BoxValues, type BoxValuesInput, OPTIONS, PART_NAMES, boxValuesSchema } from './settings';

/** Version of a box's settings file; raised when an older Hartbox could no longer read it. */
export const SETTINGS_VERSION = 2;

const headSchema = z.object({ version: z.number().int().min(1) });
const partsSchema = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(SETTINGS_VERSION),
  ...(Object.fromEntries(PART_NAMES.map((part) => [part, z.record(z.string(), z.unknown()).default({})])) as Record<
    (typeof PART_NAMES)[number],
    z.ZodDefault<z.ZodRecord<z.ZodString, z.ZodUnknown>>
  >),
});

/** Steps from each version to the next, on the parsed JSON. Each leaves what it does not know for the check at the end. */
const migrations: Record<number, (file: Record<string, unknown>) => Record<string, unknown>> = {
  /** All options stood in one object, and what to start from was to be guessed. */
  1: ({ machine, ...rest }) => {
    const values: Record<string, unknown> = { ...(machine as Record<string, unknown> | undefined) };
    // It never had a say: variables were kept for edk2 alone.
    const source = impliedSource(values);
    return { ...rest, version: 2, ...byPart({ ...values, source: source ?? 'linux' }) };
  },
};

export interface SettingsFile {
  /** The values that the file sets, by key; paths absolute. */
  set: BoxValuesInput;
  /** Those, and the defaults of the others. */
  values: BoxValues;
  /** The version in which it was written. */
  version: number;
}

/** Makes a path absolute, or relative to the box's folder; paths.ts has them. */
export type PathMap = (path: string) => string;

/** Read the text of a settings file. Throws VmError 'Image' that says what is wrong in it and what to do. `path` is for messages. */
export function readSettings(text: string, path: string, absolute: PathMap): SettingsFile {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    throw new VmError(
      'Image',
      `The settings of the box in ${path} are damaged: they are not JSON (${(cause as Error).message}). Correct the file, or restore it from a backup.`,
      { cause, code: 'settings-damaged', params: { path } },
    );
  }
  const head = headSchema.safeParse(file);
  const version = head.success ? head.data.version : SETTINGS_VERSION;
  if (version > SETTINGS_VERSION) {
    throw new VmError(
      'Image',
      `The settings of the box in ${path} were written by a newer Hartbox (version ${version}; this one knows ${SETTINGS_VERSION}). Update Hartbox to use the box.`,
      { code: 'settings-newer', params: { path, version, known: SETTINGS_VERSION } },
    );
  }
  for (let at = version; at < SETTINGS_VERSION; at++) file = migrations[at](file as Record<string, unknown>);
  const parts = partsSchema.safeParse(file);
  const fail = (reason: string, cause: unknown, more?: { code?: string; params?: VmError['params'] }): VmError =>
    new VmError('Image', `The settings of the box in ${path} are not valid. ${reason} Correct the file.`, { cause, ...more });
  if (!parts.success) {
    const { issues } = parts.error;
    const reason = issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}.`).join(' ');
    throw fail(reason, parts.error, { code: 'settings-malformed', params: { path, place: issues[0].path.join('.') || 'JSON' } });
  }
  const set: Record<string, unknown> = {};
  for (const part of PART_NAMES) {
    for (const [key, value] of Object.entries(parts.data[part])) {
      const option = OPTIONS.find((one) => one.key === key);
      if (option && option.part !== part)
        throw fail(`${part}.${key}: this option stands in ${option.part}.`, undefined, {
          code: 'settings-misplaced',
          params: { path, option: `${part}.${key}`, part: option.part },
        });
      set[key] = value;
    }
  }
  try {
    const values = checkSettings(boxValuesSchema, mapPaths(set, absolute), '');
    return { set: mapPaths(set, absolute), values, version };
  } catch (error) {
    const { message, code, params } = error as VmError;
    throw fail(message, error, { code: 'settings-invalid', params: { ...params, path, problem: code ?? '' } });
  }
}

/** The text of a settings file that sets these values. Throws VmError 'Config' if they are wrong. */
export function writeSettings(set: BoxValuesInput, relative: PathMap): string {
  checkSettings(boxValuesSchema, set, '');
  const source = impliedSource(set) ?? 'linux';
  return `${JSON.stringify({ version: SETTINGS_VERSION, ...byPart(mapPaths({ ...set, source }, relative)) }, null, 2)}\n`;
}

/** The values, each in its part; unknown ones stay beside the parts. */
export function byPart(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const parts: Record<string, Record<string, unknown>> = Object.fromEntries(PART_NAMES.map((part) => [part, {}]));
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) continue;
    const part = OPTIONS.find((option) => option.key === key)?.part ?? 'hardware';
    parts[part][key] = value;
  }
  return parts;
}

/** The values with each path in them replaced. */
export function mapPaths(values: Readonly<Record<string, unknown>>, map: PathMap): Record<string, unknown> {
  const replaceIn = (options: readonly Option[], object: Readonly<Record<string, unknown>>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(object).map(([key, value]) => {
        const option = options.find((one) => one.key === key);
        return [key, option ? replaced(option, value) : value];
      }),
    );
  const isObject = (one: unknown): one is Record<string, unknown> => typeof one === 'object' && one !== null && !Array.isArray(one);
  const isList = (one: unknown): one is unknown[] => Array.isArray(one);
  const replaced = (option: Option, value: unknown): unknown => {
    if (typeof value === 'string' && value !== '') {
      if (
        option.kind === 'file' ||
        option.kind === 'folder' ||
        (option.orFile && option.choices && !Object.hasOwn(option.choices, value) && value !== 'default')
      )
        return map(value);
    }
    if (!isList(value)) return value;
    const list = itemsOf(option);
    if (list) return value.map((one) => (isObject(one) ? replaceIn(list.options, one) : one));
    if (option.kind === 'fw-cfg' || option.kind === 'load')
      return value.map((one) =>
        isObject(one) && typeof one['file'] === 'string' && one['file'] !== '' ? { ...one, file: map(one['file']) } : one,
      );
    return value;
  };
  return replaceIn(OPTIONS, values);
}
