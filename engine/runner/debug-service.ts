import { parseGdbAddress } from '../debug/gdb/address';
import { GdbServer } from '../debug/gdb/server';
import type { VirtualMachine } from '../machine/virtual-machine';
import type { Result } from './control';
import { symbolFiles } from './symbol-files';

/** Where debuggers attach to a box that runs: from the beginning, or from when somebody first asks. */
export class DebugService {
  private server: Promise<GdbServer> | undefined;
  private address: string | undefined;
  private isAttached = false;
  private letIn: () => void = () => undefined;
  private readonly switchedOn = new Promise<void>((resolve) => {
    this.letIn = resolve;
  });

  constructor(
    /** Told, for the log, of what changed. */
    private readonly onChange: (what: string) => void,
  ) {}

  get status(): { address: string; isAttached: boolean } | undefined {
    return this.address === undefined ? undefined : { address: this.address, isAttached: this.isAttached };
  }

  /** Debuggers that came before the machine was switched on have waited for this. */
  begin(): void {
    this.letIn();
  }

  /** Listen for a debugger, unless that is done already, and say where, and what holds the symbols. Throws VmError. */
  async show(machine: VirtualMachine, address: string | undefined): Promise<Result<'debug'>> {
    if (!this.server) {
      // The usual port may be another box's.
      if (address === undefined) await this.listen(machine, '').catch(() => this.listen(machine, '0'));
      else await this.listen(machine, address);
    }
    const server = await (this.server as unknown as Promise<GdbServer>);
    return { address: server.address, symbols: await symbolFiles(machine.config) };
  }

  async listen(machine: VirtualMachine, address: string): Promise<void> {
    const server = GdbServer.listen(machine.debugger, parseGdbAddress(address), {
      ready: this.switchedOn,
      onChange: (isAttached) => {
        this.isAttached = isAttached;
        this.onChange(isAttached ? 'A debugger is attached.' : 'The debugger is gone.');
      },
    });
    this.server = server;
    try {
      this.address = (await server).address;
    } catch (error) {
      this.server = undefined;
      throw error;
    }
    this.onChange(`Debuggers can attach at ${this.address}.`);
  }

  async close(): Promise<void> {
    await this.server?.then((server) => server.close()).catch(() => undefined);
  }
}
