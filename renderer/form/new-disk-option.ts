import { z } from 'zod';
import { type Option, option, optionsOf } from '../../engine/settings/option';

const GiB = 2 ** 30;

/** What a disk that is made here is like. It is no setting of a box, but asked for, checked and explained as one. */
const newDiskSchema = z.object({
  newDisk: option(
    z
      .number()
      .int()
      .min(2 ** 20)
      .max(2 ** 43)
      .multipleOf(2 ** 20)
      .default(16 * GiB),
    {
      label: 'Size of the new disk',
      help: 'how much the guest can store; the file takes only as much room as the guest has written',
      page: 'drives',
      kind: 'size',
      effect: 'live',
      recommended: () => 16 * GiB,
    },
  ),
});

export const [newDiskOption]: Option[] = optionsOf(newDiskSchema);
