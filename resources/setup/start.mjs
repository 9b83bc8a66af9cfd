/** `npm start`: install what is missing, then open the app; with no display, boot the default VM in this terminal. */
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { electronArguments, electronPath, ensureElectronLibraries } from './electron.mjs';
import { ensureBuild, ensurePackages, requireNode, root } from './toolchain.mjs';

requireNode();
const hasDisplay = process.platform !== 'linux' || Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);
const cli = join(root, 'out', 'main', 'cli.js');
try {
  await ensurePackages();
  await ensureBuild();
  const setup = await open(process.execPath, [cli, 'setup']);
  if (hasDisplay) {
    if (setup !== 0) console.error('Starting without the default guest; the app will try again.');
    const electron = await electronPath();
    await ensureElectronLibraries(electron);
    process.exitCode = await open(electron, [root, ...(await electronArguments()), ...process.argv.slice(2)]);
  } else if (setup === 0) {
    console.error('There is no display here, so the default VM boots in this terminal. Leave it with Ctrl-A x.');
    process.exitCode = await open(process.execPath, [cli, 'run', 'hartbox-linux', ...process.argv.slice(2)]);
  } else {
    process.exitCode = setup;
  }
} catch (error) {
  console.error(`npm start: ${error.message}`);
  process.exitCode = 1;
}

/** Run a program that owns the terminal; resolves with its exit code. */
function open(command, args) {
  // Signals of the terminal reach the program itself, which decides what they mean. Others come to us alone.
  const ignore = () => {};
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGBREAK']) process.on(signal, ignore);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
    const pass = () => child.kill('SIGTERM');
    process.on('SIGTERM', pass);
    child.on('error', (error) => reject(new Error(`${command} could not be started: ${error.message}`)));
    child.on('close', (code) => {
      for (const signal of ['SIGINT', 'SIGHUP', 'SIGBREAK']) process.off(signal, ignore);
      process.off('SIGTERM', pass);
      resolve(code ?? 1);
    });
  });
}
