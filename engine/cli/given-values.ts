import { resolve } from 'node:path';
import { VmError } from '../errors/vm-error';
import type { DriveConfigInput } from '../settings/drive';
import { mapPaths } from '../settings/file';
import type { Option } from '../settings/option';
import { checkSettings } from '../settings/problem';
import { type BoxValuesInput, OPTIONS, flatSchema } from '../settings/settings';
import { parseTexts } from '../settings/text';
import { UsageError } from './usage-error';

/**
 * The values that a command line gives, each right by itself. Paths in them become absolute: they mean the same wherever the box is later
 * started from. `discs` are those of --cdrom. Throws UsageError.
 */
export function givenValues(
  settings: ReadonlyMap<Option, readonly string[]>,
  discs: readonly string[] | undefined,
  command: string,
): BoxValuesInput {
  const values: Record<string, unknown> = Object.fromEntries(
    [...settings].map(([option, texts]) => [option.key, parseTexts(option, texts)]),
  );
  if (discs)
    values['drives'] = [...((values['drives'] as unknown[] | undefined) ?? []), ...discs.map((file) => ({ file, media: 'cdrom' }))];
  usable(command, () => checkSettings(flatSchema, values, ''));
  return mapPaths(values, (path) => resolve(path));
}

/** The drives that texts such as `file=disk.img,if=scsi` describe. Throws UsageError. */
export function givenDrives(texts: readonly string[], command: string): DriveConfigInput[] {
  const option = OPTIONS.find(({ kind }) => kind === 'drives');
  return (option && givenValues(new Map([[option, texts]]), undefined, command).drives) ?? [];
}

/** What a check of settings says goes to whoever wrote the command line: it is wrong, in the words of the settings. */
export function usable<Result>(command: string, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    throw asUsageError(error, command);
  }
}

export function asUsageError(error: unknown, command: string): unknown {
  return error instanceof VmError && error.kind === 'Config' ? new UsageError(error.message, command) : error;
}
