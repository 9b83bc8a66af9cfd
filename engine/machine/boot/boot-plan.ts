import { VmError } from '../../bus/vm-error';
import { isElf, readElf, type ElfProgram } from './elf';
import { imageError, type ImageFile } from './image-file';
import { readLinuxImage } from './linux-image';

const MiB = 2 ** 20;
/** Kernels start on a 2 MiB boundary, the first of which is left to the firmware (as QEMU does). */
const KERNEL_ALIGNMENT = 2 * MiB;
/** The device tree and the room that firmware needs to extend it. */
const DEVICE_TREE_ROOM = 2 * MiB;
/** Firmware and early kernels reach the device tree with 32-bit addresses. */
const DEVICE_TREE_LIMIT = 3072 * MiB;
const PAGE = 4096;

export interface BootFiles {
  firmware?: ImageFile;
  kernel?: ImageFile;
  initrd?: ImageFile;
  /** What firmware goes on with in place of a kernel: U-Boot, linked to the place of one, or an address in flash. */
  next?: ImageFile | number;
}

/** Memory that boot fills; what `bytes` does not cover is zero. */
export interface BootSegment {
  what: string;
  address: number;
  bytes: Uint8Array;
  memoryBytes: number;
}

export interface BootPlan {
  segments: BootSegment[];
  /** Where the harts start in M-mode. */
  entry: number;
  /** Where firmware goes on in S-mode; 0 without a kernel. */
  next: number;
  deviceTree: number;
  initrd?: { start: number; end: number };
  /** HTIF words of a bare-metal test program, if it has them. */
  tohost?: number;
  fromhost?: number;
}

interface Ram {
  base: number;
  size: number;
}

function hex(address: number): string {
  return `0x${address.toString(16)}`;
}

/** Hands out guest RAM, each byte once. */
class RamMap {
  readonly segments: BootSegment[] = [];
  private readonly taken: { what: string; address: number; memoryBytes: number }[] = [];

  constructor(private readonly ram: Ram) {}

  place(segment: BootSegment): void {
    this.reserve(segment.what, segment.address, segment.memoryBytes);
    this.segments.push(segment);
  }

  reserve(what: string, address: number, memoryBytes: number): void {
    const end = address + memoryBytes;
    if (address < this.ram.base || end > this.ram.base + this.ram.size) {
      throw new VmError(
        'Image',
        `The ${what} does not fit in the machine's memory: it needs ${hex(address)} to ${hex(end)}, and the memory reaches from ${hex(this.ram.base)} to ${hex(this.ram.base + this.ram.size)}. Give the machine more memory, or use an image made for this board.`,
      );
    }
    const other = this.taken.find((one) => address < one.address + one.memoryBytes && one.address < end);
    if (other) {
      throw new VmError(
        'Image',
        `The ${what} (${hex(address)} to ${hex(end)}) and the ${other.what} (${hex(other.address)} to ${hex(other.address + other.memoryBytes)}) want the same memory. Give the machine more memory, or leave one of them out.`,
      );
    }
    this.taken.push({ what, address, memoryBytes });
  }

  /** `moved` is added to the addresses in the file. */
  placeElf(program: ElfProgram, what: string, moved = 0): void {
    for (const segment of program.segments) {
      const address = segment.address + moved;
      // A program linked to the very start of RAM may have its ELF header in the page before; nobody needs it there.
      const skip = segment.hasHeader && address < this.ram.base ? Math.min(this.ram.base - address, segment.memoryBytes) : 0;
      if (skip < segment.memoryBytes) {
        this.place({ what, address: address + skip, bytes: segment.bytes.subarray(skip), memoryBytes: segment.memoryBytes - skip });
      }
    }
  }
}

/** Decide what goes where. All files are unpacked. Throws VmError 'Image' for what cannot be loaded. */
export function planBoot(files: BootFiles, ram: Ram): BootPlan {
  const map = new RamMap(ram);
  const deviceTree = alignDown(Math.min(ram.base + ram.size, Math.max(DEVICE_TREE_LIMIT, ram.base)) - DEVICE_TREE_ROOM, DEVICE_TREE_ROOM);
  const plan: BootPlan = { segments: map.segments, entry: ram.base, next: 0, deviceTree };

  let firmwareEnd = ram.base;
  if (files.firmware) {
    plan.entry = placeFirmware(map, files.firmware, ram);
    firmwareEnd = Math.max(...map.segments.map((one) => one.address + one.memoryBytes));
  }
  if (files.kernel) {
    const entry = isElf(files.kernel.bytes)
      ? placeElfKernel(map, files.kernel, plan)
      : placeLinuxKernel(map, files.kernel, ram, files.firmware ? firmwareEnd : undefined);
    if (files.firmware) plan.next = entry;
    else plan.entry = entry;
  }
  if (typeof files.next === 'number') plan.next = files.next;
  else if (files.next) {
    plan.next = ram.base + KERNEL_ALIGNMENT;
    map.place({ what: files.next.what, address: plan.next, bytes: files.next.bytes, memoryBytes: files.next.bytes.length });
  }
  map.reserve('device tree', deviceTree, DEVICE_TREE_ROOM);
  if (files.initrd) {
    const { bytes } = files.initrd;
    const start = alignDown(deviceTree - bytes.length, PAGE);
    map.place({ what: files.initrd.what, address: start, bytes, memoryBytes: bytes.length });
    plan.initrd = { start, end: start + bytes.length };
  }
  return plan;
}

/** True for an ELF program that lies where firmware would be: one that is itself what the machine starts with. */
export function isBareMetal(kernel: ImageFile, ram: Ram): boolean {
  if (!isElf(kernel.bytes)) return false;
  return readElf(kernel).segments.some((one) => one.address < ram.base + KERNEL_ALIGNMENT && one.address + one.memoryBytes > ram.base);
}

function placeFirmware(map: RamMap, firmware: ImageFile, ram: Ram): number {
  if (!isElf(firmware.bytes)) {
    map.place({ what: firmware.what, address: ram.base, bytes: firmware.bytes, memoryBytes: firmware.bytes.length });
    return ram.base;
  }
  const program = readElf(firmware);
  const lowest = Math.min(...program.segments.map((one) => one.address));
  // Position-independent firmware may be linked at 0: it goes to the start of RAM.
  const moved = program.relocatable && lowest < ram.base ? ram.base - lowest : 0;
  map.placeElf(program, firmware.what, moved);
  return program.entry + moved;
}

function placeElfKernel(map: RamMap, kernel: ImageFile, plan: BootPlan): number {
  const program = readElf(kernel, ['tohost', 'fromhost']);
  map.placeElf(program, kernel.what);
  const { entry, symbols } = program;
  const inside = (address: number, size: number): boolean =>
    program.segments.some((one) => address >= one.address && address + size <= one.address + one.memoryBytes);
  if (!inside(entry, 2)) throw imageError(kernel, `starts at ${hex(entry)}, where it has no code.`);
  const tohost = symbols.get('tohost');
  const fromhost = symbols.get('fromhost');
  if (tohost !== undefined && tohost % 8 === 0 && inside(tohost, 8)) {
    plan.tohost = tohost;
    if (fromhost !== undefined && fromhost % 8 === 0 && inside(fromhost, 8)) plan.fromhost = fromhost;
  }
  return entry;
}

/** `firmwareEnd` is undefined for a kernel that runs without firmware. */
function placeLinuxKernel(map: RamMap, kernel: ImageFile, ram: Ram, firmwareEnd: number | undefined): number {
  const image = readLinuxImage(kernel);
  const lowest = firmwareEnd === undefined ? 0 : Math.max(KERNEL_ALIGNMENT, alignUp(firmwareEnd - ram.base, KERNEL_ALIGNMENT));
  const address = ram.base + Math.max(image.textOffset, lowest);
  map.place({ what: kernel.what, address, bytes: kernel.bytes, memoryBytes: image.memoryBytes });
  return address;
}

function alignDown(value: number, alignment: number): number {
  return Math.floor(value / alignment) * alignment;
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
