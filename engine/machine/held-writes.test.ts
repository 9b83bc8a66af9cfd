import { expect, it } from 'vitest';
import { DeviceError, type VmError } from '../errors/vm-error';
import { HeldWrites } from './held-writes';

const full = DeviceError.IoError("The host's disk is full: disk.img could not be written. Free some space.");

it('holds writes until they may be tried again, and tells once', async () => {
  const told: VmError[] = [];
  const writes = new HeldWrites((error) => told.push(error));
  const first = writes.hold(full);
  const second = writes.hold(full);
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({ kind: 'Resource', message: expect.stringMatching(/disk\.img.*paused/) });
  expect(writes.reason).toBe(told[0]);
  writes.retry();
  expect(await Promise.all([first, second])).toEqual([true, true]);
  expect(writes.reason).toBeUndefined();
  void writes.hold(full);
  expect(told).toHaveLength(2);
});

it('lets writes fail once the machine ends', async () => {
  const writes = new HeldWrites(() => undefined);
  const held = writes.hold(full);
  writes.giveUp();
  expect(await held).toBe(false);
  expect(await writes.hold(full)).toBe(false);
});

it('refuses during a reset what waits and what comes, and holds again after it', async () => {
  const held = new HeldWrites(() => undefined);
  const before = held.hold(full);
  await held.refuseDuring(async () => {
    expect(await before).toBe(false);
    expect(await held.hold(full)).toBe(false);
    expect(held.reason).toBeUndefined();
  });
  const after = held.hold(full);
  expect(held.reason).toBeDefined();
  held.retry();
  expect(await after).toBe(true);
});
