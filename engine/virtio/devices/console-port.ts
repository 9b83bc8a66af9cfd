import { z } from 'zod';
import { bytesSchema, loadBytes, saveBytes } from '../../bus/device-state';
import { VmError } from '../../errors/vm-error';

/** From this many waiting bytes on, `write` asks to wait for `drain`. */
export const INPUT_HIGH_WATER = 65536;
/** Who does not wait is refused here. */
const INPUT_MAX = 64 << 20;

/** Gets the guest's output; the bytes are its own to keep. Returning a promise holds the guest back until it settles. */
export type DataListener = (data: Uint8Array) => void | Promise<void>;

/** The host's end of one byte stream to and from the guest: a terminal, or a named port. */
export interface ConsolePort {
  readonly name: string;
  /** Whether the guest has its end open. */
  readonly isOpen: boolean;
  /**
   * Send bytes to the guest, which gets them once it has the port open; the array must not be changed afterwards. Returns false
   * when so much is waiting that the caller should wait for `onDrain`. Throws VmError 'State' after `end()`, or if 64 MiB wait.
   */
  write(data: Uint8Array): boolean;
  /** Forget what the guest has not got yet. Who waits for `onDrain` is not told. */
  discard(): void;
  /** Nothing more will be sent: after the waiting bytes a named port's reader in the guest sees the end of the file. */
  end(): void;
  /** Listeners return a function that removes them. Output that nobody listens to is lost, as on a serial line. */
  onData(listener: DataListener): () => void;
  onDrain(listener: () => void): () => void;
  /** Called when the guest opens (true) or closes (false) the port. */
  onOpenChange(listener: (open: boolean) => void): () => void;
  /** The terminal's new size, 1 to 65535 each; the guest's programs get SIGWINCH. Named ports have no size. */
  resize(columns: number, rows: number): void;
}

export const portStateSchema = z.strictObject({
  open: z.boolean(),
  ready: z.boolean(),
  ended: z.boolean(),
  endSent: z.boolean(),
  /** Bytes for the guest. */
  input: bytesSchema,
});
type PortState = z.output<typeof portStateSchema>;

/** What a port needs of the device that it belongs to. */
export interface PortOwner {
  /** There may be input for the guest, or its end. */
  inputReady(port: DevicePort): void;
  /** All listeners can take output again. */
  outputReady(port: DevicePort): void;
  resize(port: DevicePort, columns: number, rows: number): void;
  warn(error: VmError): void;
}

/** A port as the console device drives it: the buffer towards the guest, and the listeners to its output. */
export class DevicePort implements ConsolePort {
  /** The guest's driver knows of the port. */
  isReady = false;
  /** The guest has been told that the host's end is closed. */
  endSent = false;

  #isOpen = false;
  #ended = false;
  readonly #input: Uint8Array[] = [];
  /** Bytes of the first input chunk that are already gone. */
  #consumed = 0;
  #waiting = 0;
  #drainWanted = false;
  /** Promises of listeners that have not settled. */
  #holding = 0;
  readonly #dataListeners = new Set<DataListener>();
  readonly #drainListeners = new Set<() => void>();
  readonly #openListeners = new Set<(open: boolean) => void>();

  constructor(
    private readonly owner: PortOwner,
    readonly id: number,
    readonly name: string,
    readonly isConsole: boolean,
  ) {}

  get isOpen(): boolean {
    return this.#isOpen;
  }

  setOpen(open: boolean): void {
    if (this.#isOpen === open) return;
    this.#isOpen = open;
    for (const listener of [...this.#openListeners]) this.#call(() => listener(open));
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Input bytes that the guest has not got yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether a listener still holds the guest's output back. */
  get isHeld(): boolean {
    return this.#holding > 0;
  }

  write(data: Uint8Array): boolean {
    if (this.#ended) throw new VmError('State', `The port ${this.name} was ended: nothing more can be written to it.`);
    if (this.#waiting > INPUT_MAX) {
      throw new VmError(
        'State',
        `${this.#waiting} bytes wait for the guest on the port ${this.name}. Wait for its drain event before writing more.`,
      );
    }
    if (data.length > 0) {
      this.#input.push(data);
      this.#waiting += data.length;
      this.owner.inputReady(this);
    }
    if (this.#waiting < INPUT_HIGH_WATER) return true;
    this.#drainWanted = true;
    return false;
  }

  discard(): void {
    this.#input.length = 0;
    this.#consumed = 0;
    this.#waiting = 0;
    this.#drainWanted = false;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.owner.inputReady(this);
  }

  resize(columns: number, rows: number): void {
    for (const cells of [columns, rows]) {
      if (!Number.isInteger(cells) || cells < 1 || cells > 65535)
        throw VmError.config(`A terminal has 1 to 65535 columns and rows, not ${columns} × ${rows}.`);
    }
    if (this.isConsole) this.owner.resize(this, columns, rows);
  }

  onData(listener: DataListener): () => void {
    return subscribe(this.#dataListeners, listener);
  }

  onDrain(listener: () => void): () => void {
    return subscribe(this.#drainListeners, listener);
  }

  onOpenChange(listener: (open: boolean) => void): () => void {
    return subscribe(this.#openListeners, listener);
  }

  /** Move waiting input through `put`, which takes as much as it has room for and returns how much that was. */
  drainTo(room: number, put: (bytes: Uint8Array, at: number) => void): number {
    let done = 0;
    while (done < room && this.#input.length > 0) {
      const chunk = this.#input[0];
      const piece = chunk.subarray(this.#consumed, this.#consumed + room - done);
      put(piece, done);
      done += piece.length;
      this.#consumed += piece.length;
      if (this.#consumed === chunk.length) {
        this.#input.shift();
        this.#consumed = 0;
      }
    }
    this.#waiting -= done;
    return done;
  }

  /** Call after input went to the guest. */
  signalDrain(): void {
    if (!this.#drainWanted || this.#waiting > INPUT_HIGH_WATER / 2) return;
    this.#drainWanted = false;
    for (const listener of [...this.#drainListeners]) this.#call(listener);
  }

  /** Hand output of the guest to the listeners. */
  deliver(data: Uint8Array): void {
    for (const listener of [...this.#dataListeners]) {
      const held = this.#call(() => listener(data));
      if (held instanceof Promise) {
        this.#holding++;
        held
          .catch((cause: unknown) => this.owner.warn(listenerError(this.name, cause)))
          .finally(() => {
            if (--this.#holding === 0) this.owner.outputReady(this);
          });
      }
    }
  }

  save(): PortState {
    const input = Buffer.concat(this.#input).subarray(this.#consumed);
    return { open: this.#isOpen, ready: this.isReady, ended: this.#ended, endSent: this.endSent, input: saveBytes(input) };
  }

  load(state: PortState): void {
    this.isReady = state.ready;
    this.#ended = state.ended;
    this.endSent = state.endSent;
    const input = loadBytes(state.input);
    this.#input.splice(0, this.#input.length, ...(input.length > 0 ? [input] : []));
    this.#consumed = 0;
    this.#waiting = input.length;
    this.setOpen(state.open);
  }

  /** A listener's failure is the host's, not the guest's. */
  #call<T>(listener: () => T): T | undefined {
    try {
      return listener();
    } catch (cause) {
      this.owner.warn(listenerError(this.name, cause));
      return undefined;
    }
  }
}

function subscribe<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function listenerError(name: string, cause: unknown): VmError {
  return new VmError('Internal', `A listener of the port ${name} failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
  });
}
