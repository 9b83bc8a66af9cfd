import { ENDING_SIGNALS } from '../host/ending-signals';
import { ConsoleStream } from '../runner/console-stream';
import type { EventData } from '../runner/control';
import { errorOf } from '../runner/error-report';
import { ConsoleEscape, type EscapeCommand } from './console-escape';
import { EXIT_FAILURE, exitCodeOfSignal } from './exit-codes';
import { pacedWriter } from '../host/paced-writer';
import { readFrom } from './host-streams';
import { HostTerminal } from './host-terminal';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';
import { ATTACH } from './commands/running';
import { UsageError } from './usage-error';
import { statisticsTable } from './statistics-report';

const KEYS = `
Ctrl-A d       detach: leave, and let the box go on
Ctrl-A s       what the harts have done so far
Ctrl-A h       this help
Ctrl-A Ctrl-A  send Ctrl-A to the guest`;

/** The channel of a terminal, of those that the box has. */
function terminalNamed(name: string | undefined, extra: number): 'console' | 'hvc1' | 'hvc2' | 'hvc3' {
  if (name === undefined || name === 'hvc0') return 'console';
  const found = (['hvc1', 'hvc2', 'hvc3'] as const).slice(0, extra).find((one) => one === name);
  if (found) return found;
  const has =
    extra === 0 ? 'none but its console. Its setting consoles says how many more it has' : `hvc1${extra > 1 ? ` to hvc${extra}` : ''}`;
  throw new UsageError(`The box has no terminal '${name}'; it has ${has}.`, 'attach');
}

/** `hartbox attach`: this terminal at the console of a box that another process runs. */
export async function attach(args: string[]): Promise<number> {
  const parsed = parseBoxCommand(ATTACH, args);
  nothingMore('attach', parsed.rest);
  const { id, client } = await runningBox(parsed.name);
  const kind = terminalNamed(parsed.values.terminal, (await client.call('status', {})).consoles ?? 0);
  const terminal = new HostTerminal(process.stdin, process.stdout);
  let exit: EventData<'exit'> | undefined;
  client.on('exit', (data) => {
    exit = data;
  });
  client.on('warning', ({ message }) => terminal.tell(`warning: ${message}`));
  const stream = new ConsoleStream(await client.connect(kind), pacedWriter(process.stdout));

  let leave: (code: number | undefined) => void = () => undefined;
  const left = new Promise<number | undefined>((resolve) => {
    leave = resolve;
  });
  client.on('closed', () => leave(undefined));
  for (const signal of ENDING_SIGNALS) process.on(signal, () => leave(exitCodeOfSignal(signal)));
  const consoleEscape = new ConsoleEscape();
  const obey = (command: EscapeCommand): void => {
    if (command === 'detach') leave(0);
    else if (command === 'help') terminal.tell(KEYS);
    else if (command === 'statistics')
      client.call('statistics', {}).then(
        (statistics) => terminal.tell(statisticsTable(statistics).trimEnd()),
        () => undefined,
      );
    else if (command === 'quit') terminal.tell(`Ctrl-A d leaves the box running. To switch it off: hartbox stop ${id}`);
  };
  const filter = (typed: Uint8Array): Uint8Array => {
    const { forward, commands } = consoleEscape.filter(typed);
    commands.forEach(obey);
    return forward;
  };
  const takeSize = (): void => {
    if (terminal.size) stream.resize(terminal.size.columns, terminal.size.rows);
  };
  if (terminal.isInteractive) terminal.tell('Ctrl-A d detaches, Ctrl-A h helps.');
  terminal.lend();
  takeSize();
  terminal.onResize(takeSize);
  const stopInput = readFrom(process.stdin, stream, terminal.isInteractive ? { filter } : {});
  const code = await left;
  stopInput();
  terminal.giveBack();
  stream.close();
  client.close();
  if (code !== undefined) {
    if (code === 0) terminal.tell(`detached; the box ${id} goes on.`);
    return code;
  }
  if (exit?.error) throw errorOf(exit.error);
  if (exit) return exit.code;
  terminal.tell(`the process that runs the box ${id} is gone.`);
  return EXIT_FAILURE;
}
