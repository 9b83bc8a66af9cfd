import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { MachineConfigInput } from '../../settings/settings';
import type { Properties } from './properties';
import { QemuError } from './qemu-error';
import type { Wanted } from './wanted';

const MiB = 2 ** 20;
/** QEMU's own default. */
const MEMORY = 128 * MiB;
const HARTS_MAX = 16;

type MachineValues = Pick<
  MachineConfigInput,
  'memory' | 'harts' | 'aia' | 'source' | 'firmware' | 'kernel' | 'initrd' | 'append' | 'dtb' | 'fwCfg'
>;

export interface TranslatedMachine {
  values: MachineValues;
  /** Write the device tree there, and end. */
  dumpDeviceTree: string | undefined;
  /** The block nodes that are the flash banks. */
  flash: (string | undefined)[];
}

/** What the options about board, harts, memory and boot mean as settings. Throws QemuError. */
export function translateMachine(wanted: Wanted): TranslatedMachine {
  const { machine } = wanted;
  const type = machine.take('type');
  if (type === undefined) wanted.note('-machine', "virt is meant: QEMU's own default, spike, is not here");
  else if (type !== 'virt') throw machine.wrong(`there is no machine '${type}' here, only virt`);
  const aia = machine.take('aia') ?? 'none';
  if (aia !== 'none' && aia !== 'aplic' && aia !== 'aplic-imsic')
    throw machine.wrong('Invalid AIA interrupt controller type; valid values are none, aplic, and aplic-imsic');
  if ((machine.takeNumber('aia-guests') ?? 0) !== 0)
    throw machine.wrong('there are no guest interrupt files: leave aia-guests out, or set it to 0');
  // The other two of the ACLINT's devices are the CLINT's registers, at the same places.
  if (machine.takeSwitch('aclint') ?? false)
    wanted.warn(machine.where, 'there is the CLINT, with the registers of MSWI and MTIMER where the ACLINT has them; there is no SSWI');
  const accelerator = machine.take('accel') ?? 'tcg';
  if (!accelerator.split(':').includes('tcg'))
    throw machine.wrong(`invalid accelerator ${accelerator}: harts are translated, which QEMU calls tcg`);
  checkAccelerators(wanted);
  if (machine.takeSwitch('usb') ?? false) throw machine.wrong('there is no USB: leave usb out');
  if ((machine.take('iommu-sys') ?? 'off') === 'on') throw machine.wrong('there is no IOMMU: leave iommu-sys out');
  const flash = [machine.take('pflash0'), machine.take('pflash1')];
  const dumpDeviceTree = machine.take('dumpdtb');
  for (const name of ['kernel', 'initrd', 'append'] as const) wanted[name] ??= machine.take(name);
  wanted.bios ??= machine.take('firmware');
  wanted.deviceTree ??= machine.take('dtb');
  for (const name of machine.ignore(
    'acpi',
    'graphics',
    'dump-guest-core',
    'mem-merge',
    'hmat',
    'nvdimm',
    'suppress-vmdesc',
    'phandle-start',
  ))
    wanted.note(machine.where, `${name} makes no difference here`);
  machine.end('the virt machine');
  translateClock(wanted);
  return { values: { memory: memoryOf(wanted), harts: hartsOf(wanted.harts), aia, ...bootOf(wanted) }, dumpDeviceTree, flash };
}

/** QEMU goes on to the next where one is missing. */
function checkAccelerators(wanted: Wanted): void {
  const { accelerators } = wanted;
  const kinds = accelerators.map((properties) => properties.take('accel'));
  const first = accelerators.find((_, at) => kinds[at] === 'tcg') ?? accelerators[0];
  if (!first) return;
  if (!kinds.includes('tcg')) throw first.wrong(`invalid accelerator ${kinds[0]}: harts are translated, which QEMU calls tcg`);
  first.ignore('thread', 'tb-size', 'split-wx', 'one-insn-per-tb', 'igd-passthru', 'kernel-irqchip', 'dirty-ring-size');
  first.end('an accelerator');
  wanted.note('-accel tcg', 'harts are translated in any case, each in a thread of its own');
}

function memoryOf({ memory }: Wanted): number {
  const size = memory.takeSize('size', 'M') ?? MEMORY;
  for (const name of memory.ignore('slots', 'maxmem')) throw memory.wrong(`memory cannot be plugged in on this board: leave ${name} out`);
  memory.end('-m');
  // QEMU takes any size, rounded up to a page.
  const whole = Math.ceil(size / MiB) * MiB;
  if (whole < 16 * MiB || whole > 3840 * MiB) throw memory.wrong('a machine has 16M to 3840M of memory here');
  return whole;
}

/** How many harts a topology has, as QEMU counts: cores are what is not said. */
function hartsOf(harts: Properties): number {
  const number = (name: string): number => harts.takeNumber(name) ?? 0;
  const [cpus, most] = [number('cpus'), number('maxcpus')];
  let [sockets, cores, threads] = [number('sockets'), number('cores'), number('threads')];
  for (const name of ['dies', 'clusters', 'books', 'drawers', 'modules']) {
    if (number(name) > 1) throw harts.wrong(`${name} are not supported by the topology of this machine`);
  }
  harts.end('-smp');
  const given = most || cpus;
  if (given === 0) [sockets, cores, threads] = [sockets || 1, cores || 1, threads || 1];
  else if (cores === 0) {
    [sockets, threads] = [sockets || 1, threads || 1];
    cores = Math.floor(given / (sockets * threads));
  } else if (sockets === 0) {
    threads ||= 1;
    sockets = Math.floor(given / (cores * threads));
  }
  threads ||= Math.floor(given / (sockets * cores)) || 0;
  const all = sockets * cores * threads;
  const limit = most || all;
  if (all !== limit || (given !== 0 && all !== given))
    throw harts.wrong(
      `Invalid CPU topology: product of the hierarchy must match maxcpus: sockets (${sockets}) * cores (${cores}) * threads (${threads}) != maxcpus (${given || limit})`,
    );
  const count = cpus || limit;
  if (count > limit) throw harts.wrong(`Invalid CPU topology: maxcpus must be equal to or greater than smp: ${limit} < ${count}`);
  if (count < 1 || count > HARTS_MAX) throw harts.wrong(`Invalid SMP CPUs ${count}. There are 1 to ${HARTS_MAX} harts here`);
  return count;
}

function translateClock(wanted: Wanted): void {
  const { rtc } = wanted;
  const base = rtc.take('base') ?? 'utc';
  if (base !== 'utc') throw rtc.wrong('the clock shows the time of the host in UTC: write base=utc, or leave it out');
  const clock = rtc.take('clock') ?? 'host';
  if (clock !== 'host' && clock !== 'vm' && clock !== 'rt') throw rtc.wrong('clock can be host, rt or vm');
  if (clock === 'vm') wanted.warn(rtc.where, 'the clock is that of the host here, also while the machine is paused');
  rtc.ignore('driftfix');
  rtc.end('the clock');
}

function bootOf(wanted: Wanted): Partial<MachineValues> {
  const { kernel, initrd, append, deviceTree } = wanted;
  if (kernel === undefined) {
    if (append !== undefined) throw new QemuError('-append', 'only allowed with -kernel option');
    if (initrd !== undefined) throw new QemuError('-initrd', 'only allowed with -kernel option');
  }
  const firmware = firmwareOf(wanted);
  return {
    firmware,
    source: firmware === 'none' ? 'elf' : 'kernel',
    ...(kernel !== undefined && { kernel: resolve(kernel) }),
    ...(initrd !== undefined && { initrd: resolve(initrd) }),
    ...(append !== undefined && { append }),
    ...(deviceTree !== undefined && { dtb: resolve(deviceTree) }),
    fwCfg: wanted.fwCfg.map(fwCfgItem),
  };
}

function firmwareOf({ bios = 'default', libraries }: Wanted): string {
  if (bios === 'none') return 'none';
  const inLibraries = (name: string): string | undefined => libraries.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (bios === 'default') return inLibraries('opensbi-riscv64-generic-fw_dynamic.bin') ?? 'opensbi';
  const found = existsSync(bios) ? bios : inLibraries(bios);
  if (found !== undefined) return resolve(found);
  // What QEMU brings along is known by its name.
  if (/^opensbi-riscv64-(generic|virt)-fw_(dynamic|jump)\.(bin|elf)$/.test(bios)) return 'opensbi';
  throw new QemuError(`-bios ${bios}`, `Unable to load the RISC-V firmware "${bios}": there is no such file`);
}

function fwCfgItem(properties: Properties): { name: string; file?: string; text?: string } {
  const [name, file, text] = ['name', 'file', 'string'].map((key) => properties.take(key));
  if (name === undefined || name === '') throw properties.wrong('the name of the item is missing');
  if ((file === undefined) === (text === undefined)) throw properties.wrong('expects file=FILE or string=TEXT');
  if (properties.take('gen_id') !== undefined) throw properties.wrong('there are no objects that make items: use file= or string=');
  properties.end('an item in fw_cfg');
  if (!/^opt\/[\x21-\x7e]{1,51}$/.test(name)) throw properties.wrong('names begin with opt/, have up to 55 characters and no spaces');
  return file === undefined ? { name, text: text ?? '' } : { name, file: resolve(file) };
}
