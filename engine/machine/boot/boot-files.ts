import { VmError } from '../../bus/vm-error';
import type { DefaultGuest } from '../../images/default-guest';
import type { MachineConfig } from '../config';
import { type BootPlan, isBareMetal, planBoot } from './boot-plan';
import { type ImageFile, readImageFile, unpack } from './image-file';

export interface Boot extends BootPlan {
  /** The kernel's command line. */
  append: string;
  /** No kernel was configured, so the default guest is what boots. */
  isDefaultGuest: boolean;
}

export interface BootOptions {
  ram: { base: number; size: number };
  /** A cpio archive that goes behind the initrd. */
  extraInitrd?: Uint8Array;
  /** Called only if something of the default guest is needed. */
  defaultGuest: () => Promise<DefaultGuest>;
}

/** Read what a configuration says shall boot. Throws VmError 'Image' for files that cannot be loaded. */
export async function loadBoot(config: MachineConfig, options: BootOptions): Promise<Boot> {
  const { ram } = options;
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
  if (config.firmware === 'default') {
    // A program made for the place of the firmware is its own firmware.
    if (!isBareMetal(kernel, ram)) firmware = await read('firmware', (guest ?? (await options.defaultGuest())).firmware);
  } else if (config.firmware !== 'none') {
    firmware = await read('firmware', config.firmware);
  }
  const plan = planBoot({ firmware, kernel, initrd: joinInitrds(initrd, options.extraInitrd) }, ram);
  return { ...plan, append, isDefaultGuest };
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
