import { readdir, readFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { CatalogueEntry } from '../../catalogue/catalogue';
import { seedOptions } from '../../catalogue/image-box';
import { VmError } from '../../errors/vm-error';
import { type BoxSeed, fittingUser } from '../../images/seed/box-seed';
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
  const keys = keyFiles === undefined ? await ownKeys() : await Promise.all(keyFiles.map((file) => textOf('--ssh-key', file)));
  const wish = {
    user: given.user ?? fittingUser(userName()),
    password,
    sshKeys: keys
      .flatMap((text) => text.split(/\r?\n/))
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#')),
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

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // Of a user whom the system does not know.
    return '';
  }
}

async function textOf(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new UsageError(`${option}: ${file} cannot be read (${(cause as Error).message}).`, 'create');
  }
}

/** The public halves of the user's keys, where ssh looks for them. */
async function ownKeys(): Promise<string[]> {
  const folder = join(homedir(), '.ssh');
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^id_(?:ed25519|ecdsa|rsa)\.pub$/.test(name));
  return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8').catch(() => '')));
}
