import { z } from 'zod';
import { option } from './option';

/** What a device of a box is known by while it runs, and where it sits. `help`: of these two, which say more of the device. */
export function placeOptions(page: 'drives' | 'network', help: { id: string; slot: string }) {
  return {
    id: option(z.string().min(1).max(64).optional(), {
      label: 'Id',
      help: help.id,
      page,
      kind: 'text',
      effect: 'restart',
      advanced: true,
      cli: { value: 'NAME' },
    }),
    bus: option(z.enum(['mmio', 'pci']).optional(), {
      label: 'Bus',
      help: 'where it sits; where the other virtio devices of the box sit unless given',
      page,
      kind: 'choice',
      effect: 'restart',
      choices: { mmio: 'MMIO', pci: 'PCI' },
      advanced: true,
    }),
    slot: option(z.number().int().min(0).max(31).optional(), {
      label: 'Place on the bus',
      help: help.slot,
      page,
      kind: 'count',
      effect: 'restart',
      advanced: true,
      cli: { value: 'N' },
    }),
  };
}
