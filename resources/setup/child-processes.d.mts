import type { ChildProcess } from 'node:child_process';

export function npmScript(options?: { environment?: NodeJS.ProcessEnv; node?: string }): string;
export function endTree(
  child: Pick<ChildProcess, 'pid' | 'exitCode' | 'signalCode'>,
  options?: { group?: boolean; platform?: NodeJS.Platform; run?: (command: string, args: string[], options: object) => unknown },
): void;
export function endWithUs<Child extends ChildProcess>(child: Child, options?: { group?: boolean }): Child;
