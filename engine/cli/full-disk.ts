import type { VirtualMachine } from '../machine/virtual-machine';

/** How often a machine that waits for space on the host tries again by itself, in milliseconds. */
const RETRY_MS = 3000;

/**
 * A machine that pauses because the host's disk is full goes on by itself once there is space; the user is told what to do. Returns what
 * tries again at once.
 */
export function continueWhenThereIsSpace(machine: VirtualMachine, tell: (message: string) => void, hint = ''): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isTold = false;
  const retry = (): void => {
    clearTimeout(timer);
    if (machine.pauseReason) machine.resume().catch(() => undefined);
  };
  machine.on('full', (error) => {
    if (!isTold) tell(`${error.message} It goes on by itself then${hint}.`);
    isTold = true;
    clearTimeout(timer);
    timer = setTimeout(retry, RETRY_MS);
  });
  machine.on('state', (state) => {
    if (state !== 'running' || !isTold) return;
    // Some writes of the many that were held may go through, and others not.
    setTimeout(() => {
      if (machine.state !== 'running' || machine.pauseReason || !isTold) return;
      isTold = false;
      tell('There is space again: the machine goes on.');
    }, RETRY_MS / 3).unref();
  });
  machine.on('exit', () => clearTimeout(timer));
  return retry;
}
