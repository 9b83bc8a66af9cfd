import type { BrowserWindow } from 'electron';
import type { Machines } from './machines';

/** What is used of a window. */
export type ScreenWindow = Pick<BrowserWindow, 'on' | 'show' | 'focus' | 'isMinimized' | 'restore' | 'close' | 'destroy'>;

interface ScreenWindowsPlatform {
  machines: Pick<Machines, 'on'>;
  /** Open a window that shows this screen of a box and nothing else. */
  open: (vm: string, screen: number) => ScreenWindow;
  /** Which screens of a box have windows of their own is another now. */
  onChange: (vm: string) => void;
}

/** Screens of boxes that the user has taken out of the app's window, each in a window of its own. Closing that puts it back. */
export class ScreenWindows {
  readonly #windows = new Map<string, Map<number, ScreenWindow>>();

  constructor(private readonly platform: ScreenWindowsPlatform) {
    platform.machines.on('changed', ({ id, screens }) => {
      // A box that was started anew may have fewer.
      for (const [screen, window] of this.#of(id)) if (screen >= screens) window.close();
    });
    platform.machines.on('removed', (id) => {
      for (const window of this.#of(id).values()) window.close();
    });
  }

  /** The screens of a box that have one, in their order. */
  of(vm: string): number[] {
    return [...this.#of(vm).keys()].sort((a, b) => a - b);
  }

  /** Give a screen a window of its own, or bring that to the front where it has one. */
  open(vm: string, screen: number): void {
    const known = this.#of(vm).get(screen);
    if (known) {
      if (known.isMinimized()) known.restore();
      known.show();
      known.focus();
      return;
    }
    const window = this.platform.open(vm, screen);
    this.#windows.set(vm, new Map([...this.#of(vm), [screen, window]]));
    window.on('closed', () => {
      this.#of(vm).delete(screen);
      this.platform.onChange(vm);
    });
    this.platform.onChange(vm);
  }

  close(vm: string, screen: number): void {
    this.#of(vm).get(screen)?.close();
  }

  /** The app's window has gone, and with it all. */
  closeAll(): void {
    for (const windows of this.#windows.values()) for (const window of windows.values()) window.destroy();
  }

  #of(vm: string): Map<number, ScreenWindow> {
    return this.#windows.get(vm) ?? new Map<number, ScreenWindow>();
  }
}
