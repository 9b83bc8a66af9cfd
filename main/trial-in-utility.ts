import type { utilityProcess } from 'electron';
import type { RunTrial } from '../engine/process/v8-verdict';

/** A trial of V8's flags in a utility process: Electron itself need not be able to run as Node. */
export function trialInUtility(fork: typeof utilityProcess.fork): RunTrial {
  return (script, args, patience) =>
    new Promise((resolve) => {
      const child = fork(script, args, { serviceName: 'Hartbox trial of V8', stdio: 'pipe' });
      let errors = '';
      child.stderr?.on('data', (data: Buffer) => {
        errors += data.toString();
      });
      // Without a listener the event would be an exception in the main process. `exit` follows.
      child.on('error', () => undefined);
      const timer = setTimeout(() => {
        child.kill();
        resolve({ code: undefined, errors, how: `no result in ${patience / 1000} s` });
      }, patience);
      child.once('exit', (code) => {
        clearTimeout(timer);
        // What it wrote last may still be on its way.
        setImmediate(() => resolve({ code, errors, how: `exit code ${code}` }));
      });
    });
}
