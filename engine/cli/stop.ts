import { setTimeout as delay } from 'node:timers/promises';
import { VmError } from '../errors/vm-error';
import { dataDirectory } from '../host/data-directory';
import type { ControlClient } from '../runner/control-client';
import { Library } from '../runner/library';
import { EXIT_TIMEOUT } from './exit-codes';
import { parseSeconds } from './quantities';
import { namedBox, nothingMore, parseBoxCommand } from './running-box';
import { STOP } from './commands/running';

/** How long a guest may take to shut down, and a process that is made to end, in milliseconds. */
const PATIENCE_MS = 60_000;
const KILLED_MS = 5000;

/** `hartbox stop`: shut a box down. */
export async function stop(args: string[]): Promise<number> {
  const parsed = parseBoxCommand(STOP, args);
  nothingMore('stop', parsed.rest);
  const { force = false, timeout } = parsed.values;
  const patience = timeout === undefined ? PATIENCE_MS : parseSeconds('--timeout', timeout);
  let client: ControlClient | undefined;
  try {
    ({ client } = await namedBox(parsed.name));
  } catch (error) {
    const pid = error instanceof VmError && error.code === 'box-unresponsive' ? error.params?.['pid'] : undefined;
    if (!force || typeof pid !== 'number') throw error;
    return kill(parsed.name, pid);
  }
  if (!client) {
    process.stderr.write(`hartbox: ${parsed.name} is off already.\n`);
    return 0;
  }
  const off = new Promise<'off'>((resolve) => client.on('closed', () => resolve('off')));
  if (!force || timeout !== undefined) {
    await ask(client, 'power-off');
    const waited = new AbortController();
    const outcome = await Promise.race([off, delay(patience, 'late', { signal: waited.signal }).catch(() => 'off')]);
    waited.abort();
    if (outcome === 'off') return 0;
    if (!force) {
      process.stderr.write(
        `hartbox: ${parsed.name} has not shut down within ${patience / 1000} s, and goes on. To switch it off at once: hartbox stop ${parsed.name} --force\n`,
      );
      return EXIT_TIMEOUT;
    }
  }
  await ask(client, 'force-off');
  await off;
  return 0;
}

/** It may end over that. */
async function ask(client: ControlClient, what: 'power-off' | 'force-off'): Promise<void> {
  await client.call(what, {}).catch((error: unknown) => {
    if (!(error instanceof VmError && error.code === 'control-closed')) throw error;
  });
}

/** End a process that runs a box and no longer answers. */
async function kill(name: string, pid: number): Promise<number> {
  process.stderr.write(`hartbox: process ${pid}, which runs ${name}, does not answer; it is ended by force.\n`);
  process.kill(pid, 'SIGKILL');
  const library = new Library(dataDirectory());
  const { id } = await library.find(name);
  for (const end = performance.now() + KILLED_MS; performance.now() < end; await delay(50)) {
    if (!(await library.isRunning(id))) return 0;
  }
  throw new VmError('Resource', `Process ${pid} could not be ended. End it by the means of the system.`, {
    code: 'kill-failed',
    params: { pid },
  });
}
