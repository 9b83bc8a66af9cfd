import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endWithUs } from '../../resources/setup/child-processes.mjs';
import { Transcript } from './transcript';

export const CLI = fileURLToPath(new URL('../../out/main/cli.js', import.meta.url));

const running = new Set<ChildProcess>();

/** End what a test that failed left running. */
export function killHartboxes(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** A `hartbox` command as a process of its own, from the build; on this Node unless another is given. */
export function startHartbox(args: string[], env: Record<string, string> = {}, node = process.execPath) {
  const child = endWithUs(spawn(node, [CLI, ...args], { env: { ...process.env, HARTBOX_DEBUG: '', ...env } }));
  running.add(child);
  child.on('close', () => running.delete(child));
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  const plain = (text: string): string => text.replace(/\x1b\[[\d;?]*[A-Za-z]|\r/g, '');
  const [said, told] = ['standard output', 'standard error'].map(
    (what) => new Transcript(`The ${what} of hartbox ${args.join(' ')}`, plain),
  );
  child.stdout.on('data', (chunk: Buffer) => {
    output.push(chunk);
    said.add(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors.push(chunk);
    told.add(chunk);
  });
  child.on('close', () => {
    said.end();
    told.end();
  });
  // A process that ends early does not take its input.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: Buffer; stderr: string }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout: Buffer.concat(output), stderr: Buffer.concat(errors).toString() }));
  });
  /** What went wrong is often said on the other stream. */
  const waited = (on: Transcript, pattern: RegExp, other: Transcript): Promise<RegExpExecArray> =>
    on.says(pattern).catch((error: Error) => {
      throw new Error(`${error.message}\n${other.text.slice(-2000)}`);
    });
  /** Resolves once its standard output matches. */
  const says = (pattern: RegExp) => waited(said, pattern, told);
  /** Resolves once its standard error matches. */
  const tells = (pattern: RegExp) => waited(told, pattern, said);
  return { child, ended, says, tells };
}

/** Run a `hartbox` command to its end; nothing on its standard input unless `input` is given. */
export async function hartbox(
  args: string[],
  { input, env, node }: { input?: string | Uint8Array; env?: Record<string, string>; node?: string } = {},
) {
  const { child, ended } = startHartbox(args, env, node);
  child.stdin.end(input);
  const { code, stdout, stderr } = await ended;
  return { code, stdout: stdout.toString(), bytes: stdout, stderr };
}

/** A data directory of its own that shares the default guest of HARTBOX_HOME, and what is known there of this V8. */
export function freshHome(folders = ['default-guest', 'engine']): string {
  const home = mkdtempSync(join(tmpdir(), 'hartbox-home-'));
  for (const folder of folders) {
    const shared = join(process.env['HARTBOX_HOME'] ?? '', folder);
    mkdirSync(shared, { recursive: true });
    symlinkSync(shared, join(home, folder), 'junction');
  }
  return home;
}
