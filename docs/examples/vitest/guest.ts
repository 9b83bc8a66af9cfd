import { type MachineConfigInput, VirtualMachine } from 'hartbox';

/** A Linux at its shell, driven through its console. */
export class Guest {
  private text = '';
  private commands = 0;
  private readonly listeners = new Set<() => void>();

  private constructor(readonly machine: VirtualMachine) {
    const wake = () => {
      for (const listener of [...this.listeners]) listener();
    };
    machine.console.onData((data) => {
      this.text += Buffer.from(data).toString();
      wake();
    });
    machine.on('exit', wake);
  }

  /** Boot the built-in Linux, or what `config` says; resolves at its prompt. */
  static async boot(config: MachineConfigInput = {}): Promise<Guest> {
    const guest = new Guest(await VirtualMachine.create(config));
    await guest.machine.start();
    await guest.says(/root@hartbox:.*#/);
    return guest;
  }

  /** Resolves with what matches in the console's output from position `from` on. Rejects if the machine ends before. */
  says(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(this.text.slice(from));
        if (found) resolve(found);
        else if (this.machine.state === 'stopped' || this.machine.state === 'failed') reject(new Error(`It ended: ${this.text}`));
        else return;
        this.listeners.delete(look);
      };
      this.listeners.add(look);
      look();
    });
  }

  /** Run a command; resolves with what it printed and its exit status. */
  async run(command: string): Promise<{ output: string; status: number }> {
    const id = ++this.commands;
    const from = this.text.length;
    // The quotes keep the marks apart from the terminal's echo of this very line.
    this.machine.console.write(Buffer.from(`echo 'be'gin-${id}; ${command}; echo 'e'nd-${id}-$?\n`));
    const [, output = '', status] = await this.says(new RegExp(`begin-${id}\r?\n([^]*?)end-${id}-(\\d+)`), from);
    return { output: output.replaceAll('\r\n', '\n'), status: Number(status) };
  }

  stop(): Promise<void> {
    return this.machine.stop();
  }
}
