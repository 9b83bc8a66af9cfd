import { readdir, readFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fittingUser } from '../images/seed/box-seed';

/** A name for the user of a new box: like that of this computer's. */
export function ownUserName(): string {
  try {
    return fittingUser(userInfo().username);
  } catch {
    // Of a user whom the system does not know.
    return fittingUser('');
  }
}

/** The public halves of the user's SSH keys, where ssh looks for them. */
export async function ownKeys(): Promise<string[]> {
  const folder = join(homedir(), '.ssh');
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^id_(?:ed25519|ecdsa|rsa)\.pub$/.test(name));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8').catch(() => '')));
  return keysIn(texts);
}

/** The lines of such files. */
export function keysIn(texts: readonly string[]): string[] {
  return texts
    .flatMap((text) => text.split(/\r?\n/))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
