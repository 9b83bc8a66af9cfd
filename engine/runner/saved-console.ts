import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { replaceFile } from '../host/new-file';

/** Where it is kept what a box wrote to its console last, when it is off. */
export function savedConsoleFile(dataDirectory: string, box: string): string {
  return join(dataDirectory, 'logs', `${box}-serial.log`);
}

/** Keep that. Nothing depends on it: where it cannot be written there is none. */
export async function saveConsole(dataDirectory: string, box: string, text: string): Promise<void> {
  if (text === '') return;
  const file = savedConsoleFile(dataDirectory, box);
  try {
    await mkdir(dirname(file), { recursive: true });
    await replaceFile(file, text);
  } catch {
    // As above.
  }
}

/** What was kept of the last time that the box ran; empty where there is nothing. */
export function savedConsole(dataDirectory: string, box: string): Promise<string> {
  return readFile(savedConsoleFile(dataDirectory, box), 'utf8').catch(() => '');
}
