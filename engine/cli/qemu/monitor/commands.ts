import type { VirtualMachine } from '../../../index';
import { HARTBOX_VERSION } from '../../../host/version';
import type { MonitorCommand, MonitorContext } from './command';
import { dump, parseFormat, printed } from './dump';
import { evaluate, MonitorError } from './expression';
import { memoryTree, pageTable } from './memory-report';
import { NETWORK_COMMANDS, NETWORK_INFO } from './network';
import { registerNamed, registerReport } from './register-report';

/** Do something while no hart runs, and let them go on if they did. */
async function standing<Result>({ machine }: MonitorContext, work: () => Result | Promise<Result>): Promise<Result> {
  const isIn = (state: VirtualMachine['state']): boolean => machine.state === state;
  const wasRunning = isIn('running');
  if (wasRunning) await machine.pause();
  try {
    await machine.debugger.prepare();
    return await work();
  } finally {
    if (wasRunning && isIn('paused') && !machine.pauseReason) await machine.resume();
  }
}

function evaluated(text: string, context: MonitorContext): { value: bigint; rest: string } {
  return evaluate(text, (name) => registerNamed(context.machine.debugger, context.hart, name));
}

/** The format of the last `x`, `xp` or `p`, which the next has unless it says another: as in QEMU, for all monitors. */
async function examine(rest: string, context: MonitorContext, isPhysical: boolean): Promise<string> {
  return standing(context, () => {
    const { format, rest: expression } = parseFormat(rest, 4);
    if (format.form === 'i')
      throw new MonitorError('there is no disassembler in this monitor: use gdb (-s), or x/4xw to see the words of the instructions');
    const { value: address, rest: surplus } = evaluated(expression, context);
    if (surplus !== '') throw new MonitorError(`'${surplus}' is too much`);
    const length = format.count * format.size;
    const space = isPhysical ? 'physical' : { hart: context.hart };
    const bytes = context.machine.debugger.readMemory(space, address, length);
    const shown = dump(address, bytes, format);
    if (bytes.length === length) return shown;
    const missing = (address + BigInt(bytes.length)).toString(16);
    return `${shown}Cannot access memory at address 0x${missing}\n`;
  });
}

const STATUS: Readonly<Record<string, string>> = {
  created: 'paused (prelaunch)',
  running: 'running',
  paused: 'paused',
  stopped: 'paused (shutdown)',
  failed: 'paused (internal-error)',
};

/** What `info` tells. */
export const INFO: readonly MonitorCommand[] = [
  {
    names: ['registers'],
    takes: '[-a]',
    help: 'show the registers of the hart (-a: of all)',
    run: (rest, context) =>
      standing(context, () => {
        const { debugger: harts } = context.machine;
        const all = rest.split(/\s+/).includes('-a') ? Array.from({ length: harts.harts }, (_, hart) => hart) : [context.hart];
        return all.map((hart) => registerReport(harts, hart)).join('\n');
      }),
  },
  {
    names: ['status'],
    help: 'show whether the machine runs',
    run: (_rest, { machine, isFresh }) =>
      `VM status: ${machine.pauseReason ? 'paused (io-error)' : STATUS[isFresh() ? 'created' : machine.state]}`,
  },
  { names: ['version'], help: 'show the version of Hartbox', run: () => HARTBOX_VERSION },
  { names: ['name'], help: 'show the name of the machine', run: (_rest, { name }) => name ?? '' },
  { names: ['uuid'], help: 'show the UUID of the machine', run: (_rest, { uuid }) => uuid ?? '00000000-0000-0000-0000-000000000000' },
  {
    names: ['cpus'],
    help: 'show the harts',
    run: (_rest, { machine, hart: current }) =>
      Array.from({ length: machine.config.harts }, (_, hart) => `${hart === current ? '*' : ' '} CPU #${hart}:\n`).join(''),
  },
  {
    names: ['mtree'],
    takes: '[-f]',
    help: 'show the memory map',
    run: (_rest, { machine }) => memoryTree(machine),
  },
  {
    names: ['mem'],
    help: 'show what the present address space of the hart maps',
    run: (_rest, context) => standing(context, () => pageTable(context.machine.debugger, context.hart)),
  },
  {
    names: ['qtree'],
    help: 'show the devices',
    run: (_rest, { machine }) =>
      machine.devices
        .all()
        .map(({ name, deviceStatus }) => `dev: ${name}\n    status = ${deviceStatus?.kind ?? 'Running'}\n`)
        .join(''),
  },
  {
    names: ['block'],
    help: 'show the drives',
    run: (_rest, { machine }) =>
      machine.drives
        .list()
        .map(({ id, file, config }) => {
          const facts = [config.format === 'auto' ? undefined : config.format, config.readonly ? 'read-only' : undefined].filter(Boolean);
          return `${id}: ${file ?? '[not inserted]'}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}\n`;
        })
        .join(''),
  },
  {
    names: ['chardev'],
    help: 'show the lines',
    run: (_rest, { lines }) => lines.map(([name, what]) => `${name}: filename=${what}\n`).join(''),
  },
  ...NETWORK_INFO,
  {
    names: ['jit', 'stats'],
    help: 'show what the harts have done so far',
    run: (_rest, { machine }) => {
      const { seconds, harts } = machine.statistics;
      return [
        `seconds ${seconds.toFixed(3)}\n`,
        ...harts.map(
          (one, hart) =>
            `CPU #${hart}: ${Object.entries(one)
              .map(([key, value]) => `${key} ${String(value)}`)
              .join(', ')}\n`,
        ),
      ].join('');
    },
  },
];

export const COMMANDS: readonly MonitorCommand[] = [
  {
    names: ['help', '?'],
    takes: '[COMMAND]',
    help: 'show the help',
    run: (rest) => helpOn(rest),
  },
  {
    names: ['info'],
    takes: 'WHAT',
    help: 'show what the machine is and does',
    run: (rest, context) => {
      const [, what = '', more = ''] = /^(\S*)\s*(.*)$/s.exec(rest) ?? [];
      if (what === '') return helpOn('info');
      const row = INFO.find(({ names }) => names.includes(what));
      return row ? row.run(more, context) : `unknown command: 'info ${what}'\n`;
    },
  },
  {
    names: ['quit', 'q'],
    help: 'quit the emulator',
    run: (_rest, { quit }) => {
      quit();
      return '';
    },
  },
  {
    names: ['stop', 's'],
    help: 'stop emulation',
    run: async (_rest, { machine }) => {
      if (machine.state === 'running') await machine.pause();
      return '';
    },
  },
  {
    names: ['cont', 'c'],
    help: 'resume emulation',
    run: async (_rest, { machine }) => {
      if (machine.state === 'paused') await machine.resume();
      return '';
    },
  },
  {
    names: ['system_reset'],
    help: 'reset the system',
    run: async (_rest, { machine }) => {
      await machine.reset();
      return '';
    },
  },
  {
    names: ['system_powerdown'],
    help: 'send system power down event',
    run: (_rest, { machine }) => {
      machine.pressPowerButton();
      return '';
    },
  },
  {
    names: ['x'],
    takes: '/FMT ADDRESS',
    help: 'virtual memory dump starting at ADDRESS; /4xw: 4 words, hexadecimal',
    run: (rest, context) => examine(rest, context, false),
  },
  {
    names: ['xp'],
    takes: '/FMT ADDRESS',
    help: 'physical memory dump starting at ADDRESS',
    run: (rest, context) => examine(rest, context, true),
  },
  {
    names: ['p', 'print'],
    takes: '/FMT EXPRESSION',
    help: 'print the value of an expression; $a0, $pc, $mcause name registers',
    run: (rest, context) => {
      const { format, rest: expression } = parseFormat(rest, 8);
      const result = (): string => {
        const { value, rest: surplus } = evaluated(expression, context);
        if (surplus !== '') throw new MonitorError(`'${surplus}' is too much`);
        return printed(value, format.form);
      };
      return expression.includes('$') ? standing(context, result) : result();
    },
  },
  {
    names: ['cpu'],
    takes: 'INDEX',
    help: 'set the hart that registers, x and p look at',
    run: (rest, context) => {
      const index = Number(rest);
      if (!/^\d+$/.test(rest) || index >= context.machine.config.harts) return 'invalid CPU index\n';
      context.hart = index;
      return '';
    },
  },
  {
    names: ['pmemsave', 'memsave'],
    takes: 'ADDRESS SIZE FILE',
    help: 'save memory (pmemsave: by physical address) in a file',
    run: () => 'Memory is not saved to files from here: use gdb (-s), and there: dump memory FILE START END\n',
  },
  {
    names: ['eject'],
    takes: '[-f] DRIVE',
    help: 'take the disc out of a CD-ROM drive (-f: also where the guest has locked it)',
    run: async (rest, { machine }) => {
      const words = rest.split(/\s+/).filter(Boolean);
      const [id = ''] = words.filter((word) => word !== '-f');
      await machine.drives.changeMedium(id, undefined, { force: words.includes('-f') });
      return '';
    },
  },
  {
    names: ['change'],
    takes: 'DRIVE FILE',
    help: 'put another disc into a CD-ROM drive',
    run: async (rest, { machine }) => {
      const [, id = '', file = ''] = /^(\S+)\s+(\S.*)$/.exec(rest) ?? [];
      if (file === '') throw new MonitorError('change: DRIVE FILE expected');
      await machine.drives.changeMedium(id, file);
      return '';
    },
  },
  ...NETWORK_COMMANDS,
  {
    names: ['commit'],
    takes: 'all',
    help: 'commit changes to the disk images (if -snapshot is used)',
    run: (_rest, { commit }) => commit(),
  },
  ...[
    'savevm',
    'loadvm',
    'migrate',
    'device_add',
    'device_del',
    'netdev_add',
    'sendkey',
    'screendump',
    'gdbserver',
    'nmi',
    'log',
    'logfile',
  ].map((name): MonitorCommand => ({ names: [name], help: 'not here', run: () => `${name} is not among what this monitor can do\n` })),
];

function helpOn(topic: string): string {
  const line = ({ names, takes, help }: MonitorCommand, before = ''): string =>
    `${before}${names.join('|')}${takes === undefined ? ' ' : ` ${takes}`} -- ${help}\n`;
  const [first, second] = topic.split(/\s+/);
  if (first === 'info') {
    const rows = second === undefined ? INFO : INFO.filter(({ names }) => names.includes(second));
    return rows.map((row) => line(row, 'info ')).join('');
  }
  const rows = first === '' ? COMMANDS.filter(({ help }) => help !== 'not here') : COMMANDS.filter(({ names }) => names.includes(first));
  return rows.length > 0 ? rows.map((row) => line(row)).join('') : `unknown command: '${first}'\n`;
}
