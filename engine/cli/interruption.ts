import { ENDING_SIGNALS } from '../host/ending-signals';
import { exitCodeOfSignal } from './exit-codes';
import { PercentLine } from './percent-line';

/**
 * Long work that shows on stderr how far it has come, and that a signal ends cleanly: then `stopped` is said, and the exit code is the
 * signal's. Otherwise what `work` says.
 */
export async function interruptible(
  what: string,
  stopped: string,
  work: (options: { onProgress: PercentLine['update']; signal: AbortSignal }) => Promise<number>,
): Promise<number> {
  const interruption = new AbortController();
  let code: number | undefined;
  const line = new PercentLine(what);
  const listeners = ENDING_SIGNALS.map((signal) => {
    const listener = (): void => {
      code = exitCodeOfSignal(signal);
      interruption.abort();
    };
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  try {
    return await work({ onProgress: line.update, signal: interruption.signal });
  } catch (error) {
    if (code === undefined) throw error;
    line.end();
    process.stderr.write(`hartbox: ${stopped}\n`);
    return code;
  } finally {
    line.end();
    for (const end of listeners) end();
  }
}
