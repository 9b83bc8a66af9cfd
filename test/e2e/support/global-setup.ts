import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dataDirectory } from '../../../engine/images/data-directory';
import { endWithUs } from '../../../resources/setup/child-processes.mjs';
import { electronPath, ensureElectronLibraries } from '../../../resources/setup/electron.mjs';

const main = fileURLToPath(new URL('../../../out/main/index.js', import.meta.url));

/** Electron, and on Linux without a display a virtual one for the time of the tests. */
export default async function globalSetup(): Promise<(() => Promise<void>) | undefined> {
  if (!existsSync(main)) throw new Error('The app is not built: run `npm run build` first.');
  if (!existsSync(join(dataDirectory(), 'default-guest', 'guest.json')))
    throw new Error('There is no default guest: run `npm run hartbox -- setup` first.');
  await ensureElectronLibraries(await electronPath(), { display: true });
  if (process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY) return undefined;
  const xvfb = endWithUs(
    spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x960x24', '-nolisten', 'tcp'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    }),
  );
  process.env.DISPLAY = `:${await displayNumber(xvfb)}`;
  return async () => {
    xvfb.kill();
  };
}

/** Xvfb picks a free display and writes its number when it is ready. */
function displayNumber(xvfb: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    xvfb.once('error', (cause) =>
      reject(new Error('Xvfb could not be started. Install it (Debian: xvfb), or run the tests where there is a display.', { cause })),
    );
    xvfb.once('exit', (code) => reject(new Error(`Xvfb ended with code ${code}.`)));
    xvfb.stdio[3]?.once('data', (data: Buffer) => resolve(data.toString().trim()));
  });
}
