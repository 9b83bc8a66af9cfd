import type { LogicalUnit, UnitKind } from './logical-unit';
import { CheckCondition, SENSE } from './sense';
import type { ScsiTask } from './task';

/** Where a form of the command differs from the other: bytes of the header, and the allocation or parameter list length. */
interface Form {
  header: 4 | 8;
  length: number;
}

interface ModePage {
  code: number;
  kind?: UnitKind;
  /** As it is now, with its two bytes of header. */
  current: (unit: LogicalUnit) => number[];
  /** The bits that MODE SELECT may change. */
  changeable?: number[];
  change?: (unit: LogicalUnit, page: Uint8Array) => void;
}

const WRITE_CACHE = 0x04;
const BLOCK_DESCRIPTOR_BYTES = 8;
const WRITE_PROTECTED = 0x80;
/** Forced unit access is known. */
const DPO_FUA = 0x10;

const filled = (code: number, length: number, bytes: Record<number, number> = {}): number[] =>
  Array.from({ length: length + 2 }, (_, i) => (i === 0 ? code : i === 1 ? length : (bytes[i] ?? 0)));

/** SPC-5 §7.5, SBC-4 §6.4, MMC-6 appendix E. */
const modePages: readonly ModePage[] = [
  // Read-write error recovery. AWRE and ARRE: what the host's disk does by itself.
  { code: 0x01, current: () => filled(0x01, 10, { 2: 0xc0 }) },
  {
    // Caching.
    code: 0x08,
    kind: 'disk',
    current: ({ writeCache }) => filled(0x08, 18, { 2: writeCache ? WRITE_CACHE : 0 }),
    changeable: filled(0x08, 18, { 2: WRITE_CACHE }),
    change: (unit, page) => {
      unit.writeCache = (page[2] & WRITE_CACHE) !== 0;
    },
  },
  // Control. Unrestricted reordering.
  { code: 0x0a, current: () => filled(0x0a, 10, { 3: 0x10 }) },
  {
    // CD and DVD capabilities: reads CD-R, CD-RW, DVD; tray, lock and eject.
    code: 0x2a,
    kind: 'cdrom',
    current: ({ locked }) =>
      filled(0x2a, 20, { 2: 0x3b, 4: 0x71, 6: 0x29 | (locked ? 0x02 : 0), 7: 0x00, 8: 0x15, 9: 0x7c, 14: 0x15, 15: 0x7c }),
  },
];

const ALL_PAGES = 0x3f;
const ALL_SUBPAGES = 0xff;

export function modeSense(unit: LogicalUnit, task: ScsiTask, { header, length }: Form): void {
  const wanted = task.u8(2) & 0x3f;
  const control = task.u8(2) >>> 6;
  const subpage = task.u8(3);
  if (control === 3) throw new CheckCondition(SENSE.savingNotSupported);
  const chosen = modePages.filter(({ code, kind }) => (kind ?? unit.kind) === unit.kind && (wanted === ALL_PAGES || wanted === code));
  // Page 0 is vendor-specific; Linux asks for it where it wants nothing but the header.
  if ((chosen.length === 0 && wanted !== 0) || (subpage !== 0 && subpage !== ALL_SUBPAGES)) {
    throw new CheckCondition(SENSE.invalidFieldInCommand);
  }
  const pages = chosen.flatMap(({ code, current, changeable }) => {
    if (control !== 1) return current(unit);
    return changeable ?? filled(code, current(unit).length - 2);
  });
  const isDisk = unit.kind === 'disk';
  const descriptor = isDisk && (task.u8(1) & 0x08) === 0 ? blockDescriptor(unit) : [];
  const flags = isDisk ? (unit.readonly ? WRITE_PROTECTED : 0) | DPO_FUA : 0;
  const total = header + descriptor.length + pages.length;
  const head =
    header === 4 ? [total - 1, 0, flags, descriptor.length] : [(total - 2) >>> 8, (total - 2) & 0xff, 0, flags, 0, 0, 0, descriptor.length];
  task.reply(Uint8Array.from([...head, ...descriptor, ...pages]), length);
}

/** All of the list is checked before anything is changed. */
export function modeSelect(unit: LogicalUnit, task: ScsiTask, { header, length }: Form): void {
  if (length === 0) return;
  // PF: the pages are as the standard says.
  if ((task.u8(1) & 0x10) === 0) throw new CheckCondition(SENSE.invalidFieldInCommand);
  const list = new Uint8Array(task.parameters(length).buffer);
  if (list.length < header) throw new CheckCondition(SENSE.parameterListLength);
  const descriptorLength = list[header - 1];
  if (descriptorLength !== 0 && descriptorLength !== BLOCK_DESCRIPTOR_BYTES) throw new CheckCondition(SENSE.invalidFieldInParameters);
  const changes: (() => void)[] = [];
  let at = header + descriptorLength;
  if (at > list.length) throw new CheckCondition(SENSE.parameterListLength);
  if (descriptorLength > 0 && ((list[at - 3] << 16) | (list[at - 2] << 8) | list[at - 1]) !== unit.blockSize) {
    throw new CheckCondition(SENSE.invalidFieldInParameters);
  }
  while (at < list.length) {
    const page = modePages.find(({ code, kind }) => code === list[at] && (kind ?? unit.kind) === unit.kind);
    if (!page) throw new CheckCondition(SENSE.invalidFieldInParameters);
    const current = page.current(unit);
    if (list[at + 1] !== current[1]) throw new CheckCondition(SENSE.invalidFieldInParameters);
    if (at + current.length > list.length) throw new CheckCondition(SENSE.parameterListLength);
    const given = list.subarray(at, at + current.length);
    if (current.some((byte, i) => ((byte ^ given[i]) & ~(page.changeable?.[i] ?? 0) & 0xff) !== 0)) {
      throw new CheckCondition(SENSE.invalidFieldInParameters);
    }
    changes.push(() => page.change?.(unit, given));
    at += current.length;
  }
  for (const change of changes) change();
}

/** Number and size of the blocks (SBC-4 §6.4.2.2). */
function blockDescriptor({ blocks, blockSize }: LogicalUnit): number[] {
  const count = Math.min(blocks, 0xffff_ffff);
  return [
    count >>> 24,
    (count >>> 16) & 0xff,
    (count >>> 8) & 0xff,
    count & 0xff,
    0,
    blockSize >>> 16,
    (blockSize >>> 8) & 0xff,
    blockSize & 0xff,
  ];
}
