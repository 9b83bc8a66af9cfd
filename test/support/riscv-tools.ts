import { spawnSync } from 'node:child_process';

const found = new Map<string, boolean>();

/** Whether a program can be started; looked up once. */
export function hasTool(name: string): boolean {
  let present = found.get(name);
  if (present === undefined) {
    present = spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0;
    found.set(name, present);
  }
  return present;
}

/** Why a test that needs these programs is skipped, or undefined when all are there. */
export function missingTools(...names: string[]): string | undefined {
  const missing = names.filter((name) => !hasTool(name));
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`;
}
