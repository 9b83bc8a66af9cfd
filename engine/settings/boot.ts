import { z } from 'zod';
import { option } from './option';

const file = () => z.string().min(1).optional();
/** A guest-physical address; below 2^52, which is more than any memory reaches. */
const address = () => z.string().regex(/^0x[0-9a-f]{1,13}$/);

/** A file that is put into memory beside the kernel. */
export const loadSchema = z.strictObject({
  file: z.string().min(1),
  /** Where, for a file that does not say so itself. */
  address: address().optional(),
  /** As it is, also where it is a program that says by itself what goes where. */
  raw: z.boolean().optional(),
});

/** What the box starts with. */
export const bootSchema = z.strictObject({
  source: option(z.enum(['linux', 'disk', 'kernel', 'elf']).default('linux'), {
    label: 'Start from',
    help: 'linux: the built-in Linux; disk: what firmware finds on the drives; kernel: a kernel file that firmware starts; elf: a program that runs in machine mode, without firmware',
    page: 'start',
    kind: 'choice',
    effect: 'restart',
    choices: { linux: 'built-in Linux', disk: 'disk or disc', kernel: 'kernel', elf: 'program in machine mode' },
  }),
  kernel: option(file(), {
    label: 'Kernel',
    help: 'Linux Image (raw, gzip, zstd), ELF file, flat binary, Intel hex file, uImage or FIT',
    page: 'start',
    kind: 'file',
    effect: 'restart',
  }),
  kernelAddress: option(address().optional(), {
    label: 'Address of the kernel',
    help: 'where a flat kernel lies and begins, unless that is 0x80200000 behind firmware, and 0x80000000 without',
    page: 'start',
    kind: 'address',
    effect: 'restart',
    advanced: true,
  }),
  initrd: option(file(), {
    label: 'Initial file system',
    help: 'initial file system of the kernel',
    page: 'start',
    kind: 'file',
    effect: 'restart',
  }),
  append: option(z.string().max(4096).default(''), {
    label: 'Kernel command line',
    help: 'added to the command line of the kernel; Linux for RISC-V uses the first 1024 bytes',
    page: 'start',
    kind: 'text',
    effect: 'restart',
  }),
  firmware: option(
    z
      .string()
      .min(1)
      // What `opensbi` was called in older configurations.
      .transform((which) => (which === 'default' ? 'opensbi' : which))
      .default('auto'),
    {
      label: 'Firmware',
      help: 'auto: what the source needs (OpenSBI for kernels, U-Boot for disks); none: the kernel runs in machine mode; or a file that runs in machine mode',
      page: 'start',
      kind: 'choice',
      effect: 'restart',
      choices: { auto: 'as needed', opensbi: 'OpenSBI', uboot: 'U-Boot', edk2: 'EDK2 (UEFI)', none: 'none' },
      orFile: true,
    },
  ),
  load: option(z.array(loadSchema).max(64).default([]), {
    label: 'Files in memory',
    help: 'put into memory before the start: an ELF, Intel hex or uImage file where it says itself, any other at ADDRESS. With ,raw behind it a file is taken as it is',
    page: 'start',
    kind: 'load',
    effect: 'restart',
    advanced: true,
  }),
  dtb: option(file(), {
    label: 'Device tree',
    help: "a device tree blob that the guest gets in place of the machine's own; command line and initial file system are put into it",
    page: 'start',
    kind: 'file',
    effect: 'restart',
    advanced: true,
  }),
  flashCode: option(file(), {
    label: 'Firmware in flash',
    help: 'the contents of the first flash bank, such as an EDK2 of yours: OpenSBI goes on there, with firmware none the harts start there, and edk2 takes it in place of the usual one',
    page: 'start',
    kind: 'file',
    effect: 'restart',
    advanced: true,
  }),
  flashVars: option(file(), {
    label: 'Firmware variables',
    help: 'the file in which the variables of the firmware (the second flash bank) outlast the box; made if it is missing. With edk2 each box has its own unless given',
    page: 'start',
    kind: 'file',
    effect: 'restart',
    advanced: true,
  }),
});
type BootInput = z.input<typeof bootSchema>;
export type BootSource = z.output<typeof bootSchema>['source'];

/** Where one only names a kernel or files to load, or firmware that looks at drives, it is plain what to start from. */
export function impliedSource({ source, kernel, firmware, load, flashCode }: BootInput): BootSource | undefined {
  if (source !== undefined) return source;
  const isLoaded = load !== undefined && load.length > 0 && firmware !== 'uboot' && firmware !== 'edk2';
  if (kernel !== undefined || isLoaded) return firmware === 'none' ? 'elf' : 'kernel';
  if (firmware === 'uboot' || firmware === 'edk2') return 'disk';
  if (flashCode !== undefined) return firmware === 'none' ? 'elf' : 'disk';
  return undefined;
}

/** The firmware that `auto` stands for. */
export function firmwareFor({
  source,
  firmware,
  flashCode,
}: {
  source: BootSource;
  firmware: string;
  flashCode?: string | undefined;
}): string {
  if (firmware !== 'auto') return firmware;
  if (source === 'disk') return flashCode === undefined ? 'uboot' : 'opensbi';
  return source === 'elf' ? 'none' : 'opensbi';
}

/** The values with `file` for the variables of firmware that has some, unless they name another. */
export function keepingVariables<V extends BootInput>(values: V, file: string | undefined): V {
  return values.firmware === 'edk2' && values.flashVars === undefined && file !== undefined ? { ...values, flashVars: file } : values;
}
