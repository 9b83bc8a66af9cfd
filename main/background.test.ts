import { EventEmitter } from 'node:events';
import type { MenuItemConstructorOptions, Tray } from 'electron';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { boxView } from '../test/support/box-view';
import type { VmView } from './contract';
import type { Machines } from './machines';
import { notifyOfBoxes } from './notifier';
import { TrayIcon, trayPicture } from './tray-icon';

class FakeMachines extends EventEmitter {
  views: VmView[] = [];
  active = (): VmView[] => this.views;
  change(view: Partial<VmView>): void {
    this.emit('changed', boxView(view));
  }
}
let machines: FakeMachines;
beforeEach(() => {
  machines = new FakeMachines();
});

describe('the tray', () => {
  it('names the boxes that run, and goes when it is not wanted', () => {
    const menus: MenuItemConstructorOptions[][] = [];
    const tray = Object.assign(new EventEmitter(), { setToolTip: vi.fn(), setContextMenu: vi.fn(), destroy: vi.fn() });
    const [open, quit] = [vi.fn(), vi.fn()];
    const icon = new TrayIcon({
      machines: machines as unknown as Machines,
      createTray: () => tray as unknown as Tray,
      buildMenu: (template) => menus.push(template) as never,
      locale: () => 'en',
      open,
      quit,
    });
    machines.change({ state: 'running' });
    expect(menus).toEqual([]);
    icon.isOn = true;
    expect(menus.at(-1)?.map(({ label }) => label)).toEqual(['No box runs', undefined, 'Open Hartbox', 'Quit']);
    machines.views = [boxView({ state: 'running', name: 'Debian' })];
    machines.change({ state: 'running' });
    // What is not seen there does not make it flicker.
    machines.change({ state: 'running', lastUsed: 7 });
    expect(menus.length).toBe(2);
    expect(tray.setToolTip).toHaveBeenLastCalledWith('1 box runs');
    const click = (label: string): void =>
      menus.at(-1).find((item) => item.label === label)!.click!(
        ...([] as unknown as Parameters<NonNullable<MenuItemConstructorOptions['click']>>),
      );
    click('Debian');
    click('Quit');
    tray.emit('click');
    expect([open.mock.calls, quit.mock.calls]).toEqual([[['one'], []], [[]]]);
    icon.isOn = false;
    expect(tray.destroy).toHaveBeenCalled();
    expect(icon.isOn).toBe(false);
  });

  it('is a picture in one colour, of any size', () => {
    for (const size of [16, 32, 44]) {
      const bitmap = trayPicture(size, (bytes) => bytes as never) as unknown as Buffer;
      expect(bitmap.length).toBe(size * size * 4);
      const inked = bitmap.filter((byte, i) => i % 4 === 3 && byte === 255).length / (size * size);
      expect(inked).toBeGreaterThan(0.2);
      expect(inked).toBeLessThan(0.6);
    }
  });
});

describe('notifications', () => {
  function notes(isSeen = false, isOn = true): string[] {
    const told: string[] = [];
    notifyOfBoxes({
      machines: machines as unknown as Machines,
      isSeen: () => isSeen,
      isOn: () => isOn,
      show: ({ title, body }, vm) => told.push(`${vm}: ${title} ${body}`.trim()),
      locale: () => 'en',
    });
    return told;
  }
  const states = (...all: VmView['state'][]): void => {
    for (const state of all) machines.change({ state });
  };

  it('tell of a box that ends by itself, fails, or is ready after its download', () => {
    const told = notes();
    states('off', 'preparing', 'starting', 'running', 'off', 'starting');
    machines.change({ state: 'failed', error: { kind: 'Internal', message: 'It broke.', details: '' } });
    expect(told).toEqual(['one: One is ready and starts', 'one: One has ended', 'one: One stopped with an error It broke.']);
  });

  it('do not tell of what the user asked for, nor who looks, nor who wants none', () => {
    const asked = notes();
    states('running', 'stopping', 'off');
    const seen = notes(true);
    const off = notes(false, false);
    states('running', 'stopping', 'off');
    expect([asked, seen, off]).toEqual([[], [], []]);
    states('running', 'off');
    expect([asked.length, seen.length, off.length]).toEqual([1, 0, 0]);
  });
});
