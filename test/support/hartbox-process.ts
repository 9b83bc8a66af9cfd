import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { endWithUs } from '../../resources/setup/child-processes.mjs';

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
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  // A process that ends early does not take its input.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: Buffer; stderr: string }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout: Buffer.concat(output), stderr: Buffer.concat(errors).toString() }));
  });
  /** Without colours and other escape sequences. */
  const text = (chunks: Buffer[]): string =>
    Buffer.concat(chunks)
      .toString()
      .replace(/\x1b\[[\d;?]*[A-Za-z]|\r/g, '');
  /** Resolves once what came on a stream so far matches. */
  const matches = (stream: Readable, chunks: Buffer[], pattern: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!pattern.test(text(chunks))) return;
        stream.off('data', look);
        resolve();
      };
      stream.on('data', look);
      child.on('close', () => reject(new Error(`it ended before it said ${pattern}: ${text(output)}${text(errors)}`)));
      look();
    });
  /** Resolves once its standard output matches. */
  const says = (pattern: RegExp): Promise<void> => matches(child.stdout, output, pattern);
  /** Resolves once its standard error matches. */
  const tells = (pattern: RegExp): Promise<void> => matches(child.stderr, errors, pattern);
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
