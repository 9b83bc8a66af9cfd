import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dataDirectory } from '../../../engine/host/data-directory';
import { electronPath, ensureElectronLibraries } from '../../../resources/setup/electron.mjs';

const main = fileURLToPath(new URL('../../../out/main/index.js', import.meta.url));

/** Electron and what it needs. */
export default async function globalSetup(): Promise<void> {
  if (!existsSync(main)) throw new Error('The app is not built: run `npm run build` first.');
  if (!existsSync(join(dataDirectory(), 'default-guest', 'guest.json')))
    throw new Error('There is no default guest: run `npm run hartbox -- setup` first.');
  await ensureElectronLibraries(await electronPath(), { display: true });
}
