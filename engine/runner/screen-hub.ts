import type { Scanout } from '../gpu/scanout';
import type { InputEvent } from '../virtio/devices/input';
import type { Connection } from './channel';
import type { Input } from './control';
import { type LookingMessage, type ScreenMessage, lookingSchema } from './screen-channel';
import { ScreenSender } from './screen-sender';

/** What those who look need of a machine. */
export interface Seen {
  readonly scanouts: readonly Scanout[];
  /** Throws VmError for a device that it lacks and for events that this does not make; false where nobody listens. */
  input(device: Input['device'], events: readonly InputEvent[], screen?: number): boolean;
}

// Of Linux's input-event-codes.h.
const EV_KEY = 1;

/** Joins the screens of a box, its keyboard and its pointer with those who look. All see the same, and all may type. */
export class ScreenHub {
  #machine: Seen | undefined;
  readonly #viewers = new Set<Viewer>();

  attach(machine: Seen): void {
    this.#machine = machine;
    for (const viewer of this.#viewers) viewer.look();
  }

  /** Somebody comes to look, and stays until the connection closes. */
  connect(connection: Connection): void {
    const viewer = new Viewer(connection, () => this.#machine);
    this.#viewers.add(viewer);
    connection.on('message', ({ data }) => {
      const message = lookingSchema.safeParse(data);
      if (message.success && this.#viewers.has(viewer)) viewer.receive(message.data);
    });
    connection.on('close', () => {
      if (this.#viewers.delete(viewer)) viewer.leave();
    });
    connection.start();
  }
}

/** One who looks at a screen, or at none for now. */
class Viewer {
  #screen: number | null = null;
  #sender: ScreenSender | undefined;
  /** Keys and buttons that he holds down. */
  readonly #held = new Map<Input['device'], Set<number>>();

  constructor(
    private readonly connection: Connection<ScreenMessage>,
    private readonly machine: () => Seen | undefined,
  ) {}

  receive(message: LookingMessage): void {
    switch (message.type) {
      case 'shown':
        this.#sender?.acknowledge();
        break;
      case 'look':
        this.#screen = message.screen;
        this.look();
        break;
      case 'want':
        this.#scanout?.want({ width: message.width, height: message.height, density: message.density });
        break;
      case 'input':
        this.#input(message);
        break;
    }
  }

  /** At what he wants to look at, as soon as there is a machine. */
  look(): void {
    const scanout = this.#scanout;
    if (!scanout) {
      this.#sender?.rest();
      return;
    }
    if (this.#sender?.scanout !== scanout) {
      const unacknowledged = this.#sender?.close() ?? 0;
      this.#sender = new ScreenSender(scanout, (message) => this.connection.postMessage(message), unacknowledged);
    }
    this.#sender.look();
  }

  /** He is gone: what he held down he holds no more. */
  leave(): void {
    this.#sender?.close();
    this.#sender = undefined;
    for (const [device, codes] of this.#held)
      if (codes.size > 0) this.#report(device, [[...codes].map((code) => ({ type: EV_KEY, code, value: 0 }))]);
    this.#held.clear();
  }

  get #scanout(): Scanout | undefined {
    return this.#screen === null ? undefined : this.machine()?.scanouts[this.#screen];
  }

  #input({ device, reports }: Input): void {
    const held = this.#held.get(device) ?? new Set();
    this.#held.set(device, held);
    for (const { type, code, value } of reports.flat()) {
      if (type !== EV_KEY) continue;
      if (value) held.add(code);
      else held.delete(code);
    }
    this.#report(device, reports);
  }

  #report(device: Input['device'], reports: Input['reports']): void {
    try {
      for (const events of reports) this.machine()?.input(device, events, this.#screen ?? undefined);
    } catch {
      // The machine has no such device, or is ending: there is nobody to hear it.
    }
  }
}
