import { VmError } from '../../bus/vm-error';
import type { DefaultGuest } from '../../images/default-guest';
import type { FirmwareFiles, StockFirmware } from '../../images/stock-firmware';
import { FLASH_BASE } from '../board-map';
import type { MachineConfig } from '../config';
import { FLASH_BANK_BYTES } from '../flash/flash-bank';
import { type BootPlan, isBareMetal, planBoot } from './boot-plan';
import { type ImageFile, readImageFile, unpack } from './image-file';

export interface Boot extends BootPlan {
  /** The kernel's command line. */
  append: string;
  /** No kernel was configured, so the default guest is what boots. */
  isDefaultGuest: boolean;
  /** For firmware that loads them by itself, through fw_cfg. */
  kernel?: Uint8Array;
  initrdFile?: Uint8Array;
  /** What is in the first flash bank, and what a new second one begins with. */
  flashCode?: Uint8Array;
  flashTemplate?: Uint8Array;
}

export interface BootOptions {
  ram: { base: number; size: number };
  /** A cpio archive that goes behind the initrd. */
  extraInitrd?: Uint8Array;
  /** Called only if something of the default guest is needed. */
  defaultGuest: () => Promise<DefaultGuest>;
  stockFirmware: <F extends StockFirmware>(which: F) => Promise<FirmwareFiles<F>>;
}

/** Read what a configuration says shall boot. Throws VmError 'Image' for files that cannot be loaded. */
export async function loadBoot(config: MachineConfig, options: BootOptions): Promise<Boot> {
  const { ram } = options;
  if (config.firmware === 'uboot' || config.firmware === 'edk2') return loadFirmware(config.firmware, config, options);
  const read = async (what: string, path: string): Promise<ImageFile> => unpack(await readImageFile(what, path, ram.size), ram.size);
  const isDefaultGuest = config.kernel === undefined;
  const guest = isDefaultGuest ? await options.defaultGuest() : undefined;
  if (guest && ram.size < guest.minimumMemory) {
    const [has, needs] = [ram.size, guest.minimumMemory].map((bytes) => `${bytes / (1 << 20)} MiB`);
    throw VmError.config(`The default guest needs at least ${needs} of memory, and the machine has ${has}. Give it more.`);
  }

  const kernel = await read('kernel', config.kernel ?? guest?.kernel ?? '');
  const initrdPath = config.initrd ?? guest?.initrd;
  // The kernel unpacks its initrd itself.
  const initrd = initrdPath === undefined ? undefined : await readImageFile('initrd', initrdPath, ram.size);
  const append = [guest?.append, config.append].filter(Boolean).join(' ');

  let firmware: ImageFile | undefined;
  if (config.firmware === 'opensbi') {
    // A program made for the place of the firmware is its own firmware.
    if (!isBareMetal(kernel, ram)) firmware = await read('firmware', (guest ?? (await options.defaultGuest())).firmware);
  } else if (config.firmware !== 'none') {
    firmware = await read('firmware', config.firmware);
  }
  const plan = planBoot({ firmware, kernel, initrd: joinInitrds(initrd, options.extraInitrd) }, ram);
  return { ...plan, append, isDefaultGuest };
}

/** Firmware that looks for what to start by itself. A kernel that is given is offered to it through fw_cfg. */
async function loadFirmware(which: StockFirmware, config: MachineConfig, options: BootOptions): Promise<Boot> {
  const { ram } = options;
  if (config.initrd !== undefined && config.kernel === undefined) {
    throw VmError.config('An initrd needs a kernel to go with. Name the kernel, or leave the initrd out.');
  }
  const kernel = config.kernel === undefined ? undefined : await unpack(await readImageFile('kernel', config.kernel, ram.size), ram.size);
  const initrd = config.initrd === undefined ? undefined : await readImageFile('initrd', config.initrd, ram.size);
  const offered = {
    append: config.append,
    isDefaultGuest: false,
    ...(kernel && { kernel: kernel.bytes }),
    ...(kernel && { initrdFile: joinInitrds(initrd, options.extraInitrd)?.bytes }),
  };
  if (which === 'uboot') {
    const files = await options.stockFirmware('uboot');
    const firmware = await readImageFile('firmware', files.opensbi, ram.size);
    const next = await readImageFile('firmware', files.uboot, ram.size);
    return { ...planBoot({ firmware, next }, ram), ...offered };
  }
  const files = await options.stockFirmware('edk2');
  const firmware = await readImageFile('firmware', files.opensbi, ram.size);
  const [code, template] = [files.code, files.variables].map((path) => readImageFile('firmware', path, FLASH_BANK_BYTES));
  const flash = { flashCode: (await code).bytes, flashTemplate: (await template).bytes };
  return { ...planBoot({ firmware, next: FLASH_BASE }, ram), ...offered, ...flash };
}

/** The kernel takes several archives in a row, each on a 4-byte boundary. */
function joinInitrds(initrd: ImageFile | undefined, extra: Uint8Array | undefined): ImageFile | undefined {
  if (!extra) return initrd;
  if (!initrd) return { what: 'initrd', path: '(built in)', bytes: extra };
  const extraAt = Math.ceil(initrd.bytes.length / 4) * 4;
  const bytes = new Uint8Array(extraAt + extra.length);
  bytes.set(initrd.bytes);
  bytes.set(extra, extraAt);
  return { ...initrd, bytes };
}
