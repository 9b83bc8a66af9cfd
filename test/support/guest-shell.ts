import type { MachineConfigInput } from '../../engine/settings/settings';
import { VirtualMachine, type VirtualMachineOptions } from '../../engine/machine/virtual-machine';
import { Transcript } from './transcript';

/** The shell's prompt, with what colours it. */
export const PROMPT = /root@hartbox:[^\n]*#/;

export interface CommandResult {
  status: number;
  /** What the command printed, with plain line ends. */
  output: string;
}

/** The default guest at its shell prompt, driven through its terminal like a user would. */
export class GuestShell {
  readonly #heard = new Transcript('The guest');
  #commands = 0;

  /** Of a machine that others start: from now on. */
  constructor(readonly machine: VirtualMachine) {
    machine.console.onData((data) => this.#heard.add(data));
    machine.on('exit', () => this.#heard.end());
  }

  /** Everything that came from the console. */
  get transcript(): string {
    return this.#heard.text;
  }

  /** How long it may take to say what is awaited, in milliseconds. */
  set patience(milliseconds: number) {
    this.#heard.patience = milliseconds;
  }

  /** Boots; resolves at the prompt, which is the default guest's unless given. */
  static async boot(config: MachineConfigInput = {}, options: VirtualMachineOptions = {}, prompt = PROMPT): Promise<GuestShell> {
    const shell = await GuestShell.start(config, options);
    await shell.says(prompt);
    return shell;
  }

  /** Switches on, for a machine that has something to say before its shell. */
  static async start(config: MachineConfigInput, options: VirtualMachineOptions = {}): Promise<GuestShell> {
    const machine = await VirtualMachine.create(config, options);
    const shell = new GuestShell(machine);
    await machine.start();
    return shell;
  }

  /** Resolves with the first match in what came after `from`. Rejects where it does not come in time, or the machine ends before. */
  says(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return this.#heard.says(pattern, from);
  }

  type(text: string): void {
    this.machine.console.write(Buffer.from(text));
  }

  /** Run a command line in the shell. */
  async run(command: string): Promise<CommandResult> {
    const id = ++this.#commands;
    const from = this.transcript.length;
    // The quotes keep the markers apart from the terminal's echo of this very line.
    this.type(`echo 'be'gin-${id}; ${command}; echo 'e'nd-${id}-$?\n`);
    const [, output, status] = await this.says(new RegExp(`begin-${id}\r?\n([^]*?)end-${id}-(\\d+)`), from);
    return { status: Number(status), output: output.replaceAll('\r\n', '\n') };
  }
}
