import { basename } from 'node:path';
import { VmError } from '../../errors/vm-error';
import { isElf, readElf, type ElfProgram } from '../../images/elf';
import { foreignImage, textInPlaceOfCode } from '../../images/foreign-image';
import { imageError, type ImageFile } from '../../images/image-file';
import { type HexProgram, isIntelHex, readIntelHex } from '../../images/intel-hex';
import { isLinuxImage, readLinuxImage } from './linux-image';

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
  /** What is to be known of a kernel that does not say itself where it goes: what its wrapper says, and what the user says, which counts. */
  kernelPlace?: { address?: number | undefined; entry?: number | undefined; given?: number | undefined };
  initrd?: ImageFile;
  /** What else goes into memory. */
  load?: LoadedFile[];
  /** What firmware goes on with in place of a kernel: U-Boot, linked to the place of one, or an address in flash. */
  next?: ImageFile | number;
}

/** A file that is put into memory: at an address, or where it says itself. */
export interface LoadedFile {
  file: ImageFile;
  address?: number | undefined;
  /** As it is, whatever it looks like. */
  raw?: boolean | undefined;
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
        `The ${what} does not fit in the box's memory: it needs ${hex(address)} to ${hex(end)}, and the memory reaches from ${hex(this.ram.base)} to ${hex(this.ram.base + this.ram.size)}. Give the box more memory, or use an image made for this board.`,
        {
          code: 'boot-no-room',
          params: { what, start: hex(address), end: hex(end), from: hex(this.ram.base), to: hex(this.ram.base + this.ram.size) },
        },
      );
    }
    const other = this.taken.find((one) => address < one.address + one.memoryBytes && one.address < end);
    if (other) {
      throw new VmError(
        'Image',
        `The ${what} (${hex(address)} to ${hex(end)}) and the ${other.what} (${hex(other.address)} to ${hex(other.address + other.memoryBytes)}) want the same memory. Put one of them elsewhere, give the box more memory, or leave one out.`,
        { code: 'boot-overlap', params: { what, other: other.what } },
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
    const entry = placeKernel(map, files, ram, files.firmware ? firmwareEnd : undefined, plan);
    if (files.firmware) plan.next = entry;
    else plan.entry = entry;
  }
  for (const one of files.load ?? []) placeLoaded(map, one);
  // What is loaded is the kernel, in its place.
  if (!files.kernel && files.load && files.load.length > 0 && files.next === undefined) {
    const start = files.kernelPlace?.given ?? ram.base + (files.firmware ? KERNEL_ALIGNMENT : 0);
    if (files.firmware) plan.next = start;
    else plan.entry = start;
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

/** True for a program that lies where firmware would be: one that is itself what the machine starts with. */
export function isBareMetal(kernel: ImageFile, ram: Ram): boolean {
  const inFirmware = (address: number, bytes: number): boolean => address < ram.base + KERNEL_ALIGNMENT && address + bytes > ram.base;
  if (isElf(kernel.bytes)) return readElf(kernel).segments.some((one) => inFirmware(one.address, one.memoryBytes));
  return isIntelHex(kernel.bytes) && readIntelHex(kernel).pieces.some((one) => inFirmware(one.address, one.bytes.length));
}

function placeFirmware(map: RamMap, firmware: ImageFile, ram: Ram): number {
  if (!isElf(firmware.bytes)) {
    const wrong = textInPlaceOfCode(firmware);
    if (wrong) throw wrong;
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
  if (!inside(entry, 2))
    throw imageError(kernel, `starts at ${hex(entry)}, where it has no code.`, { code: 'image-no-code', params: { address: hex(entry) } });
  const tohost = symbols.get('tohost');
  const fromhost = symbols.get('fromhost');
  if (tohost !== undefined && tohost % 8 === 0 && inside(tohost, 8)) {
    plan.tohost = tohost;
    if (fromhost !== undefined && fromhost % 8 === 0 && inside(fromhost, 8)) plan.fromhost = fromhost;
  }
  return entry;
}

/** Put the kernel into memory; where it begins. `firmwareEnd` is undefined for one that runs without firmware. */
function placeKernel(
  map: RamMap,
  { kernel, kernelPlace = {} }: BootFiles,
  ram: Ram,
  firmwareEnd: number | undefined,
  plan: BootPlan,
): number {
  const file = kernel as ImageFile;
  const { given } = kernelPlace;
  if (isElf(file.bytes) || isIntelHex(file.bytes)) {
    if (given !== undefined) throw ownAddress(file, given);
    return isElf(file.bytes) ? placeElfKernel(map, file, plan) : placeHex(map, file.what, readIntelHex(file));
  }
  const lowest = firmwareEnd === undefined ? 0 : Math.max(KERNEL_ALIGNMENT, alignUp(firmwareEnd - ram.base, KERNEL_ALIGNMENT));
  if (isLinuxImage(file.bytes)) {
    // It may lie anywhere on its boundary, so what a wrapper says for another board does not matter.
    const image = readLinuxImage(file);
    const address = given ?? ram.base + Math.max(image.textOffset, lowest);
    map.place({ what: file.what, address, bytes: file.bytes, memoryBytes: image.memoryBytes });
    return address;
  }
  const foreign = given === undefined && kernelPlace.address === undefined ? foreignImage(file) : undefined;
  if (foreign) throw foreign;
  const address = given ?? kernelPlace.address ?? ram.base + lowest;
  map.place({ what: file.what, address, bytes: file.bytes, memoryBytes: file.bytes.length });
  const start = kernelPlace.entry === undefined ? address : address + kernelPlace.entry - (kernelPlace.address ?? address);
  if (start < address || start >= address + file.bytes.length)
    throw imageError(file, `starts at ${hex(start)}, where it has no code.`, { code: 'image-no-code', params: { address: hex(start) } });
  return start;
}

/** Where it begins: where it says, or else with its first byte. */
function placeHex(map: RamMap, what: string, { entry, pieces }: HexProgram): number {
  for (const { address, bytes } of pieces) map.place({ what, address, bytes, memoryBytes: bytes.length });
  return entry ?? pieces[0].address;
}

function placeLoaded(map: RamMap, { file, address, raw = false }: LoadedFile): void {
  const what = `${file.what} ${basename(file.path)}`;
  const isElfFile = !raw && isElf(file.bytes);
  if (isElfFile || (!raw && isIntelHex(file.bytes))) {
    const program = isElfFile ? readElf(file) : undefined;
    if (address !== undefined && !program?.relocatable) throw ownAddress(file, address);
    if (program) map.placeElf(program, what, address);
    else placeHex(map, what, readIntelHex(file));
    return;
  }
  if (address === undefined)
    throw imageError(file, 'does not say where it goes. Write the address behind it: FILE@0x84000000.', { code: 'image-no-address' });
  map.place({ what, address, bytes: file.bytes, memoryBytes: file.bytes.length });
}

function ownAddress(file: ImageFile, address: number): VmError {
  return imageError(
    file,
    `says itself where it goes, so it cannot be put at ${hex(address)}. Leave the address out; or, to have the bytes of the file there as they are, use --load FILE@ADDRESS,raw.`,
    { code: 'image-own-address', params: { address: hex(address) } },
  );
}

function alignDown(value: number, alignment: number): number {
  return Math.floor(value / alignment) * alignment;
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
