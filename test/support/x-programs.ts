import { type ChildProcess, spawn } from 'node:child_process';
import { endWithUs } from '../../resources/setup/child-processes.mjs';
import { ownDisplay } from '../e2e/support/display';

/** Programs of X on a display of their own, whatever display there is. `end` them all when the test file is done. */
export async function xPrograms(): Promise<{ start: (command: string, ...args: string[]) => ChildProcess; end: () => void }> {
  const children: ChildProcess[] = [];
  const endDisplay = await ownDisplay();
  return {
    start(command, ...args) {
      const child = endWithUs(spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] }));
      children.push(child);
      return child;
    },
    end() {
      for (const child of children) child.kill('SIGKILL');
      endDisplay();
    },
  };
}
