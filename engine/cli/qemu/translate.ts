import { fileURLToPath } from 'node:url';
import type { TRACES } from '../../machine/virtual-machine';
import type { VncWish } from '../../runner/vnc-service';
import type { MachineConfigInput } from '../../settings/settings';
import { type LineSpec, LineSpecs } from './lines/line-spec';
import { translateCpu } from './cpu';
import { type TranslatedDevices, translateDevices } from './devices';
import { translateMachine } from './machine';
import { QemuError } from './qemu-error';
import { translateSemihosting } from './semihosting';
import type { Wanted } from './wanted';

/** What a command line comes to: a machine by our settings, its lines, and how to run it. */
export interface Plan {
  config: MachineConfigInput;
  /** The drives, by their place in config.drives, whose writes are kept apart. */
  snapshots: number[];
  /** Of the UART; undefined where nobody listens. */
  serial: LineSpec | undefined;
  monitors: LineSpec[];
  ports: { name: string; line: LineSpec }[];
  escapeKey: number;
  /** Write the device tree there, and end. */
  dumpDeviceTree: string | undefined;
  trace: string[];
  logFile: string | undefined;
  isFrozen: boolean;
  gdb: string | undefined;
  vnc: VncWish | undefined;
  pidFile: string | undefined;
  name: string | undefined;
  uuid: string | undefined;
  /** What was asked for and makes no difference; what QEMU would do and this does not. */
  notes: readonly string[];
  warnings: readonly string[];
}

/** Items of `-d`, and the topic of our trace that shows them; what has none is told in any case. */
export const LOG_ITEMS: Readonly<Record<string, { topic?: (typeof TRACES)[number]; isMissing?: true; does: string }>> = {
  int: { topic: 'trap', does: 'show interrupts and exceptions' },
  in_asm: { topic: 'exec', does: 'show each instruction each time that it is executed' },
  exec: { topic: 'exec', does: 'show each instruction that is executed' },
  cpu: { topic: 'exec', does: 'show each instruction with the registers that it changes' },
  guest_errors: { does: 'tell of what guests do wrong; devices warn of it in any case' },
  unimp: { does: 'tell of what there is not; devices warn of it in any case' },
  nochain: { does: 'translated code goes on as it does' },
  ...Object.fromEntries(
    ['cpu_reset', 'mmu', 'page', 'op', 'op_opt', 'out_asm', 'fpu', 'plugin', 'strace', 'vpu', 'tid'].map((item) => [
      item,
      { isMissing: true, does: 'taken, with a warning: nothing is logged of that here' },
    ]),
  ),
};

/** Throws QemuError for what cannot be done here. */
export function translate(wanted: Wanted): Plan {
  const { values, dumpDeviceTree, flash } = translateMachine(wanted);
  const cpu = translateCpu(wanted);
  const { drives, load, flash: banks, consoleLine, ports, ...devices } = translateDevices(wanted, flash);
  const flashed = flashOf(wanted, banks);
  const { kernel, ...boot } = bootFiles(wanted, { ...values, ...flashed }, load, dumpDeviceTree !== undefined);
  const lines = linesOf(wanted, consoleLine, ports);
  return {
    config: {
      ...boot,
      ...(kernel !== undefined && { kernel }),
      ...cpu,
      ...translateSemihosting(wanted),
      ...devices,
      drives: drives.map(({ isSnapshot: _, ...drive }) => drive),
      load,
      powerButton: false,
      reboot: wanted.reboots,
    },
    snapshots: drives.flatMap(({ isSnapshot }, at) => (isSnapshot ? [at] : [])),
    ...lines,
    escapeKey: wanted.escapeKey,
    dumpDeviceTree,
    trace: topicsOf(wanted),
    logFile: wanted.logFile,
    isFrozen: wanted.isFrozen,
    gdb: gdbOf(wanted),
    vnc: vncOf(wanted, devices.screens),
    pidFile: wanted.pidFile,
    name: wanted.name,
    uuid: wanted.uuid,
    notes: wanted.notes,
    warnings: wanted.warnings,
  };
}

/** As the debugger's server takes it; nobody outside this computer gets in unless a host is named. */
function gdbOf({ gdb }: Wanted): string | undefined {
  if (gdb === undefined || gdb === 'none') return undefined;
  if (!/^(tcp:[^,]*:\d{1,5}|unix:[^,]+)(,.*)?$/.test(gdb)) throw new QemuError(`-gdb ${gdb}`, 'expects tcp:[HOST]:PORT or unix:PATH');
  return gdb;
}

/** What is in the flash banks. */
function flashOf(wanted: Wanted, banks: TranslatedDevices['flash']): Pick<MachineConfigInput, 'flashCode' | 'flashVars'> {
  const [code, variables] = [0, 1].map((unit) => banks.find((bank) => bank.unit === unit));
  if (code && !code.readonly) wanted.note('-drive if=pflash,unit=0', 'the first bank is read-only here');
  if (variables?.readonly) throw new QemuError('-drive if=pflash,unit=1', 'the second bank is written to: leave readonly out');
  return { ...(code && { flashCode: code.file }), ...(variables && { flashVars: variables.file }) };
}

/** As the VNC server takes it; nobody outside this computer gets in unless a host is named. */
function vncOf(wanted: Wanted, screens: number): VncWish | undefined {
  const { vnc } = wanted;
  const text = vnc?.take('vnc');
  if (vnc === undefined || text === undefined || text === 'none') return undefined;
  const [, path] = /^unix:(.+)$/.exec(text) ?? [];
  const [, host, display] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  if (path === undefined && display === undefined) throw vnc.wrong('expects [HOST]:DISPLAY, unix:PATH or none');
  const isAsked = vnc.takeSwitch('password') ?? false;
  for (const name of vnc.ignore(
    'to',
    'share',
    'lossy',
    'non-adaptive',
    'ipv4',
    'ipv6',
    'power-control',
    'key-delay-ms',
    'connections',
    'audiodev',
  ))
    wanted.note('-vnc', `${name} makes no difference here`);
  vnc.end('VNC');
  if (screens === 0) {
    wanted.note('-vnc', 'there is no screen to show: name -device virtio-gpu-pci');
    return undefined;
  }
  const port = Number(display) + 5900;
  return { address: path === undefined ? `${host}:${port}` : `unix:${path}`, ...(!isAsked && { password: '' }) };
}

type Boot = ReturnType<typeof translateMachine>['values'] & Pick<MachineConfigInput, 'flashCode' | 'flashVars'>;

/** Firmware alone, such as U-Boot for machine mode, is the program that the machine starts with. */
function bootFiles(wanted: Wanted, values: Boot, load: TranslatedDevices['load'], isDumped: boolean): Boot {
  const { firmware = 'opensbi', flashCode } = values;
  if (values.kernel !== undefined || load.length > 0) return values;
  if (isDumped) {
    // Nothing is started, and the tree is the same whatever would be: any file will do.
    load.push({ file: fileURLToPath(import.meta.url), address: '0x80000000', raw: true });
    return { ...values, source: 'elf', firmware: 'none' };
  }
  if (flashCode !== undefined) return { ...values, source: firmware === 'none' ? 'elf' : 'disk' };
  if (firmware === 'none' || firmware === 'opensbi')
    throw new QemuError(
      wanted.bios === undefined ? '-kernel' : `-bios ${wanted.bios}`,
      'there is nothing to start: name a -kernel, a -bios FILE or a -device loader. For a disk that starts by itself: hartbox run --firmware uboot --drive file=FILE',
    );
  return { ...values, source: 'elf', firmware: 'none', kernel: firmware };
}

function topicsOf(wanted: Wanted): string[] {
  const { logItems } = wanted;
  const topics = new Set<string>();
  for (const item of logItems) {
    if (!Object.hasOwn(LOG_ITEMS, item))
      throw new QemuError(
        `-d ${logItems.join(',')}`,
        `there is no '${item}' to log; what can be is ${Object.keys(LOG_ITEMS).join(', ')}. See also hartbox run --trace`,
      );
    const { topic, isMissing } = LOG_ITEMS[item];
    if (topic !== undefined) topics.add(topic);
    if (isMissing) wanted.warn(`-d ${item}`, 'nothing is logged of that here; see hartbox run --trace');
  }
  return [...topics];
}

/** Which lines there are, with QEMU's own defaults. */
function linesOf(
  wanted: Wanted,
  consoleLine: string | undefined,
  ports: { name: string; line: string }[],
): Pick<Plan, 'serial' | 'monitors' | 'ports'> {
  const specs = new LineSpecs(wanted.chardevs);
  const { serials, monitors, hasDefaults, isGraphic, isBlind } = wanted;
  const lacksSerial = hasDefaults && serials.length === 0;
  const lacksMonitor = hasDefaults && monitors.length === 0 && !serials.some((serial) => serial.startsWith('mon:'));
  if (serials.length > 1) wanted.note(`-serial ${serials[1]}`, 'the board has one UART; the first -serial is its line');
  const standard = (option: string): LineSpec | undefined => specs.parse(option, 'stdio');
  let serial = serials.length > 0 ? specs.parse('-serial', serials[0]) : undefined;
  const monitorLines = monitors.map((monitor) => specs.parse('-monitor', monitor));
  // Without -nographic they are in a window, which -display none takes away.
  const inTerminal = !isGraphic || (isGraphic && !isBlind && lacksSerial && lacksMonitor);
  if (isGraphic && inTerminal) wanted.note('-display', 'there is no window: this terminal takes its place, as with -nographic');
  if (inTerminal && lacksSerial && lacksMonitor) {
    serial = specs.parse('-serial', 'mon:stdio');
    monitorLines.push(serial);
  } else if (inTerminal && lacksSerial) serial = standard('-serial');
  else if (inTerminal && lacksMonitor) monitorLines.push(standard('-monitor'));
  if (serials[0]?.startsWith('mon:')) monitorLines.push(serial);
  const plan = {
    serial,
    monitors: monitorLines.filter((line) => line !== undefined),
    ports: ports.map(({ name, line }) => ({ name, line: specs.get(line, `virtserialport name=${name}`) })),
  };
  if (consoleLine !== undefined && specs.get(consoleLine, 'virtconsole') !== serial)
    throw new QemuError(
      `-device virtconsole,chardev=${consoleLine}`,
      'the UART and the virtio console share one line here: write -serial chardev:ID for the same',
    );
  mustNotMeet(plan);
  return plan;
}

/** Each line has one end, unless it is shared (mux=on); there is one terminal. */
function mustNotMeet({ serial, monitors, ports }: Pick<Plan, 'serial' | 'monitors' | 'ports'>): void {
  const all = [...(serial ? [serial] : []), ...monitors, ...ports.map(({ line }) => line)];
  const distinct = new Set(all);
  for (const line of distinct) {
    if (!line.isMux && all.filter((one) => one === line).length > 1)
      throw new QemuError('-chardev', 'a line has two ends: write mux=on, or name another for one of them');
  }
  if ([...distinct].filter(({ kind }) => kind === 'stdio').length > 1)
    throw new QemuError('-serial stdio', 'cannot use stdio by multiple character devices: share it, with -serial mon:stdio');
}
