import { BLOCK_OPERATIONS, type BlockOperation, bits, extension } from './instruction';

/**
 * Cache blocks (CMO extensions: Zicbom, Zicboz). What devices and other harts see of memory is always what this hart sees: to write back
 * or to invalidate a block changes nothing, but may be forbidden, or fault. Zicbop's prefetches are `ori` with rd = x0.
 */
const zicbom = extension('zicbom');
const zicboz = extension('zicboz');

const encoding = (operation: BlockOperation): number => (bits(0x0f, 2) | (operation << 20)) >>> 0;

for (const name of ['inval', 'clean', 'flush'] as const) {
  const operation = BLOCK_OPERATIONS[name];
  zicbom.def(`cbo.${name}`, 'block', encoding(operation), (c) => c.cacheBlock(operation, c.rs1()));
}
zicboz.def('cbo.zero', 'block', encoding(BLOCK_OPERATIONS.zero), (c) => c.cacheBlock(BLOCK_OPERATIONS.zero, c.rs1()));

export const blocks = [...zicbom.list, ...zicboz.list];
