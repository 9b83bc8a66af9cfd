import type { ConsolePort } from '../../../index';

/** Where input goes: false asks to wait for `onDrain`. */
export interface Input extends Pick<ConsolePort, 'write' | 'onDrain'> {
  /** Somebody is at the other end now, or turned to this end of a shared line. */
  opened?(): void;
  /** A serial line is broken; other ends have none. */
  sendBreak?(): void;
}
/** Takes output; a promise asks to wait. */
export type Output = (data: Uint8Array) => Promise<void> | undefined;

export interface MuxActions {
  quit(): void;
  /** Asked to write what -snapshot keeps apart into the disks; what came of it. */
  commit(): string;
}

const HELP = (key: string): string => `
${key} h    print this help
${key} x    exit emulator
${key} s    save disk data back to file (if -snapshot)
${key} t    toggle console timestamps
${key} b    send break (magic sysrq)
${key} c    switch between console and monitor
${key} ${key}  sends ${key}
`;

/**
 * One line for several ends, the UART and the monitor say: output of all goes out, input goes to one of them. An escape key begins a command,
 * as in QEMU and whether or not a person types it.
 */
export class Mux implements Input {
  private readonly ends: Input[] = [];
  private readonly drainListeners = new Set<() => void>();
  private focus = 0;
  private isEscaped = false;
  private hasStamps = false;
  private isLineStart = true;
  private readonly since = performance.now();

  constructor(
    private readonly output: Output,
    private readonly escapeKey: number,
    private readonly actions: MuxActions,
  ) {}

  /** Adds an end, which gets what takes its output. The first has the input. */
  add(make: (output: Output) => Input): void {
    const end = make((data) => this.output(this.hasStamps ? this.stamped(data) : this.noting(data)));
    this.ends.push(end);
    end.onDrain(() => {
      if (this.ends[this.focus] === end) for (const listener of [...this.drainListeners]) listener();
    });
  }

  write(data: Uint8Array): boolean {
    let hasRoom = true;
    let forward: number[] = [];
    const send = (): void => {
      if (forward.length > 0) hasRoom = this.ends[this.focus].write(Uint8Array.from(forward));
      forward = [];
    };
    if (!this.isEscaped && !data.includes(this.escapeKey)) return this.ends[this.focus].write(data);
    for (const byte of data) {
      if (this.isEscaped) {
        this.isEscaped = false;
        if (byte === this.escapeKey) forward.push(byte);
        else {
          send();
          this.obey(String.fromCharCode(byte));
        }
      } else if (byte === this.escapeKey) this.isEscaped = true;
      else forward.push(byte);
    }
    send();
    return hasRoom;
  }

  onDrain(listener: () => void): () => void {
    this.drainListeners.add(listener);
    return () => this.drainListeners.delete(listener);
  }

  private obey(key: string): void {
    const { actions } = this;
    if (key === 'h' || key === '?')
      this.say(HELP(this.escapeKey >= 1 && this.escapeKey <= 26 ? `C-${String.fromCharCode(96 + this.escapeKey)}` : 'ESC'));
    else if (key === 'x') {
      this.say('QEMU: Terminated\n');
      actions.quit();
    } else if (key === 's') this.say(actions.commit());
    else if (key === 'c') {
      this.focus = (this.focus + 1) % this.ends.length;
      this.ends[this.focus].opened?.();
      // Who has the input now may have room where the other had none.
      for (const listener of [...this.drainListeners]) listener();
    } else if (key === 'b') this.ends[this.focus].sendBreak?.();
    else if (key === 't') this.hasStamps = !this.hasStamps;
  }

  private say(text: string): void {
    void this.output(new TextEncoder().encode(text.replaceAll('\n', '\r\n')));
  }

  private noting(data: Uint8Array): Uint8Array {
    if (data.length > 0) this.isLineStart = data[data.length - 1] === 0x0a;
    return data;
  }

  /** Each line with the time since the start before it. */
  private stamped(data: Uint8Array): Uint8Array {
    const out: number[] = [];
    for (const byte of data) {
      if (this.isLineStart) out.push(...new TextEncoder().encode(this.time()));
      out.push(byte);
      this.isLineStart = byte === 0x0a;
    }
    return Uint8Array.from(out);
  }

  private time(): string {
    const ms = Math.floor(performance.now() - this.since);
    const two = (number: number): string => String(number).padStart(2, '0');
    const seconds = Math.floor(ms / 1000);
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    return `[${two(h)}:${two(m)}:${two(s)}.${String(ms % 1000).padStart(3, '0')}] `;
  }
}
