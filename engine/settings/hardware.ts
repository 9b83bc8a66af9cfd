import { z } from 'zod';
import { driveSchema } from './drive';
import { networksSchema } from './network';
import { option } from './option';
import { sharesSchema } from './share';

const MiB = 2 ** 20;
const GiB = 2 ** 30;

/** An item that firmware and kernel find in fw_cfg under its name. */
export const fwCfgSchema = z.strictObject({
  name: z.string().regex(/^opt\/[\x21-\x7e]{1,51}$/),
  file: z.string().min(1).optional(),
  text: z.string().optional(),
});

/** Extensions of the harts that a box may do without. */
const EXTENSIONS = {
  zicbom: 'Zicbom: write back and invalidate cache blocks',
  zicbop: 'Zicbop: prefetch',
  zicboz: 'Zicboz: clear cache blocks',
  zicond: 'Zicond: conditional zero',
  zihintntl: 'Zihintntl: hint at what is not needed again',
  zihintpause: 'Zihintpause: pause',
  zawrs: 'Zawrs: wait for a reserved word',
  zba: 'Zba: addresses',
  zbb: 'Zbb: basic bit manipulation',
  zbc: 'Zbc: carry-less products',
  zbs: 'Zbs: single bits',
  sdtrig: 'Sdtrig: triggers for debuggers',
  sstc: 'Sstc: timer of the supervisor',
  svadu: 'Svadu: the hart sets A and D',
  svinval: 'Svinval: fine-grained invalidation',
  svnapot: 'Svnapot: pages of 64 KiB',
  svpbmt: 'Svpbmt: memory types of pages',
};
type Extension = keyof typeof EXTENSIONS;

/** Pixels of a screen. */
export const SCREEN_SIZES = {
  '640x480': '640 × 480',
  '800x600': '800 × 600',
  '1024x768': '1024 × 768',
  '1280x800': '1280 × 800',
  '1366x768': '1366 × 768',
  '1600x900': '1600 × 900',
  '1920x1080': '1920 × 1080',
  '2560x1440': '2560 × 1440',
  '3840x2160': '3840 × 2160',
};
type ScreenSize = keyof typeof SCREEN_SIZES;

/** Terminals beside the first one. */
export const EXTRA_TERMINALS_MAX = 3;

/** What the guest finds. */
export const hardwareSchema = z.strictObject({
  memory: option(
    z
      .number()
      .int()
      .min(16 * MiB)
      .max(3840 * MiB)
      .multipleOf(MiB)
      .default(512 * MiB),
    {
      label: 'Memory',
      help: 'RAM of the guest; host memory is used as far as the guest touches it',
      page: 'system',
      kind: 'size',
      effect: 'restart',
      // A quarter of the host's: a desktop beside it stays at ease.
      recommended: ({ memory }) => Math.max(512 * MiB, Math.min(2 * GiB, 2 ** Math.floor(Math.log2(memory / 4)))),
      cli: { short: 'm' },
    },
  ),
  harts: option(z.number().int().min(1).max(16).default(1), {
    label: 'Harts',
    help: 'RISC-V hardware threads; each runs on a processor of the host',
    page: 'system',
    kind: 'count',
    effect: 'restart',
    recommended: ({ processors }) => Math.max(1, Math.min(4, Math.floor(processors / 2))),
    cli: { value: 'N' },
  }),
  extensionsOff: option(z.array(z.enum(Object.keys(EXTENSIONS) as [Extension, ...Extension[]])).default([]), {
    label: 'Extensions left out',
    help: 'what the harts do without of the instruction set extensions that they have',
    page: 'system',
    kind: 'choices',
    effect: 'restart',
    choices: EXTENSIONS,
    advanced: true,
  }),
  drives: option(z.array(driveSchema).max(64).default([]), {
    label: 'Drives',
    help: 'disks and discs, in the order in which firmware looks at them',
    page: 'drives',
    kind: 'drives',
    effect: 'live',
    cli: { name: 'drive' },
  }),
  network: option(networksSchema.prefault([{ connection: 'nat' }]), {
    label: 'Network adapters',
    help: 'network adapters, and what each is connected to; none for no network. Programs in machine mode have none unless given; docs/network.md',
    page: 'network',
    kind: 'networks',
    effect: 'live',
  }),
  shares: option(sharesSchema.default([]), {
    label: 'Shared folders',
    help: 'folders of this computer that the guest reads and writes; the built-in Linux mounts them by itself',
    page: 'shares',
    kind: 'shares',
    effect: 'restart',
    cli: { name: 'share' },
  }),
  scsi: option(z.boolean().default(false), {
    label: 'SCSI adapter',
    help: 'a SCSI adapter even if no drive needs one: to it drives can be attached while the box runs',
    page: 'drives',
    kind: 'switch',
    effect: 'restart',
    advanced: true,
  }),
  guestTools: option(z.boolean().default(false), {
    label: 'Guest tools disc',
    help: 'a read-only disc with drivers and programs for Linux in the box, as sources: for the AI device and the virtio watchdog. Mount it, and run install.sh',
    page: 'drives',
    kind: 'switch',
    effect: 'restart',
  }),
  aia: option(z.enum(['none', 'aplic', 'aplic-imsic']).default('none'), {
    label: 'Interrupt controllers',
    help: 'as on the virt board of QEMU',
    page: 'system',
    kind: 'choice',
    effect: 'restart',
    choices: { none: 'PLIC', aplic: 'APLIC', 'aplic-imsic': 'APLIC and IMSIC' },
    advanced: true,
  }),
  bus: option(z.enum(['mmio', 'pci']).default('mmio'), {
    label: 'Bus of virtio devices',
    help: 'where virtio devices sit; a drive may say otherwise. MMIO has eight places, what is more sits on PCI',
    page: 'system',
    kind: 'choice',
    effect: 'restart',
    choices: { mmio: 'MMIO', pci: 'PCI' },
    advanced: true,
  }),
  virtio: option(z.array(z.enum(['packed', 'in-order', 'notification-data'])).default([]), {
    label: 'Extra virtio features',
    help: 'what virtio devices offer beyond the usual',
    page: 'system',
    kind: 'choices',
    effect: 'restart',
    choices: { packed: 'packed rings', 'in-order': 'use in order', 'notification-data': 'notifications that say how far the driver is' },
    advanced: true,
  }),
  virtioMmio: option(z.enum(['modern', 'legacy']).default('modern'), {
    label: 'Version of virtio-mmio',
    help: 'what the MMIO places speak: modern is version 2; legacy is version 1, of before virtio 1.0, as QEMU does unless told otherwise',
    page: 'system',
    kind: 'choice',
    effect: 'restart',
    choices: { modern: 'modern (version 2)', legacy: 'legacy (version 1)' },
    advanced: true,
  }),
  virtioStrict: option(z.boolean().default(false), {
    label: 'Strict with virtio drivers',
    help: 'refuse drivers that break rules of the virtio specification; off, they are served as QEMU serves them, with a warning',
    page: 'system',
    kind: 'switch',
    effect: 'restart',
    advanced: true,
  }),
  virtioConsole: option(z.enum(['auto', 'on', 'off']).default('auto'), {
    label: 'Virtio terminal',
    help: 'a terminal beside the serial port, which shows what both say; auto: for all but programs in machine mode',
    page: 'system',
    kind: 'choice',
    effect: 'restart',
    choices: { auto: 'as needed', on: 'on', off: 'off' },
    advanced: true,
  }),
  entropy: option(z.enum(['auto', 'on', 'off']).default('auto'), {
    label: 'Entropy device',
    help: 'random numbers of the host for the guest; auto: for all but programs in machine mode',
    page: 'system',
    kind: 'choice',
    effect: 'restart',
    choices: { auto: 'as needed', on: 'on', off: 'off' },
    advanced: true,
  }),
  entropyRate: option(z.number().int().min(0).max(GiB).default(0), {
    label: 'Random bytes a second',
    help: 'how many the guest gets of the entropy device, on average; 0: as many as it likes',
    page: 'system',
    kind: 'size',
    effect: 'restart',
    advanced: true,
  }),
  screens: option(z.number().int().min(0).max(4).default(0), {
    label: 'Screens',
    help: 'how many screens the box has, on a virtio graphics adapter without 3D; 0 for none. With one, the box has a keyboard and a tablet too, unless input devices are named; firmware, which has drivers for neither, shows on the first one all the same, and hears the keyboard as its serial port',
    page: 'system',
    kind: 'count',
    effect: 'restart',
    cli: { value: 'N' },
  }),
  screenSize: option(z.enum(Object.keys(SCREEN_SIZES) as [ScreenSize, ...ScreenSize[]]).default('1280x800'), {
    label: 'Size of screens',
    help: 'pixels of each screen as the guest finds it at start; a window asks for its own size',
    page: 'system',
    kind: 'choice',
    effect: 'restart',
    choices: SCREEN_SIZES,
    advanced: true,
  }),
  graphics: option(z.enum(['virtio', 'ramfb', 'both']).default('virtio'), {
    label: 'Graphics adapter',
    help: "what shows pictures: a virtio adapter; or memory alone, which firmware and programs find by fw_cfg's etc/ramfb, and Linux by UEFI's word, on one screen; or that until the adapter's driver shows something",
    page: 'system',
    kind: 'choice',
    effect: 'restart',
    choices: { virtio: 'virtio', ramfb: 'memory alone (ramfb)', both: 'memory (ramfb), then virtio' },
    advanced: true,
  }),
  input: option(z.array(z.enum(['keyboard', 'mouse', 'tablet', 'touchscreen'])).default([]), {
    label: 'Input devices',
    help: 'what programs on this computer can type, move and touch with: over the API and the control socket',
    page: 'system',
    kind: 'choices',
    effect: 'restart',
    choices: { keyboard: 'keyboard', mouse: 'mouse', tablet: 'tablet', touchscreen: 'touch screen' },
    advanced: true,
  }),
  crypto: option(z.boolean().default(false), {
    label: 'Crypto device',
    help: 'has this computer encrypt, decrypt and sign for the guest (AES-CBC and RSA with Linux): faster than the guest by itself, with large pieces',
    page: 'system',
    kind: 'switch',
    effect: 'restart',
    advanced: true,
  }),
  sound: option(z.boolean().default(false), {
    label: 'Sound card',
    help: 'a card with loudspeakers and a microphone: those of this computer while the app shows the box, the microphone only when you agree; elsewhere, files',
    page: 'system',
    kind: 'switch',
    effect: 'restart',
    advanced: true,
  }),
  soundFile: option(z.string().min(1).optional(), {
    label: 'File for what is played',
    help: 'a WAV file that gets what the guest plays while the sound card is on, beside the loudspeakers; further ones, with numbers that are free, what is played in another format or at the same time',
    page: 'system',
    kind: 'file',
    effect: 'restart',
    turnsOn: 'sound',
    advanced: true,
  }),
  microphoneFile: option(z.string().min(1).optional(), {
    label: 'File for the microphone',
    help: 'a WAV file that the guest hears when it records, in the format that the file has, instead of the microphone',
    page: 'system',
    kind: 'file',
    effect: 'restart',
    turnsOn: 'sound',
    advanced: true,
  }),
  clipboard: option(z.boolean().default(false), {
    label: 'Shared clipboard',
    help: 'the clipboard of a desktop in the guest, texts and pictures: in the app it is that of this computer while keys go to the guest, and takes files that are dropped on the picture; in the terminal it is reached by hartbox clipboard; spice-vdagent has to run there',
    page: 'system',
    kind: 'switch',
    effect: 'restart',
  }),
  ai: option(z.boolean().default(false), {
    label: 'AI device',
    help: 'runs ONNX models for programs of the guest on this computer, by a device or, with any Linux, by the console ports org.hartbox.ai.0 to 3; docs/ai.md',
    page: 'system',
    kind: 'switch',
    effect: 'restart',
  }),
  aiModels: option(z.string().min(1).optional(), {
    label: 'Folder of models',
    help: 'a folder whose files NAME.onnx programs of the guest may use by name; without it they bring their own',
    page: 'system',
    kind: 'folder',
    effect: 'restart',
    turnsOn: 'ai',
    advanced: true,
  }),
  aiMemory: option(
    z
      .number()
      .int()
      .min(32 * MiB)
      .max(4095 * MiB)
      .multipleOf(MiB)
      .default(GiB),
    {
      label: 'Memory of a model',
      help: 'what a model of the AI device may take of this computer, weights and all',
      page: 'system',
      kind: 'size',
      effect: 'restart',
      turnsOn: 'ai',
      advanced: true,
    },
  ),
  aiSeconds: option(z.number().int().min(1).max(3600).default(60), {
    label: 'Time for a model',
    help: 'how many seconds one run of a model may take; then it is ended',
    page: 'system',
    kind: 'count',
    effect: 'restart',
    turnsOn: 'ai',
    advanced: true,
  }),
  watchdog: option(z.enum(['off', 'reset', 'power-off', 'pause', 'notify']).default('off'), {
    label: 'Watchdog',
    help: 'a watchdog, and what happens where the guest has switched it on and is not heard of in time; the driver of Linux is sunxi_wdt',
    page: 'system',
    kind: 'choice',
    effect: 'restart',
    choices: {
      off: 'none',
      reset: 'the box is reset',
      'power-off': 'the box is switched off',
      pause: 'the box is paused',
      notify: 'a message',
    },
    advanced: true,
  }),
  watchdogDump: option(z.string().min(1).optional(), {
    label: 'File for a dump',
    help: 'a file that gets memory and registers of the box when its watchdog was not heard of, before what happens then: an ELF core for GDB, in place of the one before',
    page: 'system',
    kind: 'file',
    effect: 'restart',
    advanced: true,
  }),
  powerButton: option(z.boolean().default(true), {
    label: 'Power button',
    help: 'a button that asks guests without our agent to shut down; programs in machine mode have none',
    page: 'system',
    kind: 'switch',
    effect: 'restart',
    advanced: true,
  }),
  balloon: option(z.boolean().default(true), {
    label: 'Memory balloon',
    help: 'memory that is free in the guest goes back to the host; the guest can be asked for more while it runs',
    page: 'system',
    kind: 'switch',
    effect: 'restart',
    advanced: true,
  }),
  fwCfg: option(z.array(fwCfgSchema).max(64).default([]), {
    label: 'Items in fw_cfg',
    help: 'what firmware and kernel find by its name in fw_cfg',
    page: 'system',
    kind: 'fw-cfg',
    effect: 'restart',
    advanced: true,
  }),
  semihosting: option(z.boolean().default(false), {
    label: 'Semihosting',
    help: 'let programs in machine and supervisor mode print, read the clock and end the box by calls to the host, as QEMU does; files only below a folder that you allow',
    page: 'system',
    kind: 'switch',
    effect: 'restart',
    advanced: true,
  }),
  semihostingUser: option(z.boolean().default(false), {
    label: 'Semihosting for user mode',
    help: 'programs in user mode may do so too, while semihosting is on',
    page: 'system',
    kind: 'switch',
    effect: 'restart',
    turnsOn: 'semihosting',
    advanced: true,
  }),
  semihostingFolder: option(z.string().min(1).optional(), {
    label: 'Folder for semihosting',
    help: 'the folder whose files programs may read, write and delete by semihosting; without it there are no files',
    page: 'system',
    kind: 'folder',
    effect: 'restart',
    turnsOn: 'semihosting',
    advanced: true,
  }),
  semihostingArguments: option(z.string().max(4096).default(''), {
    label: 'Arguments by semihosting',
    help: 'the command line that a program is told by semihosting; the name of the kernel and its command line unless given',
    page: 'system',
    kind: 'text',
    effect: 'restart',
    turnsOn: 'semihosting',
    advanced: true,
  }),
  consoles: option(z.number().int().min(0).max(EXTRA_TERMINALS_MAX).default(0), {
    label: 'More terminals',
    help: 'how many terminals the guest has beside the first one: hvc1 and so on in Linux, each with a size of its own; the built-in Linux runs a shell on each',
    page: 'terminal',
    kind: 'count',
    effect: 'restart',
    advanced: true,
    cli: { value: 'N' },
  }),
  console: option(
    z
      .strictObject({ columns: z.number().int().min(1).max(1000).default(80), rows: z.number().int().min(1).max(1000).default(24) })
      .prefault({}),
    {
      label: 'Size of the terminal',
      help: 'columns and rows of the console at start; a window gives it its own size',
      page: 'terminal',
      kind: 'grid',
      effect: 'restart',
      advanced: true,
    },
  ),
});
