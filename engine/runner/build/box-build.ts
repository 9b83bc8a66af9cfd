import { type ChildProcess, spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { reasonOf } from '../../errors/system-error';
import { VmError } from '../../errors/vm-error';
import type { BoxValues } from '../../settings/settings';

/** What is kept of a build's output for the message about its failure, in characters. */
const TAIL = 4000;

/** How the files that a box starts from are made, by a command that only the user of this computer can set. */
export interface BoxBuild {
  command: string;
  folder: string;
}

/** Throws VmError 'Config' where the box has none. */
export function buildOf({ name, build, buildFolder }: Pick<BoxValues, 'name' | 'build' | 'buildFolder'>): BoxBuild {
  if (build === '')
    throw VmError.config(`"${name}" has no build command. Set it, and the folder: hartbox set BOX build=make buildFolder=FOLDER`, {
      code: 'build-none',
      params: { name },
    });
  if (buildFolder === undefined)
    throw VmError.config(`"${name}" has a build command, but no folder in which to run it. Set it: hartbox set BOX buildFolder=FOLDER`, {
      code: 'build-no-folder',
      params: { name },
    });
  return { command: build, folder: buildFolder };
}

export interface BuildOptions {
  /** What it prints, as it prints it. */
  onOutput?: ((data: Buffer) => void) | undefined;
  /** Ends it, with what it has started; then the signal's reason is thrown. */
  signal?: AbortSignal | undefined;
}

/**
 * Run the command by the system's shell, in its folder. Throws VmError: 'Config' where there is no such folder, 'State' with the last of
 * what it printed where it fails.
 */
export async function runBuild({ command, folder }: BoxBuild, { onOutput, signal }: BuildOptions = {}): Promise<void> {
  signal?.throwIfAborted();
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory())
    throw VmError.config(`The build folder ${folder} is ${found ? 'no folder' : 'missing'}. Bring it back, or set another buildFolder.`, {
      code: 'build-folder-missing',
      params: { path: folder },
    });
  const isWindows = process.platform === 'win32';
  // A group of its own: what it has started ends with it, and a Ctrl-C in the terminal is not its.
  const child = spawn(command, { shell: true, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], detached: !isWindows, windowsHide: true });
  let tail = '';
  const hear = (data: Buffer): void => {
    onOutput?.(data);
    tail = (tail + data.toString()).slice(-TAIL);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const abort = (): void => endGroup(child);
  signal?.addEventListener('abort', abort);
  try {
    const how = await new Promise<string | undefined>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, by) => resolve(code === 0 ? undefined : (by ?? `exit code ${code}`)));
    });
    signal?.throwIfAborted();
    if (how === undefined) return;
    throw new VmError('State', `The build failed (${how}): ${command}\n${tail.trim()}`, {
      code: 'build-failed',
      params: { how, command, output: tail.trim() },
    });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof VmError) throw error;
    throw new VmError('Resource', `The build command could not be started: ${reasonOf(error)}.`, {
      cause: error,
      code: 'build-not-started',
      params: { command },
    });
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  if (process.platform === 'win32')
    spawn('taskkill', ['/pid', `${child.pid}`, '/t', '/f'], { windowsHide: true }).on('error', () => child.kill());
  else {
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Files that a build makes, and that the box reads and writes. */
export function filesOfBox({ kernel, initrd, dtb, drives, load, flashCode }: BoxValues): string[] {
  return [kernel, initrd, dtb, flashCode, ...drives.map(({ file }) => file), ...load.map(({ file }) => file)].filter(
    (path) => path !== undefined,
  );
}
