import { VmError } from '../../errors/vm-error';
import type { Mapping } from '../../hart/page-walk';
import { listRegisters } from './registers';
import type { DebugTarget } from './target';

/** What a `monitor` command of the debugger may change of its session. */
export interface MonitorContext {
  target: DebugTarget;
  /** The hart that the debugger looks at. */
  hart: number;
  /** Whether memory is seen by physical addresses, or as the hart does. */
  isPhysical: () => boolean;
  setPhysical: (on: boolean) => void;
}

const MAPPINGS_MOST = 1000;

interface MonitorCommand {
  usage: string;
  help: string;
  pattern: RegExp;
  run: (context: MonitorContext, found: RegExpExecArray) => string | Promise<string>;
}

const COMMANDS: readonly MonitorCommand[] = [
  { usage: 'help', help: 'this list', pattern: /^(?:help|\?)?$/, run: () => helpText() },
  {
    usage: 'info registers [HART]',
    help: 'integer and floating-point registers and CSRs, of this hart or another',
    pattern: /^info reg(?:ister)?s(?: (\d{1,3}))?$/,
    run: ({ target, hart }, [, other]) => {
      const which = other === undefined ? hart : Number(other);
      return which < target.harts ? listRegisters(target, which) : `There is no hart ${which}.\n`;
    },
  },
  {
    usage: 'info harts',
    help: 'where each of them stands',
    pattern: /^info (?:harts|cpus)$/,
    run: ({ target, hart }) =>
      Array.from({ length: target.harts }, (_, one) => {
        const { pc, privilege } = target.registers(one);
        return `${one === hart ? '*' : ' '} hart ${one}: pc ${hex(pc)}, ${privilege} mode\n`;
      }).join(''),
  },
  {
    usage: 'info mem',
    help: 'what the page tables of this hart map: virtual and physical address, bytes, rights',
    pattern: /^info mem$/,
    run: ({ target, hart }) => {
      const { mappings, complete } = target.mappings(hart, MAPPINGS_MOST);
      if (mappings.length === 0) return 'The hart uses physical addresses now.\n';
      return `${mappings.map(mappingLine).join('')}${complete ? '' : '… and more.\n'}`;
    },
  },
  {
    usage: 'info ranges',
    help: 'where memory lies on the board',
    pattern: /^info (?:ranges|mtree)$/,
    run: ({ target }) =>
      target.ranges
        .map(({ base, size, readonly, device }) => {
          const what = device ? 'flash' : readonly ? 'read-only' : 'memory';
          return `${hex(BigInt(base))} to ${hex(BigInt(base + size - 1))}  ${what}\n`;
        })
        .join(''),
  },
  {
    usage: 'translate ADDRESS',
    help: 'the physical address of a virtual one of this hart',
    pattern: /^(?:translate|gva2gpa) (?:0x)?([0-9a-f]{1,16})$/i,
    run: ({ target, hart }, [, text]) => {
      const physical = target.translate({ hart }, BigInt(`0x${text}`));
      return physical === undefined ? 'It is not mapped.\n' : `${hex(physical)}\n`;
    },
  },
  {
    usage: 'physical [on|off]',
    help: 'see memory by physical addresses, or again as the hart does',
    pattern: /^physical(?: (on|off))?$/,
    run: (context, [, wanted]) => {
      if (wanted !== undefined) context.setPhysical(wanted === 'on');
      return `Addresses are ${context.isPhysical() ? 'physical' : 'those of the hart'}.\n`;
    },
  },
  {
    usage: 'reset',
    help: 'start the machine from the beginning; it waits before its first instruction. GDB keeps what it has read: maintenance flush register-cache',
    pattern: /^(?:system_)?reset(?: (?:halt|init))?$/,
    run: async ({ target }) => {
      await target.reset();
      return 'All harts are as after power-on.\n';
    },
  },
  {
    usage: 'powerdown',
    help: 'press the power button, which the guest sees when it goes on',
    pattern: /^(?:system_)?powerdown$/,
    run: ({ target }) => {
      target.powerOff();
      return '';
    },
  },
  {
    usage: 'quit',
    help: 'switch the machine off at once',
    pattern: /^(?:quit|exit)$/,
    run: ({ target }) => {
      // Whoever asks is answered first.
      setTimeout(() => void target.stop(), QUIT_MS);
      return 'The machine is switched off.\n';
    },
  },
];
const QUIT_MS = 50;

/** Do what a `monitor` command says. Returns what is printed. */
export async function monitor(context: MonitorContext, line: string): Promise<string> {
  const text = line.trim().replace(/\s+/g, ' ');
  for (const { pattern, run } of COMMANDS) {
    const found = pattern.exec(text);
    if (!found) continue;
    try {
      return await run(context, found);
    } catch (error) {
      if (error instanceof VmError) return `${error.message}\n`;
      throw error;
    }
  }
  const meant = COMMANDS.find(({ usage }) => text.startsWith(`${usage.replace(/ ?(\[?[A-Z(]|\[).*/, '')} `));
  if (meant)
    return `${meant.usage}: ${meant.help}. Numbers are hexadecimal for addresses, and decimal for harts; names of registers are not known here.\n`;
  return `There is no such command: ${JSON.stringify(text.slice(0, 60))}. The commands are:\n${helpText()}`;
}

function helpText(): string {
  const width = Math.max(...COMMANDS.map(({ usage }) => usage.length));
  return COMMANDS.map(({ usage, help }) => `${usage.padEnd(width)}  ${help}\n`).join('');
}

function hex(value: bigint): string {
  return `0x${value.toString(16).padStart(16, '0')}`;
}

function mappingLine({ virtual, physical, bytes, flags }: Mapping): string {
  const rights = ['r', 'w', 'x', 'u', 'g', 'a', 'd'].map((letter, bit) => ((flags >> (bit + 1)) & 1 ? letter : '-')).join('');
  return `${hex(virtual)} ${hex(physical)} ${bytes.toString(16).padStart(12)} ${rights}\n`;
}
