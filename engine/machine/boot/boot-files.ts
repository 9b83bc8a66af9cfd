import { VmError } from '../../errors/vm-error';
import type { DefaultGuest } from '../../images/default-guest';
import { textInPlaceOfCode } from '../../images/foreign-image';
import type { FirmwareFiles, StockFirmware } from '../../images/stock-firmware';
import { FLASH_BASE } from '../../board/board-map';
import { firmwareFor } from '../../settings/boot';
import type { MachineConfig } from '../../settings/settings';
import { FLASH_BANK_BYTES } from '../../board/flash/flash-bank';
import { sharesArchive } from '../shares';
import { type BootPlan, isBareMetal, type LoadedFile, planBoot } from './boot-plan';
import { type FileNode, readDeviceTree } from '../../images/device-tree-file';
import { type ImageFile, readImageFile, unpack } from '../../images/image-file';
import { isUImage, readUImage, UIMAGE } from '../../images/uimage';
import { type KernelFile, unwrapInitrd, unwrapKernel } from '../../images/wrapped-kernel';

/** Bytes of a device tree that a user gives: half of the room that it has, so that firmware can extend it. */
const DEVICE_TREE_MAX = 1 << 20;

export interface Boot extends BootPlan {
  /** The kernel's command line. */
  append: string;
  /** The built-in guest is what boots. */
  isDefaultGuest: boolean;
  /** For firmware that loads them by itself, through fw_cfg. */
  kernel?: Uint8Array;
  initrdFile?: Uint8Array;
  /** The tree that takes the place of the machine's own. */
  deviceTreeFile?: FileNode;
  /** What is in the first flash bank, and what a new second one begins with. */
  flashCode?: Uint8Array;
  flashTemplate?: Uint8Array;
}

export interface BootOptions {
  ram: { base: number; size: number };
  /** A cpio archive that goes behind the initrd. */
  extraInitrd?: Uint8Array;
  /** These are called only for what is needed. */
  defaultGuest: () => Promise<DefaultGuest>;
  openSbi: () => Promise<string>;
  stockFirmware: <F extends StockFirmware>(which: F) => Promise<FirmwareFiles<F>>;
}

/** Read what a configuration says shall boot. Throws VmError 'Image' for files that cannot be loaded. */
export async function loadBoot(config: MachineConfig, options: BootOptions): Promise<Boot> {
  const { ram } = options;
  const which = firmwareFor(config);
  const startsInFlash = config.flashCode !== undefined && (config.source === 'disk' || config.source === 'kernel');
  if (which === 'uboot' || which === 'edk2' || startsInFlash) return loadFirmware(which, config, options);
  const flash = await readFlash(config);
  const read = async (what: string, path: string): Promise<ImageFile> => unpack(await readImageFile(what, path, ram.size), ram.size);
  const isDefaultGuest = config.source === 'linux';
  const guest = isDefaultGuest ? await options.defaultGuest() : undefined;
  if (guest && ram.size < guest.minimumMemory) {
    const [has, needs] = [ram.size, guest.minimumMemory].map((bytes) => `${bytes / (1 << 20)} MiB`);
    throw VmError.config(`The default guest needs at least ${needs} of memory, and the box has ${has}. Give it more.`, {
      code: 'linux-needs-memory',
      params: { neededBytes: guest.minimumMemory, hasBytes: ram.size },
    });
  }

  const file = config.kernel ?? guest?.kernel;
  const wrapped = file === undefined ? undefined : await readKernel(file, ram.size);
  const initrdPath = config.initrd ?? guest?.initrd;
  // The kernel unpacks its initrd itself.
  const initrd = initrdPath === undefined ? wrapped?.initrd : await readInitrd(initrdPath, ram.size);
  const append = [guest?.append, config.append].filter(Boolean).join(' ');

  let firmware: ImageFile | undefined;
  if (which === 'opensbi') {
    // A program made for the place of the firmware is its own firmware.
    if (!wrapped || !isBareMetal(wrapped.kernel, ram)) firmware = await read('firmware', guest?.firmware ?? (await options.openSbi()));
  } else if (which !== 'none') {
    firmware = await read('firmware', which);
  }
  const files = {
    firmware,
    kernel: wrapped?.kernel,
    kernelPlace: { address: wrapped?.address, entry: wrapped?.entry, given: numberOf(config.kernelAddress) },
    initrd: joinInitrds(initrd, options.extraInitrd, isDefaultGuest ? sharesArchive(config) : undefined),
    load: await readLoaded(config, ram.size),
  };
  const plan = planBoot(files, ram);
  // What lies in flash is what starts, unless something else is given.
  if (flash.flashCode && !files.kernel && files.load.length === 0) plan.entry = FLASH_BASE;
  return { ...plan, append, isDefaultGuest, ...flash, ...(await readTree(config, wrapped)) };
}

function numberOf(address: string | undefined): number | undefined {
  return address === undefined ? undefined : Number(address);
}

/** A kernel, out of what it is packed and wrapped in. */
async function readKernel(path: string, limit: number): Promise<KernelFile> {
  return unwrapKernel(await unpack(await readImageFile('kernel', path, limit), limit), limit);
}

async function readInitrd(path: string, limit: number): Promise<ImageFile> {
  return unwrapInitrd(await readImageFile('initrd', path, limit), limit);
}

async function readLoaded({ load }: MachineConfig, limit: number): Promise<LoadedFile[]> {
  const files: LoadedFile[] = [];
  for (const { file: path, address, raw } of load) {
    const file = await readImageFile('file', path, limit);
    if (!raw && isUImage(file.bytes)) {
      const { kernel, address: own } = await readUImage(file, UIMAGE.kernels, limit);
      files.push({ file: kernel, address: numberOf(address) ?? own, raw: true });
    } else files.push({ file, address: numberOf(address), raw });
  }
  return files;
}

/** The device tree that takes the place of the machine's own: the user's, or that of the kernel's file. */
async function readTree({ dtb }: MachineConfig, kernel: KernelFile | undefined): Promise<{ deviceTreeFile?: FileNode }> {
  const file = dtb === undefined ? kernel?.deviceTree : await readImageFile('device tree', dtb, DEVICE_TREE_MAX);
  return file ? { deviceTreeFile: readDeviceTree(file) } : {};
}

/** Firmware that looks for what to start by itself. A kernel that is given is offered to it through fw_cfg. */
async function loadFirmware(which: string, config: MachineConfig, options: BootOptions): Promise<Boot> {
  const { ram } = options;
  const wrapped = config.kernel === undefined ? undefined : await readKernel(config.kernel, ram.size);
  const kernel = wrapped?.kernel;
  const initrd = config.initrd === undefined ? wrapped?.initrd : await readInitrd(config.initrd, ram.size);
  const load = await readLoaded(config, ram.size);
  const offered = {
    append: config.append,
    isDefaultGuest: false,
    ...(kernel && { kernel: kernel.bytes }),
    ...(kernel && { initrdFile: joinInitrds(initrd, options.extraInitrd)?.bytes }),
    ...(await readTree(config, wrapped)),
  };
  const flash = await readFlash(config);
  if (which === 'uboot') {
    const files = await options.stockFirmware('uboot');
    const firmware = await readImageFile('firmware', files.opensbi, ram.size);
    const next = await readImageFile('firmware', files.uboot, ram.size);
    return { ...planBoot({ firmware, next, load }, ram), ...offered, ...flash };
  }
  if (which !== 'edk2') {
    // Firmware of the user's own, in flash.
    const file = which === 'opensbi' ? await options.openSbi() : which;
    const firmware = which === 'none' ? undefined : await unpack(await readImageFile('firmware', file, ram.size), ram.size);
    const plan = planBoot({ ...(firmware && { firmware }), next: FLASH_BASE, load }, ram);
    return { ...plan, ...(!firmware && { entry: FLASH_BASE, next: 0 }), ...offered, ...flash };
  }
  const files = await options.stockFirmware('edk2');
  const firmware = await readImageFile('firmware', files.opensbi, ram.size);
  const [code, template] = [files.code, files.variables].map((path) => readImageFile('firmware', path, FLASH_BANK_BYTES));
  const stock = { flashCode: (await code).bytes, flashTemplate: (await template).bytes };
  return { ...planBoot({ firmware, next: FLASH_BASE, load }, ram), ...offered, ...stock, ...flash };
}

/** What the user puts into the first flash bank. */
async function readFlash({ flashCode }: MachineConfig): Promise<{ flashCode?: Uint8Array }> {
  if (flashCode === undefined) return {};
  const file = await readImageFile('firmware', flashCode, FLASH_BANK_BYTES);
  const wrong = textInPlaceOfCode(file);
  if (wrong) throw wrong;
  return { flashCode: file.bytes };
}

/** The kernel takes several archives in a row, each on a 4-byte boundary. */
function joinInitrds(initrd: ImageFile | undefined, ...more: (Uint8Array | undefined)[]): ImageFile | undefined {
  const archives = [initrd?.bytes, ...more].filter((one) => one !== undefined);
  if (archives.length === 0 || (initrd && archives.length === 1)) return initrd;
  const starts: number[] = [];
  let end = 0;
  for (const { length } of archives) {
    const start = Math.ceil(end / 4) * 4;
    starts.push(start);
    end = start + length;
  }
  const bytes = new Uint8Array(end);
  for (const [at, archive] of archives.entries()) bytes.set(archive, starts[at]);
  return { ...(initrd ?? { what: 'initrd', path: '(built in)' }), bytes };
}
