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

/** Files in which ssh looks for the public halves of the user's SSH keys; their paths. */
export async function ownKeyFiles(): Promise<string[]> {
  const folder = join(homedir(), '.ssh');
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^id_(?:ed25519|ecdsa|rsa)\.pub$/.test(name));
  return names.map((name) => join(folder, name));
}

/** The public halves of the user's SSH keys. */
export async function ownKeys(): Promise<string[]> {
  return keysIn(await Promise.all((await ownKeyFiles()).map((file) => readFile(file, 'utf8').catch(() => ''))));
}

/** The lines of such files. */
export function keysIn(texts: readonly string[]): string[] {
  return texts
    .flatMap((text) => text.split(/\r?\n/))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
