import { VmError } from '../errors/vm-error';
import { type ConsolePort, type DataListener, INPUT_HIGH_WATER } from '../virtio/devices/console-port';

/** Takes what is typed. */
export interface SerialInput {
  /** False: wait for `inputDrained` before sending more. */
  receive(data: Uint8Array): boolean;
}

/** The UART, whose unread input can be taken back. */
interface UartInput extends SerialInput {
  takeBack(): Uint8Array;
  receiveBreak(): void;
}

export interface MachineConsoleOptions {
  /** None: the machine has the serial port only. */
  virtio: ConsolePort | undefined;
  uart: UartInput;
  /** The guest is known to have its terminal on the virtio console: what is typed earlier waits for that. */
  inputToVirtio: boolean;
  warn: (error: VmError) => void;
}

/**
 * The machine's one console: what the guest sends on its UART and on its virtio console comes out here in order, and input
 * goes to the UART until the guest speaks on the virtio console.
 */
export class MachineConsole implements ConsolePort {
  readonly name = 'console';
  private readonly virtio: ConsolePort | undefined;
  private readonly uart: UartInput;
  private readonly warn: (error: VmError) => void;
  private readonly inputToVirtio: boolean;
  private virtioSpoke = false;
  /** Input typed ahead. The guest's driver would drop what reaches it before its terminal is set up. */
  private readonly ahead: Uint8Array[] = [];
  private aheadBytes = 0;
  private ended = false;
  /** Who gets the input in place of the guest's devices. */
  private taker: SerialInput | undefined;
  private readonly dataListeners = new Set<DataListener>();
  private readonly drainListeners = new Set<() => void>();

  constructor(options: MachineConsoleOptions) {
    this.virtio = options.virtio;
    this.uart = options.uart;
    this.inputToVirtio = options.inputToVirtio && options.virtio !== undefined;
    this.warn = options.warn;
    this.virtio?.onData(() => this.virtioSpeaks());
    this.virtio?.onOpenChange((open) => {
      if (!open) this.virtioSpoke = false;
    });
    this.virtio?.onDrain(() => this.inputDrained());
  }

  /** Whether what is typed goes to the UART, and at once. */
  get isSerial(): boolean {
    return !this.ended && !this.taker && !this.virtioSpoke && !this.inputToVirtio;
  }

  get isOpen(): boolean {
    return this.virtio?.isOpen ?? true;
  }

  write(data: Uint8Array): boolean {
    if (this.ended) throw new VmError('State', 'The console was ended: nothing more can be written to it.', { code: 'console-ended' });
    if (this.taker) return this.taker.receive(data);
    if (this.virtio && this.virtioSpoke) return this.virtio.write(data);
    if (!this.inputToVirtio) return this.uart.receive(data);
    this.ahead.push(data);
    this.aheadBytes += data.length;
    return this.aheadBytes < INPUT_HIGH_WATER;
  }

  /** What is typed ahead of the guest; its UART keeps the few bytes that it has. */
  discard(): void {
    this.ahead.length = 0;
    this.aheadBytes = 0;
    this.virtio?.discard();
  }

  /** Break the serial line, which Linux takes for its "magic SysRq" key: the next character typed is the command. */
  sendBreak(): void {
    if (!this.taker) this.uart.receiveBreak();
  }

  /** A terminal has no end of file: the guest just gets no more input. */
  end(): void {
    this.ended = true;
  }

  onData(listener: DataListener): () => void {
    this.dataListeners.add(listener);
    const remove = this.virtio?.onData(listener);
    return () => {
      this.dataListeners.delete(listener);
      remove?.();
    };
  }

  onDrain(listener: () => void): () => void {
    this.drainListeners.add(listener);
    return () => this.drainListeners.delete(listener);
  }

  onOpenChange(listener: (open: boolean) => void): () => void {
    return this.virtio?.onOpenChange(listener) ?? (() => undefined);
  }

  resize(columns: number, rows: number): void {
    this.virtio?.resize(columns, rows);
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

  private virtioSpeaks(): void {
    const { virtio } = this;
    if (this.virtioSpoke || !virtio) return;
    this.virtioSpoke = true;
    if (this.aheadBytes === 0) return;
    const asked = this.aheadBytes >= INPUT_HIGH_WATER;
    this.aheadBytes = 0;
    const hasRoom = this.ahead.splice(0).map((data) => virtio.write(data));
    if (asked && hasRoom.at(-1)) this.inputDrained();
  }

  /** From now on input goes there, and what the UART's driver has not read; undefined: back to the guest's devices. */
  divert(taker: SerialInput | undefined): void {
    this.taker = taker;
    const unread = taker ? this.uart.takeBack() : new Uint8Array();
    if (unread.length > 0) taker?.receive(unread);
  }

  /** There is room for input again. */
  inputDrained(): void {
    for (const listener of [...this.drainListeners]) listener();
  }
}

function listenerError(cause: unknown): VmError {
  return new VmError('Internal', `A listener of the console failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
