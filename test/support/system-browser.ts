import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { browsers } from '../../resources/setup/system-packages.mjs';

/** The Chromium that this system has, if any: newer than Electron's. */
export const systemBrowser = (process.env['PATH'] ?? '')
  .split(delimiter)
  .flatMap((folder) => browsers.map((name) => join(folder, name)))
  .find((path) => existsSync(path));
