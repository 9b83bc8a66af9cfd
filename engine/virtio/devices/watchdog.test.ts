import { describe, expect, it } from 'vitest';
import { MockDriver } from '../../../test/support/mock-driver';
import { VIRTIO_WATCHDOG_F_TIMEOUT, VirtioWatchdog } from './watchdog';

/** A watchdog whose time passes when it is told to. */
function kennel(): { dog: VirtioWatchdog; pass: (milliseconds: number) => void; bites: () => number } {
  let now = 0;
  let bites = 0;
  let timer: { at: number; work: () => void } | undefined;
  const later = (work: () => void, milliseconds: number): (() => void) => {
    const mine = { at: now + milliseconds, work };
    timer = mine;
    return () => {
      if (timer === mine) timer = undefined;
    };
  };
  const dog = new VirtioWatchdog({ bite: () => bites++, clock: () => now, later });
  const pass = (milliseconds: number): void => {
    const end = now + milliseconds;
    while (timer && timer.at <= end) {
      now = timer.at;
      const { work } = timer;
      timer = undefined;
      work();
    }
    now = end;
  };
  return { dog, pass, bites: () => bites };
}

function ping(driver: MockDriver): void {
  driver.queues[0].add({ writable: [1] });
  driver.queues[0].kick(true);
}

describe('the virtio watchdog', () => {
  it('waits 20 s for drivers that know the queue alone', () => {
    const { dog, pass, bites } = kennel();
    const driver = MockDriver.for(dog).start({ features: [] });
    pass(100_000);
    expect(bites()).toBe(0);
    ping(driver);
    // They cannot change anything.
    driver.transport.writeConfig(0, 4, 1000);
    pass(19_999);
    ping(driver);
    pass(19_999);
    expect(bites()).toBe(0);
    pass(1);
    expect(bites()).toBe(1);
    pass(100_000);
    expect(bites()).toBe(1);
  });

  it('waits as long as it is told, or not at all', () => {
    const { dog, pass, bites } = kennel();
    const driver = MockDriver.for(dog).start({ features: [VIRTIO_WATCHDOG_F_TIMEOUT] });
    expect(driver.transport.readConfig(0, 4)).toBe(20_000);
    driver.transport.writeConfig(0, 4, 3000);
    pass(100_000);
    expect(bites()).toBe(0);
    ping(driver);
    pass(2999);
    driver.transport.writeConfig(0, 4, 5000);
    pass(4999);
    expect(bites()).toBe(0);
    driver.transport.writeConfig(0, 4, 0);
    expect(driver.transport.readConfig(0, 4)).toBe(5000);
    pass(100_000);
    ping(driver);
    dog.setPaused(true);
    pass(100_000);
    dog.setPaused(false);
    pass(4999);
    expect(bites()).toBe(0);
    pass(1);
    expect(bites()).toBe(1);
    driver.transport.writeConfig(0, 4, 1);
    expect(driver.transport.readConfig(0, 4)).toBe(1000);
    driver.transport.writeConfig(0, 4, 0xffff_ffff);
    expect(driver.transport.readConfig(0, 4)).toBe(86_400_000);
  });
});
