import type { Library } from '../runner/library';

/** Clean up what processes that were killed have left half done, and say what that was. */
export async function recoverLibrary(library: Library): Promise<void> {
  for (const { message } of await library.recover()) process.stderr.write(`hartbox: ${message}\n`);
}
