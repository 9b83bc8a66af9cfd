import type { QemuOption } from './qemu-option';
import { parseNumber, Properties } from './properties';
import { QemuError } from './qemu-error';
import type { Shown } from './wanted';

type Read = QemuOption['read'];

function served(names: readonly string[], takes: string | undefined, does: string, read: Read, lists?: Shown): QemuOption {
  return { names, ...(takes !== undefined && { takes }), effect: 'served', does, read, ...(lists && { lists }) };
}

/** Into a list of the same name. */
function drive(name: string, ...more: [string, string][]): Read {
  return (wanted, file) => {
    // The path is one value, with commas as they are.
    const properties = Properties.of(name, `file=${file.replaceAll(',', ',,')}`);
    wanted.drives.push(more.reduce((all, [key, value]) => all.withDefault(key, value), properties));
  };
}

const readGlobal: Read = (wanted, argument, where) => {
  const [, driver, property, value] = /^([^.=,]+)\.([^=]+)=(.*)$/s.exec(argument) ?? [];
  if (driver !== undefined) {
    wanted.globals.push({ driver, property, value, where });
    return;
  }
  const given = Properties.of('-global', argument);
  const [one, two, three] = ['driver', 'property', 'value'].map((name) => given.take(name));
  if (one === undefined || two === undefined || three === undefined) throw new QemuError(where, 'expects DRIVER.PROPERTY=VALUE');
  given.end('a global property');
  wanted.globals.push({ driver: one, property: two, value: three, where });
};

const readDisplay: Read = (wanted, argument, where) => {
  const [, vnc] = /^vnc=(.*)$/s.exec(argument) ?? [];
  if (vnc !== undefined) wanted.vnc = Properties.of('-display', vnc, 'vnc');
  else if (argument !== 'none')
    throw new QemuError(where, 'there is no window from the command line: use -vnc :0, -nographic, or -display none');
  else wanted.isBlind = true;
};

const readVga: Read = (_wanted, argument, where) => {
  if (argument !== 'none') throw new QemuError(where, 'the board has no VGA: use -device virtio-gpu-pci, and leave it out');
};

const readMonitor: Read = (wanted, argument, where) => {
  const properties = Properties.of('-mon', argument, 'chardev');
  const line = properties.take('chardev');
  if (line === undefined) throw new QemuError(where, 'expects chardev=ID');
  if ((properties.take('mode') ?? 'readline') !== 'readline') throw new QemuError(where, 'there is no QMP: only mode=readline');
  properties.ignore('pretty', 'default');
  properties.end('a monitor');
  wanted.monitors.push(`chardev:${line}`);
};

const readAction: Read = (wanted, argument, where) => {
  const properties = Properties.of('-action', argument);
  const reboot = properties.take('reboot');
  if (reboot !== undefined && reboot !== 'reset' && reboot !== 'shutdown') throw new QemuError(where, 'reboot can be reset or shutdown');
  if (reboot !== undefined) wanted.reboots = reboot === 'reset';
  for (const name of properties.ignore('shutdown', 'panic', 'watchdog')) wanted.note(where, `${name} is as usual`);
  properties.end('-action');
};

const readEscape: Read = (wanted, argument, where) => {
  const code = parseNumber(argument);
  if (code === undefined || code < 0 || code > 255)
    throw new QemuError(where, 'expects the code of a character, from 0 to 255: 0x01 is Ctrl-A');
  wanted.escapeKey = code;
};

const readUuid: Read = (wanted, argument, where) => {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(argument))
    throw new QemuError(where, 'failed to parse UUID string: wrong format');
  wanted.uuid = argument.toLowerCase();
  wanted.note(where, 'the guest does not see it; `info uuid` in the monitor shows it');
};

const readName: Read = (wanted, argument) => {
  const properties = Properties.of('-name', argument, 'guest');
  wanted.name = properties.take('guest');
  properties.ignore('process', 'debug-threads');
  properties.end('a name');
};

/** QEMU takes the first that there is. */
const readAccelerator: Read = (wanted, argument) => {
  wanted.accelerators.push(Properties.of('-accel', argument, 'accel'));
};

const readObject: Read = (wanted, argument, where) => {
  const properties = Properties.of('-object', argument, 'qom-type');
  const [kind, id] = [properties.take('qom-type'), properties.take('id')];
  if (kind === 'filter-dump')
    throw new QemuError(where, 'packets are captured by hartbox network BOX capture FILE, of a box that runs: leave it out');
  if (kind !== 'rng-random' && kind !== 'rng-builtin') throw new QemuError(where, 'there are no such objects: leave it out');
  if (id === undefined) throw new QemuError(where, "Parameter 'id' is missing");
  properties.ignore('filename');
  properties.end('a source of entropy');
  wanted.entropySources.add(id);
  wanted.note(where, 'entropy comes from the host in any case');
};

const readFolder: Read = (wanted, argument, where) => {
  const folder = Properties.of('-fsdev', argument, 'fsdriver');
  const id = folder.take('id');
  if (id === undefined) throw new QemuError(where, "Parameter 'id' is missing");
  if (wanted.folders.has(id)) throw new QemuError(where, `Duplicate ID '${id}' for fsdev`);
  wanted.folders.set(id, folder);
};

/** A folder and its device in one. */
const readVirtfs: Read = (wanted, argument, where) => {
  const folder = Properties.of('-virtfs', argument, 'fsdriver');
  const tag = folder.take('mount_tag');
  if (tag === undefined) throw new QemuError(where, 'mount_tag is missing: that is by what the guest mounts it');
  const id = folder.take('id') ?? tag;
  if (wanted.folders.has(id)) throw new QemuError(where, `Duplicate ID '${id}' for fsdev`);
  wanted.folders.set(id, folder);
  const escaped = (text: string): string => text.replaceAll(',', ',,');
  wanted.devices.push(Properties.of('-device', `virtio-9p-pci,fsdev=${escaped(id)},mount_tag=${escaped(tag)}`, 'driver'));
};

const NO_NETWORK = 'there is no network adapter unless one is asked for';

/** The options that do here what they do in QEMU, in the order of its help. */
export const SERVED: readonly QemuOption[] = [
  served(['-h', '-help', '-?'], undefined, 'this help', (wanted) => wanted.show('help')),
  served(['-version'], undefined, 'show the version', (wanted) => wanted.show('version')),
  served(
    ['-machine', '-M'],
    'virt[,PROPERTY=VALUE…]',
    'the board, of which there is one: virt, with aia=none|aplic|aplic-imsic, dumpdtb=FILE, pflash0=NODE, pflash1=NODE',
    (wanted, argument) => {
      wanted.machine = wanted.machine.with(Properties.of('-machine', argument, 'type'));
    },
    'machines',
  ),
  served(
    ['-cpu'],
    'MODEL[,EXTENSION=on|off…]',
    'the harts: rv64, max and others that are RV64GC at heart; an extension that is switched on must be among those that there are',
    (wanted, argument) => {
      wanted.cpu = argument;
    },
    'cpus',
  ),
  served(['-accel'], 'tcg', 'harts are translated; others are passed over where tcg comes too', readAccelerator, 'accelerators'),
  served(['-smp'], 'N|cpus=N,cores=…', 'how many harts, up to 16  [1]', (wanted, argument) => {
    wanted.harts = wanted.harts.with(Properties.of('-smp', argument, 'cpus'));
  }),
  served(['-m'], 'SIZE', 'memory, in MiB unless a suffix says otherwise  [128M]', (wanted, argument) => {
    wanted.memory = wanted.memory.with(Properties.of('-m', argument, 'size'));
  }),
  served(['-global'], 'DRIVER.PROPERTY=VALUE', 'that property of all devices of a kind', readGlobal),
  served(
    ['-device'],
    'MODEL[,PROPERTY=VALUE…]',
    'a device: virtio-blk-, virtio-scsi-, virtio-net-, virtio-rng-, virtio-serial-device or -pci, scsi-hd, scsi-cd, virtconsole, virtserialport, loader; MODEL help lists them',
    (wanted, argument) => {
      wanted.devices.push(Properties.of('-device', argument, 'driver'));
    },
    'devices',
  ),
  served(['-name'], 'NAME', 'a name, which `info name` in the monitor shows', readName),
  served(['-uuid'], 'UUID', 'a number, which `info uuid` in the monitor shows', readUuid),
  served(
    ['-hda', '-hdb', '-hdc', '-hdd'],
    'FILE',
    'a drive that no device of the virt board uses: see -device virtio-blk-device',
    drive('-hda', ['media', 'disk']),
  ),
  served(['-cdrom'], 'FILE', 'a disc that no device of the virt board uses: see -device scsi-cd', drive('-cdrom', ['media', 'cdrom'])),
  served(
    ['-drive'],
    'file=FILE[,if=none|virtio][,format=raw|qcow2][,id=ID]…',
    'a disk image: for the -device with drive=ID, or for a virtio disk on PCI; if=pflash is a flash bank',
    (wanted, argument) => {
      wanted.drives.push(Properties.of('-drive', argument));
    },
  ),
  served(['-blockdev'], 'driver=…,node-name=ID,…', 'a disk image: file, raw or qcow2, one over the other', (wanted, argument) => {
    wanted.blockNodes.push(Properties.of('-blockdev', argument, 'driver'));
  }),
  served(
    ['-pflash'],
    'FILE',
    'a flash bank: the first holds firmware, such as EDK2, the second its variables',
    drive('-pflash', ['if', 'pflash'], ['format', 'raw']),
  ),
  served(
    ['-snapshot'],
    undefined,
    'keep what the guest writes to drives apart, and forget it at the end; Ctrl-A s writes it back',
    (wanted) => {
      wanted.isSnapshot = true;
    },
  ),
  served(['-display'], 'none|vnc=[HOST]:DISPLAY', 'there is no window; or the screen is shown by VNC', readDisplay),
  served(['-vnc'], '[HOST]:DISPLAY|unix:PATH|none', 'show the screen of -device virtio-gpu-pci by VNC', (wanted, argument) => {
    wanted.vnc = Properties.of('-vnc', argument, 'vnc');
  }),
  served(['-vga'], 'none', 'there is no graphics card', readVga),
  served(['-nographic'], undefined, 'this terminal is the serial line and, after Ctrl-A c, the monitor', (wanted) => {
    wanted.isGraphic = false;
  }),
  served(
    ['-netdev'],
    'user|stream|dgram|socket,id=ID[,…]',
    "a network for the -device with netdev=ID: user is NAT, with hostfwd=, net= and restrict=, and the host's own address at the gateway",
    (wanted, argument) => {
      wanted.netdevs.push(Properties.of('-netdev', argument, 'type'));
    },
    'networks',
  ),
  served(
    ['-nic'],
    'none|user|stream|dgram|socket[,model=virtio-net-pci][,mac=ADDRESS][,…]',
    'a network and the adapter at it; without one there is none, as on this board of QEMU',
    (wanted, argument, where) => {
      if (argument === 'none') wanted.note(where, NO_NETWORK);
      else wanted.nics.push(Properties.of('-nic', argument, 'type'));
    },
    'networks',
  ),
  served(['-net'], 'none', 'no network; others are refused: write -nic', (wanted, argument, where) => {
    if (argument !== 'none') throw new QemuError(where, 'there are no hubs here: write -nic user,model=virtio-net-pci');
    wanted.note(where, NO_NETWORK);
  }),
  served(
    ['-chardev'],
    'KIND,id=ID[,…]',
    'a line: stdio, file, pipe, socket or null',
    (wanted, argument) => {
      wanted.chardevs.push(Properties.of('-chardev', argument, 'backend'));
    },
    'lines',
  ),
  served(
    ['-fsdev'],
    'local,id=ID,path=FOLDER[,readonly=on][,security_model=…]',
    'a folder of this computer for the -device virtio-9p-device or -pci with fsdev=ID',
    readFolder,
  ),
  served(['-virtfs'], 'local,path=FOLDER,mount_tag=TAG[,…]', 'a folder of this computer, by virtio-9p-pci', readVirtfs),
  served(['-object'], 'rng-random|rng-builtin,id=ID', 'entropy of the host, for virtio-rng with rng=ID; others are refused', readObject),
  served(
    ['-icount'],
    'shift=N|auto',
    'taken, with a warning: the clock is the time that passes, not a count of instructions',
    (wanted, _argument, where) => wanted.warn(where, 'the clock is the time that passes here; programs run at the speed that they run'),
  ),
  served(['-bios'], 'default|none|FILE', 'firmware: OpenSBI, none, or a file that runs in machine mode  [default]', (wanted, argument) => {
    wanted.bios = argument;
  }),
  served(['-kernel'], 'FILE', 'the kernel: Linux Image, ELF file or flat binary', (wanted, argument) => {
    wanted.kernel = argument;
  }),
  served(['-append'], 'TEXT', "the kernel's command line", (wanted, argument) => {
    wanted.append = argument;
  }),
  served(['-initrd'], 'FILE', "the kernel's initial file system", (wanted, argument) => {
    wanted.initrd = argument;
  }),
  served(['-dtb'], 'FILE', "a device tree in place of the board's own", (wanted, argument) => {
    wanted.deviceTree = argument;
  }),
  served(['-fw_cfg'], '[name=]NAME,file=FILE|string=TEXT', 'an item that firmware and kernel find in fw_cfg', (wanted, argument) => {
    wanted.fwCfg.push(Properties.of('-fw_cfg', argument, 'name'));
  }),
  served(
    ['-serial'],
    'LINE',
    'where the UART goes: stdio, mon:stdio, file:PATH, pipe:PATH, tcp:…, unix:…, chardev:ID, null or none',
    (wanted, argument) => {
      wanted.serials.push(argument);
    },
  ),
  served(['-monitor'], 'LINE', 'where the monitor is, as for -serial; its `help` lists what it can do', (wanted, argument) => {
    wanted.monitors.push(argument);
  }),
  served(['-mon'], '[chardev=]ID', 'a monitor on the line of that -chardev', readMonitor),
  served(['-pidfile'], 'FILE', 'write the number of the process to a file', (wanted, argument) => {
    wanted.pidFile = argument;
  }),
  served(
    ['-S'],
    undefined,
    'hold the harts before their first instruction, until `cont` in the monitor or a debugger says to go on',
    (wanted) => {
      wanted.isFrozen = true;
    },
  ),
  served(['-gdb'], 'tcp:[HOST]:PORT', 'wait for gdb there', (wanted, argument) => {
    wanted.gdb = argument;
  }),
  served(['-s'], undefined, 'short for -gdb tcp::1234', (wanted) => {
    wanted.gdb = 'tcp::1234';
  }),
  served(
    ['-d'],
    'ITEM[,…]',
    'log on stderr: int (traps), in_asm, exec or cpu (each instruction, and what it changes); guest_errors and unimp are told in any case',
    (wanted, argument) => {
      wanted.logItems.push(...argument.split(','));
    },
    'log items',
  ),
  served(['-D'], 'FILE', 'the log goes to a file', (wanted, argument) => {
    wanted.logFile = argument;
  }),
  served(['-L'], 'FOLDER', 'where -bios is looked for by its name', (wanted, argument) => {
    wanted.libraries.push(argument);
  }),
  served(['-no-reboot'], undefined, 'end where the guest asks for a reboot', (wanted) => {
    wanted.reboots = false;
  }),
  served(['-action'], 'reboot=reset|shutdown', 'what becomes of a reboot', readAction),
  served(['-rtc'], 'base=utc|localtime', 'the time of day; other values are refused', (wanted, argument) => {
    wanted.rtc = wanted.rtc.with(Properties.of('-rtc', argument));
  }),
  served(['-echr'], 'CODE', 'the key that begins a command of the terminal, in place of Ctrl-A', readEscape),
  served(['-nodefaults'], undefined, 'no serial line and no monitor unless they are named', (wanted) => {
    wanted.hasDefaults = false;
  }),
  served(['-semihosting'], undefined, 'serve semihosting calls: console, files, exit', (wanted) => {
    wanted.semihosting ??= Properties.of('-semihosting', 'enable=on');
  }),
  served(
    ['-semihosting-config'],
    '[enable=on|off][,target=native|gdb|auto][,arg=TEXT…]',
    'the same, with arguments for the program',
    (wanted, argument) => {
      wanted.semihosting = Properties.of('-semihosting-config', argument, 'enable');
    },
  ),
  served(['-verbose'], undefined, 'say what was asked for and makes no difference here (no option of QEMU)', (wanted) => {
    wanted.isVerbose = true;
  }),
];
