import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { VmError } from '../errors/vm-error';

/**
 * Path of a file that the build puts in out/main: a worker's script, helpers.wasm. Found from the bundle (where this code
 * may lie in a chunk) and from the sources (tests).
 */
export function builtFile(name: string): string {
  for (const place of ['./', '../', '../../out/main/']) {
    const path = fileURLToPath(new URL(place + name, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new VmError('Internal', `${name} is missing from the build. Run \`npm run build\`.`);
}
