import { VmError } from '../errors/vm-error';
import type { Result } from './control';
import type { ControlClient } from './control-client';

/** What a box answers that has ended meanwhile: it reads its settings when it is started. */
const ENDED = ['control-closed', 'box-not-running'];

/**
 * Have a box that runs take over its settings, which are saved. `ended`: it has; `starting`: it is not yet so far that it could be told.
 * Throws VmError, which says that they are saved, for what it could not take over.
 */
export async function reloadSettings(client: ControlClient): Promise<Result<'reload-settings'> | 'ended' | 'starting'> {
  try {
    return await client.call('reload-settings', {});
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    if (error.code !== undefined && ENDED.includes(error.code)) return 'ended';
    if (error.code === 'box-being-prepared') return 'starting';
    throw new VmError(error.kind, `The settings are saved, but the box that runs could not take all of them over: ${error.message}`, {
      cause: error,
      ...(error.code !== undefined && { code: error.code, params: error.params }),
    });
  }
}
