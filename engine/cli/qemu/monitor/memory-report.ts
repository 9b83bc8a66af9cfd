import type { Debugger, ManagedDevice, MmioDevice, VirtualMachine } from '../../../index';

/** What one report of a page table shows at most. */
const MAPPINGS_MAX = 4096;

const hex = (value: number | bigint, digits = 16): string => value.toString(16).padStart(digits, '0');

/** What `info mtree` shows: memory and devices by their addresses, in the layout of QEMU. */
export function memoryTree({ devices, debugger: harts }: VirtualMachine): string {
  const registers = devices
    .all()
    .filter(hasAddress)
    .map(({ base, size, name }) => ({ base, size, what: `i/o): ${name}` }));
  const memory = harts.ranges
    .filter(({ base }) => !registers.some((one) => one.base === base))
    .map(({ base, size, readonly }) => ({ base, size, what: readonly ? 'rom): ROM' : 'ram): RAM' }));
  const lines = [...registers, ...memory]
    .sort((a, b) => a.base - b.base)
    .map(({ base, size, what }) => `    ${hex(base)}-${hex(base + size - 1)} (prio 0, ${what}\n`);
  return `address-space: memory\n  ${hex(0)}-${hex(0xffff_ffff_ffff_ffffn)} (prio 0, i/o): system\n${lines.join('')}`;
}

/** What `info mem` shows: ranges that lie together, with their rights. */
export function pageTable(harts: Debugger, hart: number): string {
  const { mappings, complete } = harts.mappings(hart, MAPPINGS_MAX);
  if (mappings.length === 0) return 'No translation or protection\n';
  const rows = mappings.map(
    ({ virtual, physical, bytes, flags }) => `${hex(virtual)} ${hex(physical)} ${hex(bytes)} ${attributes(flags)}\n`,
  );
  return [
    'vaddr            paddr            size             attr\n',
    '---------------- ---------------- ---------------- -------\n',
    ...rows,
    complete ? '' : `(more than ${MAPPINGS_MAX}; the others are left out)\n`,
  ].join('');
}

function hasAddress(device: ManagedDevice): device is MmioDevice & ManagedDevice {
  return 'base' in device;
}

/** `rwxu-ad`, from an entry's low eight bits. */
function attributes(flags: number): string {
  return [...'rwxugad'].map((letter, bit) => (flags & (2 << bit) ? letter : '-')).join('');
}
