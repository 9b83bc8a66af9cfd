import { VmError } from '../errors/vm-error';
import { dataDirectory } from '../host/data-directory';
import { ENDING_SIGNALS } from '../host/ending-signals';
import { pacedWriter } from '../host/paced-writer';
import type { VirtualMachine } from '../machine/virtual-machine';
import { type BoxBuild, buildOf, filesOfBox, runBuild } from '../runner/build/box-build';
import { SourceWatch } from '../runner/build/source-watch';
import type { Library } from '../runner/library';
import { Runner, type RunExit } from '../runner/runner';
import type { BoxValues } from '../settings/settings';
import { DEV } from './commands/running';
import { ConsoleEscape, type EscapeCommand } from './console-escape';
import { EXIT_TIMEOUT, exitCodeOfSignal } from './exit-codes';
import { readFrom } from './host-streams';
import { HostTerminal } from './host-terminal';
import { prepare } from './machine-setup';
import { parseSeconds } from './quantities';
import { savedBox } from './run';
import { nothingMore, parseBoxCommand } from './running-box';
import { statisticsTable } from './statistics-report';

const KEYS = `
Ctrl-A b       build and start again now
Ctrl-A x       switch the box off and leave
Ctrl-A s       what the harts have done so far
Ctrl-A h       this help
Ctrl-A Ctrl-A  send Ctrl-A to the guest`;

/** What comes next: a build, for that reason; the box has ended by itself; or this command is to. */
type Event = { build: string } | { ended: RunExit } | 'leave';

/** `hartbox dev`: build what a box starts from and run it at this terminal, again and again. Returns the exit code. */
export async function dev(args: string[]): Promise<number> {
  const { values, name, rest } = parseBoxCommand(DEV, args);
  nothingMore('dev', rest);
  const timeout = values.timeout === undefined ? undefined : parseSeconds('--timeout', values.timeout);
  const { box } = await savedBox('dev', name, {});
  return new Development(box, values.once ?? false).run(timeout);
}

class Development {
  private readonly terminal = new HostTerminal(process.stdin, process.stdout);
  private readonly over = new AbortController();
  private code = 0;
  private runner: Runner | undefined;
  private machine: VirtualMachine | undefined;
  private watch: SourceWatch | undefined;
  private readonly drained = new Set<() => void>();
  private stopInput: (() => void) | undefined;
  private readonly events: Event[] = [];
  private wake: () => void = () => undefined;

  constructor(
    private readonly box: { library: Library; id: string },
    private readonly once: boolean,
  ) {}

  async run(timeout: number | undefined): Promise<number> {
    const { terminal } = this;
    const listeners = ENDING_SIGNALS.map((signal) => [signal, (): void => this.leave(exitCodeOfSignal(signal))] as const);
    for (const [signal, listener] of listeners) process.on(signal, listener);
    process.stdout.on('error', () => this.leave(exitCodeOfSignal('SIGPIPE')));
    const timer = timeout === undefined ? undefined : setTimeout(() => this.leave(EXIT_TIMEOUT), timeout);
    try {
      let why: string | undefined;
      for (;;) {
        const isUp = await this.buildAndStart(why);
        if (this.over.signal.aborted) return this.code;
        const event = await this.next(isUp);
        if (event === 'leave') return this.code;
        if ('ended' in event) {
          if (event.ended.error) throw event.ended.error;
          return event.ended.code;
        }
        why = event.build;
      }
    } finally {
      clearTimeout(timer);
      this.watch?.end();
      this.stopInput?.();
      await this.runner?.forceOff();
      terminal.giveBack();
      for (const [signal, listener] of listeners) process.off(signal, listener);
    }
  }

  private leave(code: number): void {
    if (this.over.signal.aborted) return;
    this.code = code;
    this.over.abort();
    this.tell('leave');
  }

  private tell(event: Event): void {
    this.events.push(event);
    this.wake();
  }

  /** The next build or end. What ends by itself waits here for the next build, if one can come. */
  private async next(isUp: boolean): Promise<Event> {
    const canBuild = this.terminal.isInteractive || this.watch !== undefined;
    if (!isUp) this.wait(canBuild);
    for (;;) {
      const event = this.events.shift();
      if (event === undefined) await new Promise<void>((resolve) => (this.wake = resolve));
      else if (event !== 'leave' && 'ended' in event && !this.once && canBuild) {
        this.terminal.tell(event.ended.error?.message ?? `the box is off (exit code ${event.ended.code}).`);
        this.wait(canBuild);
      } else return event;
    }
  }

  private wait(canBuild: boolean): void {
    const how = [this.watch && 'save a file', this.terminal.isInteractive && 'press Ctrl-A b'].filter(Boolean).join(' or ');
    if (canBuild) this.terminal.tell(`to build and start again, ${how}.`);
  }

  /** Whether the box runs now, as it was or anew. Throws where that is what was asked for, and does not work. */
  private async buildAndStart(why: string | undefined): Promise<boolean> {
    const { terminal, box, over } = this;
    const { values } = await box.library.settings(box.id);
    const build = buildOf(values);
    this.watch?.hold();
    const isHeld = this.machine?.state === 'running';
    if (isHeld) await this.runner?.operations.pause({});
    const start = performance.now();
    terminal.tell(`${why === undefined ? '' : `${why}: `}${build.command}`);
    try {
      try {
        await runBuild(build, { onOutput: (data) => terminal.print(data.toString()), signal: over.signal });
      } finally {
        await this.see(values, build);
      }
      await this.runner?.forceOff();
      terminal.tell(`built in ${((performance.now() - start) / 1000).toFixed(1)} s; the box starts.`);
      await this.start(values);
      return true;
    } catch (error) {
      if (over.signal.aborted) return false;
      // Without a keyboard and a watch no build would follow.
      if (this.once || !(error instanceof VmError) || !(terminal.isInteractive || values.buildWatch)) throw error;
      // The output of a build is there already.
      terminal.tell(error.code === 'build-failed' ? `the build failed (${error.params?.['how'] ?? ''}).` : error.message);
      const goesOn = isHeld && this.machine?.state === 'paused';
      if (goesOn) {
        await this.runner?.operations.resume({});
        terminal.tell('the box goes on as it was.');
      }
      return goesOn;
    }
  }

  /** Watch the sources from now on. */
  private async see(values: BoxValues, { folder }: BoxBuild): Promise<void> {
    if (this.once || !values.buildWatch || this.over.signal.aborted) return;
    this.watch ??= new SourceWatch(folder, filesOfBox(values), (path) => this.tell({ build: `${path} was saved` }));
    await this.watch.release();
  }

  private async start(values: BoxValues): Promise<void> {
    const { terminal, box } = this;
    const runner = new Runner({
      box,
      config: terminal.size ? { console: terminal.size } : {},
      program: 'hartbox dev',
      dataDirectory: dataDirectory(),
    });
    runner.on('warning', (warning) => terminal.tell(`warning: ${warning.message}`));
    this.runner = runner;
    const machine = await prepare(runner);
    this.machine = machine;
    machine.console.onData(pacedWriter(process.stdout));
    machine.console.onDrain(() => this.letInputGoOn());
    terminal.onResize((columns, rows) => runner.resize(columns, rows));
    await runner.start();
    void runner.wait().then((exit) => {
      if (this.runner !== runner) return;
      this.runner = undefined;
      this.machine = undefined;
      this.letInputGoOn();
      this.tell({ ended: exit });
    });
    this.takeInput(values);
  }

  /** From the first start on; what is typed goes to the machine that there is. */
  private takeInput({ buildWatch }: BoxValues): void {
    const { terminal } = this;
    if (this.stopInput) return;
    if (terminal.isInteractive) terminal.tell(`Ctrl-A b builds again${buildWatch ? ', as does saving a file' : ''}; Ctrl-A x leaves.`);
    terminal.lend();
    const consoleEscape = new ConsoleEscape();
    const port = {
      write: (data: Uint8Array): boolean => this.machine?.console.write(data) ?? true,
      onDrain: (listener: () => void): (() => void) => {
        this.drained.add(listener);
        return () => this.drained.delete(listener);
      },
    };
    const filter = (typed: Uint8Array): Uint8Array => {
      const { forward, commands } = consoleEscape.filter(typed);
      for (const command of commands) this.obey(command);
      return forward;
    };
    this.stopInput = readFrom(process.stdin, port, terminal.isInteractive ? { filter } : {});
  }

  private letInputGoOn(): void {
    for (const listener of this.drained) listener();
  }

  private obey(command: EscapeCommand): void {
    const { terminal, machine } = this;
    if (command === 'quit') this.leave(0);
    else if (command === 'build') this.tell({ build: 'Ctrl-A b' });
    else if (command === 'help') terminal.tell(KEYS);
    else if (command === 'continue') this.runner?.retry();
    else if (command === 'statistics' && machine) terminal.tell(statisticsTable(machine.statistics).trimEnd());
  }
}
