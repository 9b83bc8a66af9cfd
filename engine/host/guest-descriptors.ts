import { readFileSync } from 'node:fs';

/** Descriptors of this process that guests leave to us: for clients, disks, other boxes' sockets, files of our own. */
const OURS = 256;

/** So many of something that guests may have open, one after the other. */
export class DescriptorShare {
  #taken = 0;

  constructor(readonly most: number) {}

  /** False where there are no more; what is taken has to be given back. */
  take(): boolean {
    if (this.#taken >= this.most) return false;
    this.#taken++;
    return true;
  }

  give(): void {
    this.#taken--;
  }
}

/** How many guests may have where the system lets this process have so many, as proc_pid_limits(5) has it; of few a quarter. */
export function shareOf(limits: string): number {
  const limit = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
  return Math.max(limit - OURS, Math.floor(limit / 4));
}

/**
 * What guests of this process may have open: files of shared folders, sockets of networks. With all descriptors in their hands nobody could
 * reach the box any more, not even to stop it. Other systems than Linux do not tell how many there are.
 */
export const guestDescriptors = new DescriptorShare(process.platform === 'linux' ? shareOf(limitsOfHost()) : Infinity);

function limitsOfHost(): string {
  try {
    return readFileSync('/proc/self/limits', 'latin1');
  } catch {
    return '';
  }
}
