import { machineConfigSchema, type MachineConfigInput } from '../machine/config';
import { VirtualMachine } from '../machine/virtual-machine';
import { dataDirectory } from '../images/data-directory';
import { defaultGuest } from '../images/default-guest';
import { ProgressLine } from './progress-line';
import { formatSize } from './quantities';
import { UsageError } from './usage-error';

/** Fetch and build the default guest if that has not been done, with progress on stderr. */
export async function prepareDefaultGuest(): Promise<Awaited<ReturnType<typeof defaultGuest>>> {
  const line = new ProgressLine(process.stderr);
  try {
    return await defaultGuest({ dataDirectory: dataDirectory(), onProgress: line.update });
  } finally {
    line.end();
  }
}

/** A machine ready to start. Throws UsageError for values that no machine can have, VmError for the rest. */
export async function createMachine(
  command: string,
  config: MachineConfigInput,
  options: { trace: string[]; checkJit: boolean; profile: boolean; extraInitrd?: Uint8Array; ports?: string[] },
): Promise<VirtualMachine> {
  const checked = machineConfigSchema.safeParse(config);
  if (!checked.success) {
    const { path, message } = checked.error.issues[0];
    if (path[0] === 'memory') {
      throw new UsageError(`--memory takes whole MiB from 16 MiB to 3840 MiB, not ${formatSize(config.memory ?? 0)}.`, command);
    }
    if (path[0] === 'drives' && path.length === 1) throw new UsageError('A machine takes at most 64 drives.', command);
    throw new UsageError(`${path.join('.')}: ${message}.`, command);
  }
  const line = new ProgressLine(process.stderr);
  try {
    return await VirtualMachine.create(config, { dataDirectory: dataDirectory(), onProgress: line.update, ...options });
  } finally {
    line.end();
  }
}
