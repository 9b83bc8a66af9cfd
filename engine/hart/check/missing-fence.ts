import type { FunctionNames } from '../function-names';
import type { MissingFence } from '../hart';
import { FENCE_CELL_BYTES, FENCE_PAGES } from './fence-layout';

/** Memory that the check takes for so much RAM. */
export function fenceCheckBytes(ram: number): number {
  return FENCE_PAGES + (ram / 4096) * 4 + (ram / 8) * FENCE_CELL_BYTES;
}

/** In words. */
export function describeMissingFence({ hart, pc, storeHart, storePc }: MissingFence, names: FunctionNames): string {
  const place = (address: bigint): string => {
    const found = names.at(address);
    const offset = found && address - found.address;
    return `0x${address.toString(16)}${found ? ` <${found.name}${offset ? `+0x${offset.toString(16)}` : ''}>` : ''}`;
  };
  const store = storePc === undefined ? 'a store' : `the store at ${place(storePc)}`;
  return `A fence.i is missing: hart ${hart} executes the instruction at ${place(pc)}, which ${store} of hart ${storeHart} has written since hart ${hart} last executed one. Hardware may execute what was there before.`;
}
