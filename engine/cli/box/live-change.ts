import { VmError } from '../../errors/vm-error';
import type { ControlClient } from '../../runner/control-client';
import { findRunning } from '../../runner/control-socket';
import { reloadSettings } from '../../runner/reload-settings';

/** Have the process that runs a box take over at once what can be of its changed settings. Resolves with the keys that wait for a restart. */
export async function applyToRunning(home: string, id: string, changed: string[]): Promise<string[]> {
  let client: ControlClient | undefined;
  try {
    client = await findRunning(home, id);
  } catch (error) {
    // It runs, and does not answer: the settings are saved, and nobody has them yet.
    if (!(error instanceof VmError)) throw error;
    return changed;
  }
  if (!client) return [];
  try {
    const answer = await reloadSettings(client);
    if (answer === 'starting') return changed;
    return answer === 'ended' ? [] : answer.restart;
  } finally {
    client.close();
  }
}
