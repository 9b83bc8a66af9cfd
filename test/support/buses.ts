type Bus = 'mmio' | 'pci';

/**
 * Where a device's own tests are run: at one place, at both with HARTBOX_LONG=1. What differs there is the transport's, which virtio.test.ts
 * tries with Linux's drivers at each.
 */
export function buses(usual: Bus): Bus[] {
  return process.env['HARTBOX_LONG'] === undefined ? [usual] : ['mmio', 'pci'];
}
