import { VmError } from '../bus/vm-error';
import type { ConsolePort, DataListener } from '../virtio/devices/console-port';

/** What the console needs of the UART. */
export interface SerialInput {
  /** False: wait for `inputDrained` before sending more. */
  receive(data: Uint8Array): boolean;
}

export interface MachineConsoleOptions {
  virtio: ConsolePort;
  uart: SerialInput;
  /** The guest is known to have its terminal on the virtio console: input waits for that from the start. */
  inputToVirtio: boolean;
  warn: (error: VmError) => void;
}

/**
 * The machine's one console: what the guest sends on its UART and on its virtio console comes out here in order, and input
 * goes to the UART until the guest speaks on the virtio console.
 */
export class MachineConsole implements ConsolePort {
  readonly name = 'console';
  private readonly virtio: ConsolePort;
  private readonly uart: SerialInput;
  private readonly warn: (error: VmError) => void;
  private readonly inputToVirtio: boolean;
  private virtioSpoke = false;
  private ended = false;
  private readonly dataListeners = new Set<DataListener>();
  private readonly drainListeners = new Set<() => void>();

  constructor(options: MachineConsoleOptions) {
    this.virtio = options.virtio;
    this.uart = options.uart;
    this.inputToVirtio = options.inputToVirtio;
    this.warn = options.warn;
    this.virtio.onData(() => {
      this.virtioSpoke = true;
    });
    this.virtio.onOpenChange((open) => {
      if (!open) this.virtioSpoke = false;
    });
    this.virtio.onDrain(() => this.inputDrained());
  }

  get isOpen(): boolean {
    return this.virtio.isOpen;
  }

  write(data: Uint8Array): boolean {
    if (this.ended) throw new VmError('State', 'The console was ended: nothing more can be written to it.');
    return this.inputToVirtio || this.virtioSpoke ? this.virtio.write(data) : this.uart.receive(data);
  }

  /** A terminal has no end of file: the guest just gets no more input. */
  end(): void {
    this.ended = true;
  }

  onData(listener: DataListener): () => void {
    this.dataListeners.add(listener);
    const remove = this.virtio.onData(listener);
    return () => {
      this.dataListeners.delete(listener);
      remove();
    };
  }

  onDrain(listener: () => void): () => void {
    this.drainListeners.add(listener);
    return () => this.drainListeners.delete(listener);
  }

  onOpenChange(listener: (open: boolean) => void): () => void {
    return this.virtio.onOpenChange(listener);
  }

  resize(columns: number, rows: number): void {
    this.virtio.resize(columns, rows);
  }

  /** Output of the UART, or of a bare-metal program; a promise asks the sender to wait. */
  deliver(data: Uint8Array): Promise<void> | undefined {
    const holding: Promise<void>[] = [];
    for (const listener of [...this.dataListeners]) {
      try {
        const held = listener(data);
        if (held) holding.push(held.catch((cause: unknown) => this.warn(listenerError(cause))));
      } catch (cause) {
        this.warn(listenerError(cause));
      }
    }
    return holding.length > 0 ? Promise.all(holding).then(() => undefined) : undefined;
  }

  /** There is room for input again. */
  inputDrained(): void {
    for (const listener of [...this.drainListeners]) listener();
  }
}

function listenerError(cause: unknown): VmError {
  return new VmError('Internal', `A listener of the console failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
