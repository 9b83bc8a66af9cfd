import { makePassword } from '../display/vnc/password';
import type { Seat, SharedText } from '../display/vnc/seat';
import { parseVncAddress, VncServer } from '../display/vnc/server';
import type { VirtualMachine } from '../machine/virtual-machine';
import type { Arguments, Result, Status } from './control';

/** `password` empty: everybody who can reach the address may come in; undefined: one is made, but for Unix sockets, which only their owner can open. */
export interface VncWish {
  address: string;
  password?: string | undefined;
}

interface Shown {
  server: VncServer;
  password: string | undefined;
}

/** The screens of a box that are shown by VNC, each at an address of its own. */
export class VncService {
  private readonly shown = new Map<number, Promise<Shown>>();
  /** Of the first screen. */
  status: Status['vnc'];
  /** The guest's clipboard, where the box shares one. */
  text: SharedText | undefined;

  constructor(
    /** Told when the status has changed; with what, for the log, where there is more to tell. */
    private readonly onChange: (what?: string) => void,
  ) {}

  /** Show a screen, unless that is done already, and say where. `name`: the box's, for people. Throws VmError. */
  async show(
    machine: VirtualMachine,
    name: string | undefined,
    { screen = 0, address, password }: Arguments<'vnc'>,
  ): Promise<Result<'vnc'>> {
    const listen = (where: string): Promise<Shown> => this.listen(machine, name, screen, { address: where, password });
    // The usual port may be another box's.
    const shown = this.shown.get(screen) ?? (address === undefined ? listen('').catch(() => listen('0')) : listen(address));
    this.shown.set(screen, shown);
    try {
      const { server, password: asked } = await shown;
      return { address: server.address, password: asked };
    } catch (error) {
      this.shown.delete(screen);
      throw error;
    }
  }

  private async listen(machine: VirtualMachine, name = 'box', screen: number, wish: VncWish): Promise<Shown> {
    const { inputKinds } = machine;
    const scanout = machine.scanout(screen);
    const address = parseVncAddress(wish.address);
    const password = (wish.password ?? ('path' in address ? '' : makePassword())) || undefined;
    const seat: Seat = {
      name,
      scanout,
      hasKeyboard: inputKinds.includes('keyboard'),
      hasTablet: inputKinds.includes('tablet'),
      input: (device, report) => {
        if (machine.state === 'running') machine.input(device, report, screen);
      },
      text: this.text,
    };
    const tell = (server: VncServer): void => {
      if (screen !== 0) return;
      this.status = { address: server.address, clients: server.clients };
      this.onChange();
    };
    const server: VncServer = await VncServer.listen(seat, address, { password, onChange: () => tell(server) });
    tell(server);
    this.onChange(`Screen ${screen} is shown by VNC at ${server.address}.`);
    return { server, password };
  }

  async close(): Promise<void> {
    for (const shown of this.shown.values()) await shown.then(({ server }) => server.close()).catch(() => undefined);
  }
}
