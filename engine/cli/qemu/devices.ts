import { resolve } from 'node:path';
import type { DriveConfigInput } from '../../settings/drive';
import { SCREEN_SIZES } from '../../settings/hardware';
import type { MachineConfigInput } from '../../settings/settings';
import { type Image, imageOfDrive, imagesOfNodes } from './block-nodes';
import { NetworkAdapters, type NetworkInput } from './networks';
import { parseNumber, Properties } from './properties';
import { QemuError } from './qemu-error';
import type { Wanted } from './wanted';

type Bus = 'mmio' | 'pci';
type ShareInput = NonNullable<MachineConfigInput['shares']>[number];
type Load = NonNullable<MachineConfigInput['load']>[number];

/** What devices mean as settings. */
export interface TranslatedDevices {
  drives: (DriveConfigInput & { isSnapshot: boolean })[];
  scsi: boolean;
  entropy: 'on' | 'off';
  virtioConsole: 'on' | 'off';
  bus: Bus;
  virtioMmio: 'modern' | 'legacy';
  network: NetworkInput[];
  shares: ShareInput[];
  load: Load[];
  flash: { unit: number; file: string; readonly: boolean }[];
  /** Screens, and the pixels of each. */
  screens: number;
  screenSize: MachineConfigInput['screenSize'];
  graphics: NonNullable<MachineConfigInput['graphics']>;
  input: NonNullable<MachineConfigInput['input']>;
  /** The line of virtconsole, and those of virtserialport by its name. */
  consoleLine: string | undefined;
  ports: { name: string; line: string }[];
}

type Builder = TranslatedDevices & {
  images: Image[];
  wanted: Wanted;
  networks: NetworkAdapters;
  /** MMIO places that are taken; PCI devices. */
  slots: Set<number>;
  busOf: Map<string, Bus>;
};

interface Model {
  does: string;
  make(build: Builder, device: Properties, name: string): void;
}

/** Virtio devices by what is before `-device` and `-pci`. */
const VIRTIO: Readonly<Record<string, Model>> = {
  'virtio-blk': { does: 'a disk', make: (build, device, name) => addDisk(build, device, place(build, device, name)) },
  'virtio-scsi': {
    does: 'the SCSI adapter, for scsi-hd and scsi-cd',
    make: (build, device, name) => {
      build.scsi = true;
      share(build, device, 'scsi', place(build, device, name).bus);
      device.ignore('num_queues', 'cmd_per_lun', 'max_sectors', 'seg_max_adjust', 'virtqueue_size', 'hotplug', 'param_change');
    },
  },
  'virtio-net': {
    does: 'a network adapter, for -netdev',
    make: (build, device, name) => build.networks.add(device, place(build, device, name)),
  },
  'virtio-gpu': {
    does: 'screens without 3D, for -vnc; on PCI',
    make: (build, device, name) => {
      if (build.screens > 0 && build.graphics !== 'ramfb')
        throw device.wrong('there is one graphics adapter here: for more screens, max_outputs=2 to 4');
      if (build.graphics === 'ramfb') build.graphics = 'both';
      if (place(build, device, name).bus !== 'pci') throw device.wrong('graphics sits on PCI here: use virtio-gpu-pci');
      build.screens = device.takeNumber('max_outputs') ?? 1;
      if (build.screens < 1 || build.screens > 4) throw device.wrong('max_outputs is 1 to 4');
      const [width, height] = [device.takeNumber('xres') ?? 1280, device.takeNumber('yres') ?? 800];
      build.screenSize = (Object.keys(SCREEN_SIZES) as (keyof typeof SCREEN_SIZES)[]).find((size) => size === `${width}x${height}`);
      if (!build.screenSize) throw device.wrong(`xres and yres are one of ${Object.keys(SCREEN_SIZES).join(', ')} here`);
      device.ignore('edid', 'max_hostmem', 'blob');
    },
  },
  ...Object.fromEntries(
    Object.entries({ keyboard: 'keyboard', mouse: 'mouse', tablet: 'tablet', multitouch: 'touchscreen' } as const).map(([model, kind]) => [
      `virtio-${model}`,
      {
        does: `a ${kind}`,
        make: (build: Builder, device: Properties, name: string) => {
          if (build.input.includes(kind)) throw device.wrong(`there is one ${kind} here: leave the second out`);
          share(build, device, 'others', place(build, device, name).bus);
          build.input.push(kind);
          device.ignore('display', 'head', 'serial', 'wheel-axis');
        },
      },
    ]),
  ),
  'virtio-rng': {
    does: 'random numbers of the host',
    make: (build, device, name) => {
      build.entropy = 'on';
      share(build, device, 'others', place(build, device, name).bus);
      const source = device.take('rng');
      if (source !== undefined && !build.wanted.entropySources.has(source))
        throw device.wrong(`Property 'virtio-rng.rng' can't find value '${source}': name -object rng-random,id=${source} before it`);
      device.ignore('max-bytes', 'period');
    },
  },
  'virtio-9p': {
    does: 'a folder of this computer, for -fsdev',
    make: (build, device, name) => addFolder(build, device, place(build, device, name).bus),
  },
  'virtio-serial': {
    does: 'the adapter for virtconsole and virtserialport',
    make: (build, device, name) => {
      share(build, device, 'others', place(build, device, name).bus);
      device.ignore('max_ports', 'emergency-write');
    },
  },
};

const SCSI_UNIT = (media: 'disk' | 'cdrom'): Model => ({
  does: media === 'disk' ? 'a disk on the SCSI adapter' : 'a CD-ROM drive on the SCSI adapter',
  make: (build, device) => {
    if (!build.scsi) throw device.wrong("No 'SCSI' bus found for device: name -device virtio-scsi-device or virtio-scsi-pci before it");
    const image = imageFor(build, device);
    device.ignore(
      'bus',
      'channel',
      'scsi-id',
      'lun',
      'ver',
      'wwn',
      'rotation_rate',
      'removable',
      'product',
      'vendor',
      'device_id',
      'dpofua',
    );
    addDrive(build, device, image, { interface: 'scsi', media });
  },
});

const MODELS: Readonly<Record<string, Model>> = {
  ramfb: {
    does: 'a screen in memory, for firmware, for -vnc; with virtio-gpu-pci the same screen',
    make: (build, device) => {
      device.ignore('x-migrate', 'use-legacy-x86-rom');
      if (build.graphics !== 'virtio') throw device.wrong('there is one ramfb');
      build.graphics = build.screens > 0 ? 'both' : 'ramfb';
      build.screens ||= 1;
    },
  },
  'scsi-hd': SCSI_UNIT('disk'),
  'scsi-cd': SCSI_UNIT('cdrom'),
  virtconsole: {
    does: 'the terminal on the virtio console, with the line of the UART',
    make: (build, device) => {
      if (build.virtioConsole === 'on') throw device.wrong('there is one virtconsole here: use virtserialport for others');
      build.virtioConsole = 'on';
      build.consoleLine = device.take('chardev');
      device.ignore('bus', 'nr', 'name');
    },
  },
  virtserialport: {
    does: 'a port, which the guest finds by its name',
    make: (build, device) => {
      const [given, line] = [device.take('name'), device.take('chardev')];
      // Where QEMU's has none.
      const name = given ?? `port${build.ports.length}`;
      if (given === undefined) build.wanted.note(device.where, `ports have names here: the guest sees ${name}`);
      if (line === undefined) throw device.wrong('expects chardev=ID');
      if (build.ports.some((one) => one.name === name)) throw device.wrong(`there are two ports named ${name}`);
      build.ports.push({ name, line });
      device.ignore('bus', 'nr');
    },
  },
  loader: {
    does: 'a file, or a word, that is put into memory before the start',
    make: (build, device) => {
      const [file, address] = [device.take('file'), device.take('addr')];
      if (device.take('data') !== undefined)
        throw device.wrong('words cannot be loaded, only files: put it into a file, and write file=FILE');
      device.ignore('data-len', 'data-be');
      const hart = device.takeNumber('cpu-num');
      if (hart !== undefined) throw device.wrong('harts start at firmware or kernel: leave cpu-num out');
      if (file === undefined) throw device.wrong('expects file=FILE');
      const number = address === undefined ? undefined : parseNumber(address);
      if (address !== undefined && number === undefined) throw device.wrong("Parameter 'addr' expects a number");
      const raw = device.takeSwitch('force-raw') ?? false;
      build.load.push({ file: resolve(file), ...(number !== undefined && { address: `0x${number.toString(16)}` }), ...(raw && { raw }) });
    },
  },
};

/** Common devices that are not here, and what to do. */
const MISSING: readonly (readonly [RegExp, string])[] = [
  [/^(e1000|rtl8139|ne2k|pcnet|i8255|vmxnet|igb|tulip|usb-net)/, 'use virtio-net-pci or virtio-net-device'],
  [/^(virtio-gpu|virtio-vga|VGA|bochs|qxl|secondary-vga|ati|cirrus)/, 'use virtio-gpu-pci'],
  [/^virtio-input/, 'use virtio-keyboard, virtio-mouse, virtio-tablet or virtio-multitouch'],
  [/^(vhost-user-fs|virtio-fs)/, 'use -fsdev local and virtio-9p-pci; virtio-fs itself is hartbox run --share'],
  [/^(virtio-balloon|virtio-mem|virtio-pmem|pc-dimm|nvdimm)/, 'memory stays as it is: leave it out'],
  [/^virtio-crypto/, 'QEMU command lines cannot have it here yet: leave it out; see hartbox run --crypto'],
  [/^virtio-sound/, 'QEMU command lines cannot have it here yet: leave it out; see hartbox run --sound'],
  [/^(vhost-|virtio-iommu)/, 'there is no such device yet: leave it out'],
  [/^(nvme|ahci|ich9-ahci|ide-|sdhci|sd-card|lsi|megasas|mptsas|am53c974|usb-storage|floppy)/, 'use virtio-blk-device or virtio-blk-pci'],
  [/^(usb-|qemu-xhci|nec-usb-xhci|piix|ich9-usb|pci-ohci)/, 'there is no USB: use virtio devices'],
  [/^(AC97|ac97|intel-hda|ich9-intel-hda|hda-|ES1370|sb16)/, 'there is virtio-sound alone: leave it out; see hartbox run --sound'],
  [/^(pcie-root-port|pci-bridge|pcie-pci-bridge|ioh3420|x3130|xio3130|pxb)/, 'there is one PCI bus: leave it out'],
  [/^(isa-|pci-serial|i6300esb|tpm-|vmcoreinfo|edu|ivshmem|pvpanic|generic-sdhci)/, 'there is no such device here: leave it out'],
  [/^(guest-loader)/, 'use -kernel, -initrd and loader'],
];

/** For `-device help`. */
export function deviceModels(): (readonly [name: string, does: string])[] {
  return [
    ...Object.entries(VIRTIO).map(([name, { does }]) => [`${name}-device, ${name}-pci`, does] as const),
    ...Object.entries(MODELS).map(([name, { does }]) => [name, does] as const),
  ];
}

/** What drives and devices mean, and the block nodes that are the flash banks. Throws QemuError. */
export function translateDevices(wanted: Wanted, flashNodes: readonly (string | undefined)[]): TranslatedDevices {
  const images = [...wanted.drives.map((drive) => imageOfDrive(drive, wanted.isSnapshot)), ...imagesOfNodes(wanted.blockNodes)];
  const names = images.map(({ name }) => name).filter((name) => name !== undefined);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw new QemuError(images.findLast(({ name }) => name === twice)?.where ?? '', `Duplicate ID '${twice}' for drive`);
  const build: Builder = {
    ...{
      drives: [],
      scsi: false,
      entropy: 'off',
      virtioConsole: 'off',
      bus: 'pci',
      network: [],
      shares: [],
      load: [],
      flash: [],
      ports: [],
      screens: 0,
      screenSize: undefined,
      graphics: 'virtio',
      input: [],
    },
    ...{
      virtioMmio: 'legacy',
      consoleLine: undefined,
      images,
      wanted,
      networks: new NetworkAdapters(wanted),
      slots: new Set(),
      busOf: new Map(),
    },
  };
  readGlobals(build);
  for (const device of wanted.devices) addDevice(build, device);
  for (const image of images) addByInterface(build, image);
  build.networks.end();
  for (const [unit, node] of flashNodes.entries()) if (node !== undefined) addFlash(build, unit, nodeFor(build, node));
  return {
    drives: build.drives,
    scsi: build.scsi,
    entropy: build.entropy,
    virtioConsole: build.virtioConsole,
    bus: build.bus,
    virtioMmio: build.virtioMmio,
    shares: build.shares,
    load: build.load,
    flash: build.flash,
    consoleLine: build.consoleLine,
    ports: build.ports,
    screens: build.screens,
    screenSize: build.screenSize,
    graphics: build.graphics,
    input: build.input,
    network: build.networks.list,
  };
}

/** `-global virtio-mmio.force-legacy=false` is what makes the places modern. */
function readGlobals(build: Builder): void {
  for (const { driver, property, value, where } of build.wanted.globals) {
    if (driver === 'virtio-mmio' && property === 'force-legacy') {
      const given = Properties.of('-global', `${property}=${value}`);
      build.virtioMmio = (given.takeSwitch(property) ?? true) ? 'legacy' : 'modern';
    } else build.wanted.warn(where, 'there is no such property here; only virtio-mmio.force-legacy');
  }
}

function addDevice(build: Builder, device: Properties): void {
  const name = device.take('driver') ?? '';
  device.ignore(
    'id',
    'bootindex',
    'ioeventfd',
    'packed',
    'event_idx',
    'indirect_desc',
    'iommu_platform',
    'disable-legacy',
    'disable-modern',
    'romfile',
    'vectors',
    'ats',
    'any_layout',
    'notify_on_empty',
    'queue_reset',
    'x-pcie-lnkcap',
    'multifunction',
    'rombar',
    'iothread',
    'use-disabled-flag',
    'x-disable-pcie',
  );
  const virtio = VIRTIO[name.replace(/-(device|pci|pci-non-transitional|pci-transitional)$/, '')];
  const model = name.startsWith('virtio-') ? virtio : Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (!model) {
    const [, what] = MISSING.find(([pattern]) => pattern.test(name)) ?? [];
    throw device.wrong(
      what === undefined
        ? `'${name}' is not a valid device model name here; -device help lists those that there are`
        : `there is no ${name} here: ${what}`,
    );
  }
  model.make(build, device, name);
  device.end(name);
}

/** Where a virtio device sits. QEMU gives out its MMIO places from the last one on. */
function place(build: Builder, device: Properties, name: string): { bus: Bus; slot?: number } {
  const given = device.take('bus');
  const address = device.take('addr');
  if (!name.endsWith('-device')) {
    if (given !== undefined && given !== 'pcie.0' && given !== 'pci.0') throw device.wrong(`Bus '${given}' not found: there is pcie.0`);
    return { bus: 'pci', ...(address !== undefined && { slot: pciSlot(device, address) }) };
  }
  if (address !== undefined) throw device.wrong('addr is for devices on PCI: leave it out');
  const [, number] = /^virtio-mmio-bus\.([0-7])$/.exec(given ?? '') ?? [];
  if (given !== undefined && number === undefined)
    throw device.wrong(`Bus '${given}' not found: there are virtio-mmio-bus.0 to virtio-mmio-bus.7`);
  const free = [7, 6, 5, 4, 3, 2, 1, 0].find((slot) => !build.slots.has(slot));
  const slot = number === undefined ? free : Number(number);
  if (slot === undefined) throw device.wrong("No 'virtio-bus' bus found for device: all eight places are taken; use -pci devices");
  if (build.slots.has(slot)) throw device.wrong(`Bus 'virtio-mmio-bus.${slot}' is full`);
  build.slots.add(slot);
  return { bus: 'mmio', slot };
}

function pciSlot(device: Properties, address: string): number {
  const [, slot, fn = '0'] = /^(?:0x)?([0-9a-f]{1,2})(?:\.([0-7]))?$/i.exec(address) ?? [];
  const number = Number.parseInt(slot ?? '', 16);
  if (!(number >= 1 && number <= 31)) throw device.wrong(`addr is a PCI device from 1 to 1f, not '${address}'`);
  if (fn !== '0') throw device.wrong('devices have one function here: leave it out');
  return number;
}

/** Devices that have no place of their own in the settings sit where all others do. */
function share(build: Builder, device: Properties, what: string, bus: Bus): void {
  for (const other of build.busOf.values()) {
    if (other !== bus) throw device.wrong('adapters sit all on MMIO or all on PCI here: use -device or -pci models for all of them');
  }
  build.busOf.set(what, bus);
  build.bus = bus;
}

function imageFor(build: Builder, device: Properties): Image {
  const name = device.take('drive');
  if (name === undefined) throw device.wrong('drive property not set: drive=ID names one of -drive if=none,id=ID');
  const image = build.images.find((one) => one.name === name);
  if (!image) throw device.wrong(`Property '${device.take('driver') ?? ''}.drive' can't find value '${name}'`);
  if (image.isUsed) throw device.wrong(`Drive '${name}' is already in use by another device`);
  return image;
}

function addDisk(build: Builder, device: Properties, where: { bus: Bus; slot?: number }): void {
  const image = imageFor(build, device);
  const queues = device.takeNumber('num-queues');
  device.ignore(
    'queue-size',
    'seg-max-adjust',
    'write-cache',
    'config-wce',
    'scsi',
    'request-merging',
    'secs',
    'heads',
    'cyls',
    'share-rw',
    'write-zeroes',
    'max-discard-sectors',
    'max-write-zeroes-sectors',
    'discard_granularity',
    'physical_block_size',
    'min_io_size',
    'opt_io_size',
    'backend_defaults',
    'account-invalid',
    'account-failed',
    'report-discard-granularity',
  );
  const discard = device.takeSwitch('discard');
  addDrive(build, device, image, {
    interface: 'virtio',
    ...where,
    ...(queues !== undefined && { queues }),
    ...(discard === false && { discard }),
  });
}

function addFolder(build: Builder, device: Properties, bus: Bus): void {
  const [id, tag] = [device.take('fsdev'), device.take('mount_tag')];
  if (id === undefined)
    throw device.wrong("9pfs device couldn't find fsdev with the id = NULL: name one, with -fsdev local,id=ID,path=FOLDER");
  const folder = build.wanted.folders.get(id);
  if (!folder) throw device.wrong(`9pfs device couldn't find fsdev with the id = ${id}`);
  if (tag === undefined || !/^[\w.-]{1,31}$/.test(tag)) throw device.wrong('mount_tag is 1 to 31 letters, digits, dots and dashes');
  const [driver, path] = [folder.take('fsdriver'), folder.take('path')];
  if (driver !== 'local') throw folder.wrong(`folders are local here, not ${driver}: -fsdev local,id=ID,path=FOLDER`);
  if (path === undefined) throw folder.wrong('path=FOLDER is missing');
  const model = folder.take('security_model') ?? 'none';
  if (!['none', 'passthrough', 'mapped', 'mapped-xattr', 'mapped-file'].includes(model))
    throw folder.wrong(`Invalid security_model ${model} specified, valid options are: passthrough, mapped-xattr, mapped-file, none`);
  const isMapped = model.startsWith('mapped');
  if (isMapped)
    build.wanted.warn(folder.where, "owners and modes are not kept beside the files here: all files are yours, in the guest root's");
  const readonly = folder.takeSwitch('readonly') ?? false;
  for (const name of folder.ignore('writeout', 'multidevs', 'fmode', 'dmode'))
    build.wanted.note(folder.where, `${name} makes no difference here`);
  folder.end('a folder');
  build.shares.push({ folder: resolve(path), tag, protocol: '9p', readonly, owners: isMapped ? 'mapped' : 'passed', bus });
}

function addDrive(build: Builder, device: Properties, image: Image, more: Partial<DriveConfigInput>): void {
  if (image.values.file === '') throw device.wrong('the drive has no file: write file=FILE');
  image.isUsed = true;
  const serial = device.take('serial') ?? image.values.serial;
  const blockSize = device.takeNumber('logical_block_size');
  if (blockSize !== undefined && blockSize !== 512 && blockSize !== 4096) throw device.wrong('blocks have 512 or 4096 bytes here');
  build.drives.push({
    ...image.values,
    ...(image.name !== undefined && { id: image.name }),
    ...(serial !== undefined && { serial }),
    ...(blockSize !== undefined && { blockSize }),
    ...more,
    isSnapshot: image.isSnapshot,
  });
}

/** Drives whose interface says what they are: `if=virtio` is a disk on PCI, `if=pflash` a flash bank. */
function addByInterface(build: Builder, image: Image): void {
  const { interface: kind, where } = image;
  if (kind === 'none') {
    if (!image.isUsed) build.wanted.note(where, 'no device has this drive; name one, such as -device virtio-blk-device,drive=ID');
  } else if (kind === 'virtio') {
    addDrive(build, Properties.of('-drive', where), image, { interface: 'virtio', bus: 'pci' });
  } else if (kind === 'pflash') {
    addFlash(build, image.unit ?? build.flash.length, image);
  } else {
    throw new QemuError(where, `machine type does not support if=${kind}; it can be none, virtio or pflash`);
  }
}

function nodeFor(build: Builder, name: string): Image {
  const image = build.images.find((one) => one.name === name);
  if (!image) throw build.wanted.machine.wrong(`Cannot find device='${name}' nor node-name='${name}': name a -blockdev`);
  if (image.isUsed) throw build.wanted.machine.wrong(`Node '${name}' is already in use`);
  image.isUsed = true;
  return image;
}

function addFlash(build: Builder, unit: number, { where, values }: Image): void {
  if (unit > 1) throw new QemuError(where, 'the board has two flash banks: unit=0 and unit=1');
  if (build.flash.some((one) => one.unit === unit)) throw new QemuError(where, `flash bank ${unit} has a file already`);
  if (values.format === 'qcow2') throw new QemuError(where, 'the file of a flash bank is raw here: hartbox disk convert makes one of it');
  build.flash.push({ unit, file: resolve(values.file), readonly: values.readonly ?? false });
}
