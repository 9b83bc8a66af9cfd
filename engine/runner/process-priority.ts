import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/** Give all threads of this process, and those that they will make, a priority. Throws what the host says: few may raise what was lowered. */
export function setProcessPriority(priority: 'normal' | 'low'): void {
  const value = constants.priority[priority === 'low' ? 'PRIORITY_BELOW_NORMAL' : 'PRIORITY_NORMAL'];
  if (process.platform !== 'linux') {
    setPriority(value);
    return;
  }
  // Linux knows a priority for each thread only.
  for (const thread of readdirSync('/proc/self/task')) {
    try {
      setPriority(Number(thread), value);
    } catch (error) {
      // It may have ended meanwhile.
      if ((error as { info?: { code?: string } }).info?.code !== 'ESRCH') throw error;
    }
  }
}
