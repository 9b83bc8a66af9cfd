import { basename } from 'node:path';
import { VmError } from '../errors/vm-error';
import type { SemihostingFacts } from '../hart/semihosting';
import type { ConfinedFolder } from '../host/confined-folder';
import type { MachineConfig } from '../settings/settings';
import type { Board } from './board';
import type { BootPlan } from './boot/boot-plan';
import { SemihostingHost } from './semihosting-host';

/** Bytes at the device tree's address that are the tree's, and firmware's to extend it. */
const DEVICE_TREE_ROOM = 2 << 20;

export interface SemihostingOptions {
  config: MachineConfig;
  boot: BootPlan & { append: string };
  ram: { base: number; size: number };
  board: Board;
  folder: ConfinedFolder | undefined;
  exit: (code: number) => void;
  warn: (warning: VmError) => void;
}

/** What serves a machine's semihosting calls, and what its harts know by themselves. */
export function createSemihosting({ config, boot, ram, board, folder, exit, warn }: SemihostingOptions): {
  host: SemihostingHost;
  facts: SemihostingFacts;
} {
  const { console } = board;
  const host = new SemihostingHost({
    folder,
    exit,
    warn,
    console: {
      write: (data) => {
        // What went to the UART before comes before.
        board.flush();
        return console.deliver(data);
      },
      takeInput: () => console.divert(host),
      drained: () => console.inputDrained(),
    },
  });
  const program = config.kernel ?? config.load[0]?.file ?? '';
  const commandLine = config.semihostingArguments || [basename(program), boot.append].filter((word) => word !== '').join(' ');
  return { host, facts: { commandLine, heap: largestGap(ram, boot) } };
}

/** The longest stretch of memory that nothing was loaded to. */
export function largestGap(ram: SemihostingOptions['ram'], { segments, deviceTree }: BootPlan): SemihostingFacts['heap'] {
  const taken = [...segments, { address: deviceTree, memoryBytes: DEVICE_TREE_ROOM }].sort((a, b) => a.address - b.address);
  let gap = { base: ram.base, limit: ram.base };
  let from = ram.base;
  for (const { address, memoryBytes } of [...taken, { address: ram.base + ram.size, memoryBytes: 0 }]) {
    // Programs want their heap and stack aligned.
    const base = Math.ceil(from / 16) * 16;
    const limit = Math.floor(address / 16) * 16;
    if (limit - base > gap.limit - gap.base) gap = { base, limit };
    from = Math.max(from, address + memoryBytes);
  }
  return gap;
}

/** Told when a program tries what is not served. */
export function semihostingRefused(what: 'semihosting' | 'user'): VmError {
  return what === 'user'
    ? new VmError(
        'Guest',
        'A program in user mode tries semihosting, which is on for machine and supervisor mode only. Allow it with --semihosting-user.',
        {
          code: 'semihosting-user-off',
        },
      )
    : new VmError(
        'Guest',
        'The program tries semihosting (printing, files or its exit by the host), which is off, so it gets a breakpoint exception. Switch it on with --semihosting.',
        { code: 'semihosting-off' },
      );
}
