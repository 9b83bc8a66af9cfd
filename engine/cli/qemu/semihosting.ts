import type { MachineConfigInput } from '../../settings/settings';
import type { Wanted } from './wanted';

type Semihosting = Pick<MachineConfigInput, 'semihosting' | 'semihostingUser' | 'semihostingFolder' | 'semihostingArguments'>;

/** What `-semihosting` and `-semihosting-config` mean. Files are those below the folder in which the command was given. Throws QemuError. */
export function translateSemihosting({ semihosting }: Wanted): Semihosting {
  if (!semihosting) return {};
  const isOn = semihosting.takeSwitch('enable') ?? true;
  if (semihosting.take('target') === 'gdb') throw semihosting.wrong('calls are served here, not by the debugger: write target=native');
  if (semihosting.take('chardev') !== undefined) throw semihosting.wrong('what programs print goes to the console: leave chardev out');
  const words = semihosting.takeAll('arg');
  const user = semihosting.takeSwitch('userspace') ?? false;
  semihosting.end('semihosting');
  if (!isOn) return {};
  return {
    semihosting: true,
    semihostingUser: user,
    semihostingFolder: process.cwd(),
    ...(words.length > 0 && { semihostingArguments: words.join(' ') }),
  };
}
