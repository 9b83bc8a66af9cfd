import type { Menu, MenuItemConstructorOptions, NativeImage, Tray } from 'electron';
import type { Locale, VmView } from './contract';
import type { Machines } from './machines';
import { messages } from './messages';

export interface TrayOptions {
  machines: Machines;
  /** Electron's, which is there once the app is ready. */
  createTray: () => Tray;
  buildMenu: (template: MenuItemConstructorOptions[]) => Menu;
  locale: () => Locale;
  /** Show the window; at a box, if one is named. */
  open: (vm?: string) => void;
  quit: () => void;
}

/** Boxes that are named in the menu. */
const MOST_BOXES = 20;

/** The app in the system's tray or menu bar, with the boxes that run. */
export class TrayIcon {
  private tray: Tray | undefined;
  private shown = '';

  constructor(private readonly options: TrayOptions) {
    options.machines.on('changed', () => this.update());
    options.machines.on('removed', () => this.update());
  }

  /** Whether it is there. Where the system has no tray it is not seen all the same. */
  get isOn(): boolean {
    return this.tray !== undefined;
  }

  set isOn(on: boolean) {
    if (on === this.isOn) return;
    if (!on) {
      this.tray?.destroy();
      this.tray = undefined;
      return;
    }
    this.tray = this.options.createTray();
    this.tray.on('click', () => this.options.open());
    this.shown = '';
    this.update();
  }

  private update(): void {
    const { tray, options } = this;
    if (!tray) return;
    const running = options.machines.active();
    const say = messages[options.locale()].tray;
    const items = menuOf(running, say);
    // Progress and the like change nothing of it.
    const now = JSON.stringify(items);
    if (now === this.shown) return;
    this.shown = now;
    tray.setToolTip(say.running(running.length));
    tray.setContextMenu(
      options.buildMenu(
        items.map((item) => {
          if (item.vm !== undefined) return { label: item.label, click: () => options.open(item.vm) };
          if (item.does === 'open') return { label: item.label, click: () => options.open() };
          if (item.does === 'quit') return { label: item.label, click: () => options.quit() };
          return item.label === '' ? { type: 'separator' } : { label: item.label, enabled: false };
        }),
      ),
    );
  }
}

interface Item {
  label: string;
  vm?: string;
  does?: 'open' | 'quit';
}

function menuOf(running: VmView[], say: (typeof messages)[Locale]['tray']): Item[] {
  const boxes = running.slice(0, MOST_BOXES).map(({ id, name }): Item => ({ label: name, vm: id }));
  return [
    ...(boxes.length > 0 ? boxes : [{ label: say.running(0) }]),
    { label: '' },
    { label: say.open, does: 'open' },
    { label: say.quit, does: 'quit' },
  ];
}

/** A box, seen from a corner, in one colour: `size` pixels wide and high. No file is needed, and no decoder. */
export function trayPicture(
  size: number,
  create: (bitmap: Buffer, options: { width: number; height: number }) => NativeImage,
): NativeImage {
  const bitmap = Buffer.alloc(size * size * 4);
  const unit = size / 16;
  const isLine = (x: number, y: number): boolean => {
    const [column, row] = [x / unit, y / unit];
    const isFrame = column >= 2 && column < 14 && row >= 3 && row < 14 && (column < 3.5 || column >= 12.5 || row < 4.5 || row >= 12.5);
    return isFrame || (row >= 6.5 && row < 8 && column >= 2 && column < 14) || (column >= 7.2 && column < 8.8 && row >= 4 && row < 9.5);
  };
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) if (isLine(x, y)) bitmap.set([0x7a, 0xa8, 0x2f, 0xff], 4 * (y * size + x));
  return create(bitmap, { width: size, height: size });
}
