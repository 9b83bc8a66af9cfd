import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RequestName, Requests, VmView } from '../../../main/contract';
import { hartbox } from '../../support/hartbox-process';
import type { HartboxApp, TestHome } from './hartbox-app';

/** A box as `hartbox list --json` shows it. */
export interface Listed {
  id: string;
  name: string;
  state: string;
  pid?: number;
  program?: string;
  drives: string[];
}

/** What the window would ask the main process for. Throws the message of what is refused. */
export async function ask<N extends RequestName>(
  app: HartboxApp,
  name: N,
  ...args: Parameters<Requests[N]>
): Promise<ReturnType<Requests[N]>> {
  const answer = await app.page.evaluate(
    ([asked, given]) => window.hartbox.request(asked as 'library.list', ...(given as [])) as Promise<unknown>,
    [name, args] as const,
  );
  const { ok, value, error } = answer as { ok: boolean; value: ReturnType<Requests[N]>; error: { message: string } };
  if (!ok) throw new Error(error.message);
  return value;
}

/** A command line of the same user. Throws what it printed where it failed. */
export async function say(home: TestHome, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await hartbox(args, { env: { HARTBOX_HOME: home.path } });
  if (code !== 0) throw new Error(`hartbox ${args.join(' ')} ended with ${code}: ${stderr}`);
  return stdout;
}

export async function listed(home: TestHome): Promise<Listed[]> {
  return JSON.parse(await say(home, 'list', '--json')) as Listed[];
}

/** States by id as the command line says, in the app's words. */
export async function statesOfCommandLine(home: TestHome): Promise<Record<string, string>> {
  return Object.fromEntries((await listed(home)).map(({ id, state }) => [id, state === 'stopped' ? 'off' : state]));
}

/** The same as the app says. */
export async function statesOfApp(app: HartboxApp): Promise<Record<string, string>> {
  return Object.fromEntries((await ask(app, 'library.list')).map(({ id, state }: VmView) => [id, state]));
}

/** Names of everything in a folder and below it, as paths from there. */
export async function everythingIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    found.push(entry.name);
    if (entry.isDirectory()) found.push(...(await everythingIn(join(folder, entry.name))).map((name) => `${entry.name}/${name}`));
  }
  return found;
}

/** Whether there is a process of this id. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
