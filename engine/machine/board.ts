import { randomBytes } from 'node:crypto';
import { FlashFile } from '../backend/flash-file';
import { isaString } from '../hart/isa';
import { DeviceManager } from '../bus/device-manager';
import { MmioBus } from '../bus/mmio-bus';
import { VmError } from '../bus/vm-error';
import { Clint } from '../interrupt/clint';
import { InterruptControllers, type InterruptPlan } from '../interrupt/interrupt-controllers';
import { DirectMemoryAccess } from '../memory/direct-memory-access';
import type { GuestMemory } from '../memory/guest-memory';
import { PciHostBridge } from '../pci/host-bridge';
import { GuestClock } from '../process/guest-clock';
import type { HartBoard } from '../process/hart-board';
import type { VirtioDevice } from '../virtio/device';
import { VirtioConsole } from '../virtio/devices/console';
import { VirtioRng } from '../virtio/devices/rng';
import { type AcpiMachine, acpiTables } from './acpi/acpi-tables';
import { acpiFiles } from './acpi/table-loader';
import {
  APLIC_BASES,
  APLIC_SOURCES,
  CLINT_BASE,
  FINISHER_BASE,
  FLASH_BASE,
  FW_CFG_BASE,
  IMSIC_BASES,
  PCI_MAP,
  PLIC_BASE,
  PLIC_SOURCES,
  RTC_BASE,
  RTC_SOURCE,
  TIMEBASE,
  UART_BASE,
  UART_SOURCE,
  VIRTIO_BASE,
  VIRTIO_FIRST_SOURCE,
  VIRTIO_SLOTS,
  VIRTIO_STRIDE,
} from './board-map';
import type { Boot } from './boot/boot-files';
import { readImageFile } from './boot/image-file';
import type { MachineConfig } from './config';
import type { DeviceTreeNode } from './device-tree';
import { deviceTreeBlob } from './device-tree-blob';
import { Drives } from './drives';
import { FLASH_BANK_BYTES, FlashBank } from './flash/flash-bank';
import { FW_CFG, FW_CFG_BYTES, FwCfg } from './fw-cfg';
import { GoldfishRtc } from './goldfish-rtc';
import { MachineConsole } from './machine-console';
import { machineTree } from './machine-tree';
import { RESET_ROM_BASE, resetRom } from './reset-rom';
import { type FinisherRequest, TestFinisher } from './test-finisher';
import { Uart, UART_CLOCK } from './uart';
import { type VirtioBus, VirtioPlaces } from './virtio-places';

/** Bytes of a file that the user puts into fw_cfg. */
const FW_CFG_FILE_MAX = 64 << 20;

export interface BoardOptions {
  config: MachineConfig;
  memory: GuestMemory;
  boot: Boot;
  /** Names of console ports beside the console itself. */
  ports: string[];
  finisher: (request: FinisherRequest) => void;
  warn: (error: VmError) => void;
  /** The host has no space for a write to a disk image, which waits: resolve with whether to try it again. */
  full: (error: VmError) => Promise<boolean>;
  /** Gets the virtio devices' trace, if that is wanted. */
  traceVirtio?: (line: string) => void;
}

/** The devices of a machine on their bus: those of QEMU's `virt` board, at the same places. */
export class Board {
  readonly bus = new MmioBus();
  readonly console: MachineConsole;
  readonly dma: DirectMemoryAccess;
  readonly devices: DeviceManager<VirtioDevice, VirtioBus>;
  private readonly clint: Clint;
  private readonly interrupts: InterruptControllers;
  private readonly finisher: TestFinisher;
  private readonly rtc: GoldfishRtc;
  private readonly uart: Uart;
  private readonly fwCfg: FwCfg;
  private readonly virtio: VirtioPlaces;
  private readonly namedPorts: VirtioConsole | undefined;

  private constructor(
    private readonly options: BoardOptions,
    readonly drives: Drives,
    private readonly flashFile: FlashFile | undefined,
    fwCfgFiles: ReadonlyMap<string, Uint8Array>,
  ) {
    const { config, memory, boot } = options;
    this.dma = new DirectMemoryAccess({ memory });
    this.interrupts = new InterruptControllers(memory.memory, config.harts, this.interruptPlan());
    const { wires } = this.interrupts;
    this.clint = new Clint({ memory: memory.memory, base: CLINT_BASE, harts: config.harts, time: new GuestClock(memory.memory, TIMEBASE) });
    this.finisher = new TestFinisher(FINISHER_BASE, options.finisher);
    this.rtc = new GoldfishRtc({ base: RTC_BASE, line: wires.line(RTC_SOURCE) });

    const terminal = new VirtioConsole({ console: config.console });
    this.namedPorts = options.ports.length > 0 ? new VirtioConsole({ ports: options.ports }) : undefined;
    this.uart = new Uart({
      base: UART_BASE,
      line: wires.line(UART_SOURCE),
      output: (data) => this.console.deliver(data),
      drained: () => this.console.inputDrained(),
    });
    this.console = new MachineConsole({
      virtio: terminal.console,
      uart: this.uart,
      inputToVirtio: boot.isDefaultGuest,
      warn: options.warn,
    });

    const { messageParent } = this.interrupts;
    const send = (address: number, data: number): void => this.interrupts.sendMessage(address, data);
    const bridge = new PciHostBridge({
      map: PCI_MAP,
      wires,
      messages: messageParent === undefined ? undefined : { parent: messageParent, send },
    });
    const vacate = (slot: string): void => void this.devices.remove(slot);
    const { bus, virtio } = config;
    this.virtio = new VirtioPlaces({
      memory,
      wires,
      bridge,
      bus,
      features: virtio,
      vacate,
      warn: options.warn,
      trace: options.traceVirtio,
    });
    this.devices = new DeviceManager(this.bus, this.virtio);
    const controllers = [this.clint, ...this.interrupts.devices];
    for (const device of [...controllers, this.finisher, this.rtc, this.uart, ...bridge.devices]) this.devices.register(device);
    for (const device of [terminal, this.namedPorts, new VirtioRng()]) if (device) this.devices.register(device);
    for (const { device, bus } of drives.devices) this.devices.register(device, bus);
    this.fwCfg = this.fillFwCfg(new Map([...this.describeToAcpi(this.virtio.occupiedSlots()), ...fwCfgFiles]));
    for (const device of [this.fwCfg, ...this.fillFlash()]) this.devices.register(device);
    for (const slot of this.virtio.emptySlots()) this.devices.register(slot);
  }

  /** Opens the drives. Throws VmError if one of them cannot be used. */
  static async create(options: BoardOptions): Promise<Board> {
    const drives = await Drives.open(options.config, options.full);
    try {
      return await Board.withFirmware(options, drives);
    } catch (error) {
      await drives.close();
      throw error;
    }
  }

  private static async withFirmware(options: BoardOptions, drives: Drives): Promise<Board> {
    const { config, boot } = options;
    const files = await readFwCfgFiles(config);
    const template = boot.flashTemplate;
    const flash = config.flashVars === undefined ? undefined : await FlashFile.open(config.flashVars, { size: FLASH_BANK_BYTES, template });
    try {
      return new Board(options, drives, flash, files);
    } catch (error) {
      await flash?.close();
      throw error;
    }
  }

  /** A named console port. Throws VmError 'Config' if the machine was made without it. */
  port(name: string): ReturnType<VirtioConsole['port']> {
    if (!this.namedPorts) throw VmError.config(`The machine has no console port "${name}": it was made without named ports.`);
    return this.namedPorts.port(name);
  }

  /** What the harts have to know. */
  hartBoard(trace: string[], profile = false): HartBoard {
    // What the harts serve themselves.
    const { bus } = this;
    const local = [this.clint, ...this.interrupts.devices].map(({ base }) => base);
    return {
      timebase: TIMEBASE,
      resetVector: RESET_ROM_BASE,
      clint: { base: CLINT_BASE },
      interrupts: this.interruptPlan(),
      pci: { firstSource: PCI_MAP.firstSource },
      virtioMmio: { base: VIRTIO_BASE, stride: VIRTIO_STRIDE, count: VIRTIO_SLOTS, firstSource: VIRTIO_FIRST_SOURCE },
      // Devices may be registered until the harts start.
      get ranges() {
        return bus.ranges().filter(({ base }) => !local.includes(base));
      },
      jit: this.options.config.jit,
      trace,
      profile,
    };
  }

  /** Power-on: devices as new, and memory holding what boots. No hart may be running. */
  async powerOn(): Promise<void> {
    this.devices.fixBus();
    this.virtio.powerOn();
    this.devices.reset();
    // Requests from before a reboot may still write to memory.
    for (const transport of this.virtio.transports) await transport.drained();
    this.load();
  }

  /** Hands on output that is still gathered. */
  flush(): void {
    this.uart.flush();
  }

  /** Releases timers and files. No hart may be running; the board is not used afterwards. */
  async close(): Promise<void> {
    this.rtc.close();
    for (const transport of this.virtio.transports) {
      transport.reset();
      await transport.drained();
    }
    await this.drives.close();
    await this.flashFile?.close();
  }

  private interruptPlan(): InterruptPlan {
    const { aia } = this.options.config;
    if (aia === 'none') return { kind: 'plic', base: PLIC_BASE, sources: PLIC_SOURCES };
    const imsics = aia === 'aplic-imsic' ? IMSIC_BASES : undefined;
    return { kind: 'aplic', domains: APLIC_BASES, sources: APLIC_SOURCES, imsics };
  }

  private load(): void {
    const { dma } = this;
    const { boot, config } = this.options;
    for (const { address, bytes, memoryBytes } of boot.segments) {
      dma.copyToGuest(bytes, address);
      dma.view(address + bytes.length, memoryBytes - bytes.length).fill(0);
      dma.wrote(address + bytes.length, memoryBytes - bytes.length);
    }
    const tree = machineTree({
      harts: config.harts,
      extensions: this.extensions,
      memory: config.memory,
      append: boot.append,
      initrd: boot.initrd,
      stdoutPath: `/soc/${this.uart.name}`,
      rngSeed: randomBytes(32),
      devices: this.devices.deviceTreeNodes(),
      others: [...this.finisher.systemControlNodes(), this.fwCfg.rootNode(), flashNode()],
    });
    dma.copyToGuest(deviceTreeBlob(tree), boot.deviceTree);
    dma.copyToGuest(resetRom(boot), RESET_ROM_BASE);
  }

  /** Extensions of the harts that not every machine has. */
  private get extensions(): string[] {
    return this.options.config.aia === 'aplic-imsic' ? ['smaia', 'ssaia'] : [];
  }

  /** The files from which firmware makes ACPI tables, for operating systems that do without the device tree. */
  private describeToAcpi(virtio: AcpiMachine['virtio']): Map<string, Uint8Array> {
    const tables = acpiTables({
      harts: this.options.config.harts,
      isa: isaString(this.extensions),
      timebase: TIMEBASE,
      interrupts: this.interruptPlan(),
      uart: { base: UART_BASE, source: UART_SOURCE, clock: UART_CLOCK },
      fwCfg: { base: FW_CFG_BASE, size: FW_CFG_BYTES },
      virtio,
      pci: PCI_MAP,
    });
    return acpiFiles(tables);
  }

  private fillFwCfg(files: ReadonlyMap<string, Uint8Array>): FwCfg {
    const { memory, config, boot } = this.options;
    const fwCfg = new FwCfg(FW_CFG_BASE, memory, config.harts);
    for (const [name, bytes] of files) fwCfg.setFile(name, bytes);
    if (boot.kernel) fwCfg.setItem(FW_CFG.KERNEL, boot.kernel, FW_CFG.KERNEL_SIZE);
    if (boot.initrdFile) fwCfg.setItem(FW_CFG.INITRD, boot.initrdFile, FW_CFG.INITRD_SIZE);
    if (boot.kernel) fwCfg.setItem(FW_CFG.COMMAND_LINE, new TextEncoder().encode(`${boot.append}\0`), FW_CFG.COMMAND_LINE_SIZE);
    return fwCfg;
  }

  /** Firmware's code in one bank, its variables in the other. */
  private fillFlash(): FlashBank[] {
    const { memory, boot, warn } = this.options;
    const code = boot.flashCode && { contents: boot.flashCode, readonly: true };
    const kept = this.flashFile && { contents: this.flashFile.contents, store: this.flashFile };
    const variables = kept ?? (boot.flashTemplate && { contents: boot.flashTemplate });
    return [
      new FlashBank({ memory, warn, base: FLASH_BASE, ...code }),
      new FlashBank({ memory, warn, base: FLASH_BASE + FLASH_BANK_BYTES, ...variables }),
    ];
  }
}

/** Both banks are one device to its driver. */
function flashNode(): DeviceTreeNode {
  const banks = [FLASH_BASE, FLASH_BASE + FLASH_BANK_BYTES];
  return {
    name: `flash@${FLASH_BASE.toString(16)}`,
    properties: { compatible: 'cfi-flash', 'bank-width': [4], reg: banks.flatMap((base) => [{ u64: base }, { u64: FLASH_BANK_BYTES }]) },
  };
}

async function readFwCfgFiles({ fwCfg }: MachineConfig): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const { name, file, text = '' } of fwCfg) {
    files.set(
      name,
      file === undefined ? new TextEncoder().encode(text) : (await readImageFile('fw_cfg file', file, FW_CFG_FILE_MAX)).bytes,
    );
  }
  return files;
}
