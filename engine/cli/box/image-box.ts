import type { CatalogueEntry } from '../../catalogue/catalogue';
import { seedOptions } from '../../catalogue/image-box';
import { keysIn, ownKeys, ownUserName } from '../../catalogue/own-user';
import { VmError } from '../../errors/vm-error';
import { readInput } from '../../host/open-file';
import type { BoxSeed } from '../../images/seed/box-seed';
import { UsageError } from '../usage-error';

/** What `create --image` says of the user of a new box. */
export interface SeedOptions {
  user?: string | undefined;
  'password-file'?: string | undefined;
  'ssh-key'?: string[] | undefined;
  hostname?: string | undefined;
  timezone?: string | undefined;
  locale?: string | undefined;
}

/**
 * What a new box is told of its user: what was given, else the name of the user of this computer, with its SSH keys that are public.
 * Throws UsageError.
 */
export async function givenSeed(entry: CatalogueEntry, boxName: string, given: SeedOptions): Promise<BoxSeed> {
  const { 'password-file': passwordFile, 'ssh-key': keyFiles } = given;
  const password = passwordFile === undefined ? undefined : (await textOf('--password-file', passwordFile)).split(/\r?\n/)[0];
  const sshKeys = keyFiles === undefined ? await ownKeys() : keysIn(await Promise.all(keyFiles.map((file) => textOf('--ssh-key', file))));
  const wish = {
    user: given.user ?? ownUserName(),
    password,
    sshKeys,
    hostname: given.hostname,
    timezone: given.timezone,
    locale: given.locale,
  };
  try {
    return seedOptions(entry, boxName, wish);
  } catch (error) {
    throw error instanceof VmError && error.kind === 'Config' ? new UsageError(error.message, 'create') : error;
  }
}

async function textOf(option: string, file: string): Promise<string> {
  try {
    return await readInput(file);
  } catch (cause) {
    throw new UsageError(`${option}: ${file} cannot be read (${(cause as Error).message}).`, 'create');
  }
}
