import { EventEmitter } from 'node:events';
import { expect, it, vi } from 'vitest';
import { type ScreenWindow, ScreenWindows } from './screen-windows';

class FakeWindow extends EventEmitter {
  isMinimized = vi.fn(() => false);
  restore = vi.fn();
  show = vi.fn();
  focus = vi.fn();
  close = vi.fn(() => this.emit('closed'));
  destroy = vi.fn(() => this.emit('closed'));
}

function setUp() {
  const machines = new EventEmitter();
  const opened: { vm: string; screen: number; window: FakeWindow }[] = [];
  const onChange = vi.fn();
  const windows = new ScreenWindows({
    machines: machines as unknown as ConstructorParameters<typeof ScreenWindows>[0]['machines'],
    open: (vm, screen) => {
      const window = new FakeWindow();
      opened.push({ vm, screen, window });
      return window as unknown as ScreenWindow;
    },
    onChange,
  });
  const tell = (id: string, screens: number) => machines.emit('changed', { id, screens });
  return { machines, windows, opened, onChange, tell };
}

it('opens a window for each screen once, and tells when there are others', () => {
  const { windows, opened, onChange } = setUp();
  windows.open('desk', 1);
  windows.open('desk', 0);
  windows.open('other', 0);
  expect(opened.map(({ vm, screen }) => [vm, screen])).toEqual([
    ['desk', 1],
    ['desk', 0],
    ['other', 0],
  ]);
  expect([windows.of('desk'), windows.of('other'), windows.of('none')]).toEqual([[0, 1], [0], []]);
  expect(onChange).toHaveBeenCalledTimes(3);

  const [{ window }] = opened;
  window.isMinimized.mockReturnValue(true);
  windows.open('desk', 1);
  expect(opened).toHaveLength(3);
  for (const done of [window.restore, window.show, window.focus]) expect(done).toHaveBeenCalledOnce();

  windows.close('desk', 1);
  windows.close('desk', 3);
  expect(windows.of('desk')).toEqual([0]);
  expect(onChange).toHaveBeenLastCalledWith('desk');
  windows.open('desk', 1);
  expect(opened).toHaveLength(4);
});

it('closes those of screens that a box no longer has, of a box that is gone, and all with the app’s window', () => {
  const { machines, windows, tell, opened } = setUp();
  for (const screen of [0, 1, 2]) windows.open('desk', screen);
  tell('desk', 3);
  expect(windows.of('desk')).toEqual([0, 1, 2]);
  tell('desk', 2);
  expect(windows.of('desk')).toEqual([0, 1]);
  windows.open('other', 0);
  machines.emit('removed', 'desk');
  expect([windows.of('desk'), windows.of('other')]).toEqual([[], [0]]);
  windows.closeAll();
  expect(windows.of('other')).toEqual([]);
  expect(opened.at(-1)?.window.destroy).toHaveBeenCalledOnce();
});
