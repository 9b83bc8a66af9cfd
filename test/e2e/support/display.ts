import { type ChildProcess, spawn } from 'node:child_process';
import { endWithUs } from '../../../resources/setup/child-processes.mjs';

/** On Linux without a display a virtual one, for what this process starts. Returns what ends it. */
export async function ensureDisplay(): Promise<() => void> {
  if (process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY) return () => undefined;
  const xvfb = endWithUs(
    spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x960x24', '-nolisten', 'tcp'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    }),
  );
  process.env.DISPLAY = `:${await displayNumber(xvfb)}`;
  return () => {
    delete process.env.DISPLAY;
    xvfb.kill();
  };
}

/** A virtual one, for what this process starts, whatever display there is. Returns what ends it. */
export async function ownDisplay(): Promise<() => void> {
  const names = ['DISPLAY', 'WAYLAND_DISPLAY'] as const;
  const before = names.map((name) => process.env[name]);
  for (const name of names) delete process.env[name];
  const end = await ensureDisplay();
  return () => {
    end();
    for (const [n, value] of before.entries()) if (value !== undefined) process.env[names[n]] = value;
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
