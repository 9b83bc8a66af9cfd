import { setTimeout as delay } from 'node:timers/promises';
import type { utilityProcess } from 'electron';
import type { RunTrial } from '../engine/threads/v8-verdict';
import { takeOutput } from './utility-output';

/**
 * How long to wait for what an ended process has printed, in milliseconds. Not too short: where this process has been busy for so long, the
 * timer comes before what lies in the pipe.
 */
const REST_MS = 2000;

/**
 * A trial of V8's flags in a utility process: Electron itself need not be able to run as Node. It gets the environment that engine
 * processes get.
 */
export function trialInUtility(fork: typeof utilityProcess.fork, env: Record<string, string>): RunTrial {
  return async (script, args, patience) => {
    const child = fork(script, args, { serviceName: 'Hartbox trial of V8', stdio: 'pipe', env });
    let [output, errors] = ['', ''];
    const heard = takeOutput(child, {
      stdout: (text) => {
        output += text;
      },
      stderr: (text) => {
        errors += text;
      },
    });
    // Without a listener the event would be an exception in the main process. `exit` follows.
    child.on('error', () => undefined);
    let timer: NodeJS.Timeout | undefined;
    const how = await new Promise<string>((resolve) => {
      timer = setTimeout(() => {
        child.kill();
        resolve(`no result in ${patience / 1000} s`);
      }, patience);
      child.once('exit', (code) => resolve(`exit code ${code}`));
    });
    clearTimeout(timer);
    await Promise.race([heard, delay(REST_MS)]);
    return { output, errors, how };
  };
}
