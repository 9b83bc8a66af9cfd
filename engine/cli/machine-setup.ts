import { checkSettings } from '../settings/problem';
import { type MachineConfig, machineConfigSchema, type MachineConfigInput } from '../settings/settings';
import type { VirtualMachine } from '../machine/virtual-machine';
import type { Status } from '../runner/control';
import type { Runner } from '../runner/runner';
import { dataDirectory } from '../host/data-directory';
import { defaultGuest } from '../images/default-guest';
import { usable } from './given-values';
import { ProgressLine } from './progress-line';

/** Fetch and build the default guest if that has not been done, with progress on stderr. */
export async function prepareDefaultGuest(): Promise<Awaited<ReturnType<typeof defaultGuest>>> {
  const line = new ProgressLine(process.stderr);
  try {
    return await defaultGuest({ dataDirectory: dataDirectory(), onProgress: line.update });
  } finally {
    line.end();
  }
}

/** With what is not given filled in. Throws UsageError for values that do not go together. */
export function checkConfig(command: string, config: MachineConfigInput): MachineConfig {
  return usable(command, () => checkSettings(machineConfigSchema, config, ''));
}

/** A box's machine ready to start, with progress on stderr. */
export async function prepare(runner: Runner): Promise<VirtualMachine> {
  const line = new ProgressLine(process.stderr);
  const show = ({ progress }: Status): void => {
    if (progress) line.update(progress);
  };
  runner.on('status', show);
  try {
    return await runner.prepare();
  } finally {
    runner.off('status', show);
    line.end();
  }
}
