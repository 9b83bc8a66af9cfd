import type { VmView } from '../../main/contract';

/** A box as the window gets it: off, with nothing special. */
export function boxView(change: Partial<VmView> = {}): VmView {
  return {
    id: 'one',
    name: 'One',
    memory: 2 ** 29,
    harts: 1,
    source: 'linux',
    screens: 0,
    hasSound: false,
    sound: { volume: 100, muted: false },
    input: [],
    consoles: 0,
    icon: 'box',
    tags: [],
    autostart: false,
    terminal: { bell: 'none', guestTitle: false, guestClipboard: false },
    state: 'off',
    pending: [],
    network: { addresses: [], forwards: [] },
    unresponsive: false,
    stalled: false,
    ...change,
  };
}
