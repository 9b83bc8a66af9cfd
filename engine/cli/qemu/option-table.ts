import { IGNORED, REFUSED } from './other-options';
import { SERVED } from './served-options';
import type { QemuOption } from './qemu-option';

/** All options of QEMU 7.2, and those that newer ones have beside them. */
export const QEMU_OPTIONS: readonly QemuOption[] = [...SERVED, ...IGNORED, ...REFUSED];

/** The option of that name, without dashes. */
export function optionNamed(name: string): QemuOption | undefined {
  return QEMU_OPTIONS.find(({ names }) => names.includes(`-${name}`));
}
