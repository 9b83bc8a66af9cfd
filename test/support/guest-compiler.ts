import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Compile a C program for the guest, statically linked, to the file `binary`; `libraries` such as `-lm`. Returns the program. */
export async function compileForGuest(source: URL, binary: string, flags: string[] = [], libraries: string[] = []): Promise<Uint8Array> {
  const options = ['-O2', '-static', '-march=rv64gc', ...flags];
  await promisify(execFile)('riscv64-linux-gnu-gcc', [...options, '-o', binary, fileURLToPath(source), ...libraries]);
  return readFile(binary);
}
