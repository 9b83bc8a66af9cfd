/** Ctrl-A. */
export const ESCAPE_BYTE = 1;

export type EscapeCommand = 'quit' | 'detach' | 'help' | 'statistics' | 'continue' | 'build';

/**
 * Picks the escape sequences out of what is typed at a raw terminal: Ctrl-A x quits, Ctrl-A d detaches, Ctrl-A h (or ?) helps, Ctrl-A s shows
 * statistics, Ctrl-A c goes on after the host's disk was full, Ctrl-A b builds, Ctrl-A Ctrl-A sends one Ctrl-A to the guest; Ctrl-A with another key does nothing. A sequence may be split over two calls.
 */
export class ConsoleEscape {
  private escaped = false;

  /** What goes on to the guest, and the commands met. After `quit` the rest of the input is dropped. */
  filter(input: Uint8Array): { forward: Uint8Array; commands: EscapeCommand[] } {
    if (!this.escaped && !input.includes(ESCAPE_BYTE)) return { forward: input, commands: [] };
    const forward: number[] = [];
    const commands: EscapeCommand[] = [];
    for (const byte of input) {
      if (!this.escaped) {
        if (byte === ESCAPE_BYTE) this.escaped = true;
        else forward.push(byte);
        continue;
      }
      this.escaped = false;
      const key = String.fromCharCode(byte).toLowerCase();
      if (byte === ESCAPE_BYTE) forward.push(byte);
      else if (key === 'h' || key === '?') commands.push('help');
      else if (key === 's') commands.push('statistics');
      else if (key === 'c') commands.push('continue');
      else if (key === 'b') commands.push('build');
      else if (key === 'd') commands.push('detach');
      else if (key === 'x') {
        commands.push('quit');
        break;
      }
    }
    return { forward: Uint8Array.from(forward), commands };
  }
}
