/**
 * Ends the children of a process that could not do so itself (child-processes.mjs): it is told of them on its standard input, which ends when
 * that process does, whatever ended it.
 */
import { createInterface } from 'node:readline';
import { endTree } from './child-processes.mjs';

const children = new Map();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [sign, pid, group] = line.split(' ');
    if (sign === '+') children.set(Number(pid), group === 'group');
    else children.delete(Number(pid));
  })
  .on('close', () => {
    for (const [pid, group] of children) endTree({ pid, exitCode: null, signalCode: null }, { group });
    process.exit();
  });
