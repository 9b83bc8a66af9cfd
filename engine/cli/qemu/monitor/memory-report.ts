import type { Debugger, VirtualMachine } from '../../../index';

/** What one report of a page table shows at most. */
const MAPPINGS_MAX = 4096;

const hex = (value: number | bigint, digits = 16): string => value.toString(16).padStart(digits, '0');

/** What `info mtree` shows: memory and devices by their addresses, in the layout of QEMU. */
export function memoryTree({ memoryMap }: VirtualMachine): string {
  const lines = memoryMap.map(
    ({ base, size, kind, name }) =>
      `    ${hex(base)}-${hex(base + size - 1)} (prio 0, ${kind === 'device' ? `i/o): ${name}` : `${kind}): ${kind.toUpperCase()}`}\n`,
  );
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

/** `rwxu-ad`, from an entry's low eight bits. */
function attributes(flags: number): string {
  return [...'rwxugad'].map((letter, bit) => (flags & (2 << bit) ? letter : '-')).join('');
}
