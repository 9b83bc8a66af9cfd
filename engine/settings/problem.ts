import { z } from 'zod';
import { VmError } from '../errors/vm-error';
import { type DriveConfig, driveSchema } from './drive';
import { itemsOf } from './items';
import { nearest } from './nearest';
import { type NetworkConfig, networksSchema } from './network';
import type { Option } from './option';
import { OPTIONS } from './settings';
import { formatSize, formatTexts } from './text';

/**
 * What is wrong with a value: the same words wherever it came from, command line, window or file. The window translates by `code` and
 * `params` (`error.CODE` in its texts); `message` is the English for all others.
 */
export interface SettingProblem {
  /** Path of the value, as `drives.0.format`; empty for the whole. */
  path: string;
  code: string;
  params: Record<string, string | number>;
  message: string;
}

/** Check values by key against a schema of settings. Throws VmError 'Config' that names all problems; its `code` is that of the first. */
export function checkSettings<Schema extends z.ZodType>(schema: Schema, input: unknown, what: string): z.output<Schema> {
  const checked = schema.safeParse(input);
  if (checked.success) return checked.data;
  const problems = problemsOf(checked.error, input);
  const [first] = problems;
  throw new VmError('Config', `${what}${problems.map((problem) => problem.message).join(' ')}`, {
    cause: checked.error,
    code: first.code,
    params: first.params,
  });
}

const oneDrive = z.object({ drives: z.array(driveSchema) });

/** A drive that is attached by itself. Throws VmError 'Config'. */
export function checkDrive(drive: unknown): DriveConfig {
  return checkSettings(oneDrive, { drives: [drive] }, "The drive's settings are wrong. ").drives[0];
}

const networksOnly = z.object({ network: networksSchema });

/** All network adapters of a box. Throws VmError 'Config'. */
export function checkNetworks(network: unknown): NetworkConfig[] {
  return checkSettings(networksOnly, { network }, 'The settings of the network adapters are wrong. ').network;
}

/** One for each option that is wrong. */
export function problemsOf(error: z.ZodError, input: unknown): SettingProblem[] {
  const problems = error.issues.flatMap((issue) => problemsOfIssue(issue, input));
  // Of several things that are wrong with one value the first says what was expected.
  return problems.filter((problem, at) => problems.findIndex((other) => other.path === problem.path) === at);
}

function problemsOfIssue(issue: z.core.$ZodIssue, input: unknown): SettingProblem[] {
  const { path, option } = locate(issue.path);
  const name = path.join('.');
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownOption([...issue.path.map(String), key]));
  if (issue.code === 'custom' && typeof issue.params?.['rule'] === 'string') {
    return [{ path: name, code: `setting-${issue.params['rule']}`, params: { option: name }, message: `${name} ${issue.message}.` }];
  }
  const value = at(input, path);
  if (!option)
    return [
      {
        path: name,
        code: 'setting-wrong',
        params: { option: name || 'settings' },
        message: `${name || 'The settings'}: ${issue.message}.`,
      },
    ];
  const { code, params, text } = expectation(option);
  const given = value === undefined ? '' : shorten(formatTexts(option, value).join(' '));
  const isMissing = value === undefined;
  return [
    {
      path: name,
      code: isMissing ? 'setting-missing' : code,
      params: { option: name, ...params, given },
      message: `${name}: expected ${text}, ${isMissing ? 'but there is none' : `not '${given}'`}.`,
    },
  ];
}

function unknownOption(path: string[]): SettingProblem {
  const [key] = path.slice(-1);
  const parent = path.length > 1 ? OPTIONS.find((option) => option.key === path[0]) : undefined;
  const siblings = (parent && itemsOf(parent)?.options) ?? OPTIONS;
  const near = nearest(
    key,
    siblings.map((option) => option.key),
  );
  const name = path.join('.');
  return {
    path: name,
    code: near === undefined ? 'setting-unknown' : 'setting-unknown-near',
    params: { option: name, ...(near !== undefined && { near }) },
    message: `${name}: there is no such option${near === undefined ? '.' : `; did you mean ${near}?`}`,
  };
}

/** The path down to an option, and that option: what lies deeper (`console.rows`) is part of its value. */
function locate(path: readonly PropertyKey[]): { path: string[]; option: Option | undefined } {
  const parts = path.map(String);
  // Files have the part before the key.
  const from = OPTIONS.some((option) => option.key === parts[0]) ? 0 : 1;
  const option = OPTIONS.find((one) => one.key === parts[from]);
  const list = option && itemsOf(option);
  if (list && parts.length > from + 2) {
    return { path: parts.slice(0, from + 3), option: list.options.find((one) => one.key === parts[from + 2]) };
  }
  return { path: parts.slice(0, from + 1), option };
}

function at(input: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined),
    input,
  );
}

/** What an option takes: as English, and as parameters for a translation. */
export function expectation(option: Option): { code: string; params: Record<string, string | number>; text: string } {
  const limits = limitsOf(option);
  const choices = Object.keys(option.choices ?? {});
  const listed = choices.length < 2 ? choices.join('') : `${choices.slice(0, -1).join(', ')} or ${choices[choices.length - 1]}`;
  const say = (code: string, text: string, params: Record<string, string | number> = {}) => ({ code: `setting-${code}`, params, text });
  switch (option.kind) {
    case 'size': {
      const [min, max] = [formatSize(limits.minimum ?? 0), formatSize(limits.maximum ?? 0)];
      return say('size', `a size from ${min} to ${max} in whole M`, { min, max });
    }
    case 'count': {
      const { minimum: min = 0, maximum: max = 0 } = limits;
      return say('count', `a whole number from ${min} to ${max}`, { min, max });
    }
    case 'switch':
      return say('switch', 'on or off');
    case 'choice':
      return option.orFile
        ? say('choice-or-file', `${listed}, or a file`, { choices: choices.join(', ') })
        : say('choice', listed, { choices: choices.join(', ') });
    case 'choices':
      return say('choices', `${listed}, several with commas between them`, { choices: choices.join(', ') });
    case 'words':
      return say('words', 'at most 16 words of at most 32 characters, with commas between them');
    case 'grid':
      return say('grid', 'columns and rows, each from 1 to 1000, such as 80x24');
    case 'file':
      return say('file', 'the path of a file');
    case 'folder':
      return say('folder', 'the path of a folder');
    case 'text':
    case 'lines': {
      const { minLength: min = 0, maxLength: max = 0 } = limits;
      return say('text', `text of ${min} to ${max} characters`, { min, max });
    }
    case 'drives':
      return say('drives', 'drives such as file=disk.qcow2, at most 64');
    case 'networks':
      return say('networks', 'network adapters such as switch=lan, at most 8');
    case 'shares':
      return say('shares', 'folders such as .:/mnt/here, at most 16');
    case 'fw-cfg':
      return say('fw-cfg', 'name=opt/NAME,file=FILE or name=opt/NAME,string=TEXT, at most 64');
    case 'load':
      return say('load', 'FILE or FILE@ADDRESS, such as data.bin@0x84000000, at most 64');
    case 'address':
      return say('address', 'an address such as 0x80200000');
  }
}

/** The numbers in an option's schema, as JSON Schema names them. */
interface Limits {
  minimum?: number;
  maximum?: number;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
}

const limitsBySchema = new WeakMap<z.ZodType, Limits>();

/** Asked for with every key that is typed. */
export function limitsOf({ schema }: Option): Limits {
  const known = limitsBySchema.get(schema);
  if (known) return known;
  const limits: Limits = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  limitsBySchema.set(schema, limits);
  return limits;
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
