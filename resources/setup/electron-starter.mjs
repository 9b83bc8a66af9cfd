// The default app of the fallback Electron (see electron.mjs): runs the app named on the command line, as the stock
// Electron does. Playwright may pass `-r FILE` first.
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { app, dialog } from 'electron';

const require = createRequire(import.meta.url);

const rest = process.argv.slice(1);
let target;
while (rest.length > 0 && target === undefined) {
  const argument = rest.shift();
  if (argument === '-r' || argument === '--require') require(resolve(rest.shift()));
  else if (!argument.startsWith('-')) target = resolve(argument);
}

if (target === undefined) {
  console.error('Name the app to start: electron PATH');
  process.exit(1);
}

try {
  let main = target;
  if (statSync(target).isDirectory()) {
    const manifest = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8'));
    app.setName(manifest.productName ?? manifest.name);
    app.setVersion(manifest.version);
    main = join(target, manifest.main ?? 'index.js');
  }
  process.defaultApp = true;
  app.setAppPath(target);
  await import(pathToFileURL(main).href);
} catch (error) {
  console.error(error);
  dialog.showErrorBox('The app could not be started', String(error.stack ?? error));
  process.exit(1);
}
