import { describe, expect, it } from 'vitest';
import { Watchdog } from './watchdog';

const RELOAD = 0x14af;
const KEY = 0x16aa0000;

function kennel(): { dog: Watchdog; pass: (milliseconds: number) => void; bites: () => number } {
  let now = 0;
  let bites = 0;
  let timer: { at: number; work: () => void } | undefined;
  const dog = new Watchdog({
    base: 0x102000,
    bite: () => bites++,
    clock: () => now,
    later: (work, milliseconds) => {
      const mine = { at: now + milliseconds, work };
      timer = mine;
      return () => {
        if (timer === mine) timer = undefined;
      };
    },
  });
  const pass = (milliseconds: number): void => {
    const end = now + milliseconds;
    if (timer && timer.at <= end) {
      now = timer.at;
      const { work } = timer;
      timer = undefined;
      work();
    }
    now = end;
  };
  return { dog, pass, bites: () => bites };
}

describe('the watchdog', () => {
  it('bites once where nobody calms it in time', () => {
    const { dog, pass, bites } = kennel();
    dog.write(0x14, 4, KEY | 1);
    dog.write(0x18, 4, KEY | 0x21);
    expect([dog.read(0x14), dog.read(0x18), dog.read(0x10), dog.read(0)]).toEqual([1, 0x21, 0, 0]);
    pass(1999);
    dog.write(0x10, 4, RELOAD);
    pass(1999);
    expect(bites()).toBe(0);
    pass(1);
    expect(bites()).toBe(1);
    pass(60_000);
    expect(bites()).toBe(1);
  });

  it('needs its keys, and lets itself be switched off', () => {
    const { dog, pass, bites } = kennel();
    dog.write(0x18, 4, 0x11);
    expect(dog.read(0x18)).toBe(0);
    dog.write(0x14, 4, KEY | 1);
    dog.write(0x18, 4, KEY | 0x11);
    pass(900);
    dog.write(0x10, 4, 1);
    dog.write(0x18, 4, KEY);
    pass(5000);
    expect(bites()).toBe(0);
    dog.write(0x18, 4, KEY | 0xf1);
    pass(15_999);
    dog.reset();
    pass(60_000);
    expect([bites(), dog.read(0x14)]).toEqual([0, 0]);
  });

  it('does nothing at the end where that is to be an interrupt alone', () => {
    const { dog, pass, bites } = kennel();
    dog.write(0x14, 4, KEY | 2);
    dog.write(0x18, 4, KEY | 0x11);
    pass(5000);
    expect(bites()).toBe(0);
  });

  it('waits while the machine is paused, and has all of its time in another', () => {
    const { dog, pass, bites } = kennel();
    dog.write(0x14, 4, KEY | 1);
    dog.write(0x18, 4, KEY | 0x11);
    pass(600);
    dog.setPaused(true);
    pass(60_000);
    dog.setPaused(false);
    pass(399);
    expect(bites()).toBe(0);
    pass(1);
    expect(bites()).toBe(1);
    const other = kennel();
    other.dog.state.restore(JSON.parse(JSON.stringify(dog.state.snapshot())));
    other.pass(1000);
    expect(other.bites()).toBe(1);
  });
});
