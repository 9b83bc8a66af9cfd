import type { Runner } from '../runner/runner';

/** A machine that pauses because the host's disk is full goes on by itself once there is space: the user is told what to do. */
export function tellOfFullDisk(runner: Runner, tell: (message: string) => void, hint = ''): void {
  runner.on('full', (error) => tell(`${error.message} It goes on by itself then${hint}.`));
  runner.on('space', () => tell('There is space again: the box goes on.'));
}
