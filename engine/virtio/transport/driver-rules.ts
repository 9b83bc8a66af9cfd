import { VmError } from '../../errors/vm-error';

/**
 * Rules of virtio 1.3 for drivers that drivers in the field break, and QEMU lets them: such a driver is served all the same, with a warning,
 * unless the machine is strict.
 */
export const DRIVER_RULES = {
  'version-1': { section: '6.1', rule: 'a driver must accept VIRTIO_F_VERSION_1 where it is offered; this one did not' },
  'not-offered': { section: '2.2.1', rule: 'a driver must not accept features that were not offered; this one did, and does not get them' },
  'late-features': { section: '3.1.1', rule: 'features must not change after FEATURES_OK; this driver wrote others, which have no effect' },
  'no-features-ok': { section: '3.1.1', rule: 'a driver must set FEATURES_OK before DRIVER_OK; this one did not' },
  'early-queue': { section: '3.1.1', rule: 'queues are to be set up after FEATURES_OK; this driver did so before' },
  'late-queue': { section: '3.1.1', rule: 'queues are to be set up before DRIVER_OK; this driver did so afterwards' },
  'queue-size': { section: '4.2.2', rule: 'a queue must not be larger than the device says; this driver made it larger' },
  'early-notification': { section: '3.1.1', rule: 'a driver must not notify the device before DRIVER_OK; this one did' },
  'status-cleared': { section: '2.1.1', rule: 'a driver must not clear bits of the device status one by one; this one did' },
} as const;

export type DriverRule = keyof typeof DRIVER_RULES;

/** What the user is told, once for each rule and device. */
export function ruleBroken(place: string, device: string, broken: DriverRule, strict: boolean): VmError {
  const { section, rule } = DRIVER_RULES[broken];
  const consequence = strict ? 'It is refused (virtioStrict).' : 'It is served as QEMU does; other hosts may not.';
  return new VmError(
    'Guest',
    `The guest's driver of ${device} at ${place} breaks a rule of virtio 1.3, §${section}: ${rule}. ${consequence}`,
    {
      code: strict ? 'virtio-rule-refused' : 'virtio-rule-broken',
      params: { place, device, section, rule },
    },
  );
}
