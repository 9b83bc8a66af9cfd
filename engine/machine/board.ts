import { randomBytes } from 'node:crypto';
import type { LiveAudio } from '../backend/audio/live-audio';
import { FlashFile } from '../backend/flash-file';
import { SerialKeyboard } from '../display/serial-keyboard';
import { Scanout } from '../gpu/scanout';
import { CACHE_BLOCK_SHIFT } from '../hart/extension-bits';
import { type HartProfile, isaExtensions, isaString } from '../hart/isa/extensions';
import type { BoardDevice } from '../bus/device';
import { DeviceManager } from '../bus/device-manager';
import type { SavedState } from '../bus/device-state';
import { MmioBus } from '../bus/mmio-bus';
import { VmError } from '../errors/vm-error';
import { requireOutput } from '../host/output-file';
import { Clint } from '../interrupt/clint';
import { InterruptControllers, type InterruptPlan } from '../interrupt/interrupt-controllers';
import { DirectMemoryAccess } from '../memory/direct-memory-access';
import type { GuestMemory } from '../memory/guest-memory';
import { HART_INSTRET, HART_SLEEPING, HART_STRIDE, HARTS_BASE } from '../memory/layout';
import { PciHostBridge } from '../pci/host-bridge';
import { GuestClock } from '../threads/guest-clock';
import type { HartBoard } from '../threads/hart-board';
import type { VirtioDevice } from '../virtio/device';
import type { HumanInput, InputKind } from '../virtio/devices/human-input';
import type { VirtioBalloon } from '../virtio/devices/balloon';
import type { InputEvent } from '../virtio/devices/input';
import type { PowerButton } from '../virtio/devices/power-button';
import type { VirtioConsole } from '../virtio/devices/console';
import type { ConsolePort } from '../virtio/devices/console-port';
import type { VirtioSound } from '../virtio/devices/sound/device';
import type { VirtioWatchdog } from '../virtio/devices/watchdog';
import { createVirtioDevices, type PlacedDevice, type VirtioBus, type VirtioPlace } from '../virtio/registry';
import { BootScreen, framebufferBytes, RAMFB_BYTES, RAMFB_FILE } from '../board/boot-screen';
import { type AcpiMachine, acpiTables } from '../board/acpi/acpi-tables';
import { acpiFiles } from '../board/acpi/table-loader';
import {
  APLIC_BASES,
  APLIC_SOURCES,
  CLINT_BASE,
  FINISHER_BASE,
  FLASH_BASE,
  FRAMEBUFFER_BASE,
  FW_CFG_BASE,
  IMSIC_BASES,
  PCI_MAP,
  PLIC_BASE,
  PLIC_SOURCES,
  RAM_BASE,
  RTC_BASE,
  RTC_SOURCE,
  TIMEBASE,
  UART_BASE,
  UART_SOURCE,
  VIRTIO_BASE,
  VIRTIO_FIRST_SOURCE,
  VIRTIO_SLOTS,
  VIRTIO_STRIDE,
  WATCHDOG_BASE,
} from '../board/board-map';
import type { Boot } from './boot/boot-files';
import { readImageFile } from '../images/image-file';
import type { MachineConfig } from '../settings/settings';
import type { DeviceTreeNode } from '../bus/device-tree';
import { deviceTreeBlob } from '../board/device-tree-blob';
import type { InferenceServer } from '../backend/inference/inference-server';
import { type MachineAudio, openAudio } from './audio';
import { Drives } from './drives';
import { INFERENCE_PORTS, openInference, serveInference } from './inference';
import { Networks, type NetworksOptions } from './networks';
import { Shares } from './shares';
import { FLASH_BANK_BYTES, FlashBank } from '../board/flash/flash-bank';
import { FW_CFG, FW_CFG_BYTES, FwCfg } from '../board/fw-cfg';
import { GoldfishRtc } from '../board/goldfish-rtc';
import { MachineConsole } from './machine-console';
import { machineTree, withChosen } from '../board/machine-tree';
import { RESET_ROM_BASE, RESET_ROM_SIZE, resetRom } from '../board/reset-rom';
import { type FinisherRequest, TestFinisher } from '../board/test-finisher';
import { type GuestProgress, Uart, UART_CLOCK } from '../board/uart';
import { Watchdog } from '../board/watchdog';
import { VirtioPlaces } from './virtio-places';

/** Bytes of a file that the user puts into fw_cfg. */
const FW_CFG_FILE_MAX = 64 << 20;

export interface BoardOptions {
  config: MachineConfig;
  memory: GuestMemory;
  boot: Boot;
  /** Names of console ports beside the console itself. */
  ports: string[];
  network?: NetworksOptions;
  finisher: (request: FinisherRequest) => void;
  /** The guest has not been heard of by its watchdog in time. */
  watchdog: () => void;
  warn: (error: VmError) => void;
  /** The host has no space for a write to a disk image, which waits: resolve with whether to try it again. */
  full: (error: VmError) => Promise<boolean>;
  /** The flags that V8 runs the harts with. */
  v8Flags?: readonly string[];
  /** Gets the virtio devices' trace, if that is wanted. */
  traceVirtio?: (line: string) => void;
}

/** A range of physical addresses: memory, or a device's registers. */
export interface MemoryMapEntry {
  base: number;
  size: number;
  kind: 'ram' | 'rom' | 'device';
  name: string;
}

/** The devices of a machine on their bus: those of QEMU's `virt` board, at the same places. */
export class Board {
  readonly bus = new MmioBus();
  readonly console: MachineConsole;
  readonly dma: DirectMemoryAccess;
  readonly devices: DeviceManager<VirtioDevice, VirtioBus | VirtioPlace>;
  /** What its screens show. */
  readonly scanouts: readonly Scanout[];
  /** Undefined for a machine without screens. */
  private readonly bootScreen: BootScreen | undefined;
  private readonly clint: Clint;
  private readonly interrupts: InterruptControllers;
  private readonly finisher: TestFinisher;
  private readonly rtc: GoldfishRtc;
  private readonly uart: Uart;
  private readonly fwCfg: FwCfg;
  private readonly virtio: VirtioPlaces;
  /** Terminals beside the console. */
  readonly terminals: readonly ConsolePort[];
  private readonly namedPorts: VirtioConsole | undefined;
  private readonly powerButton: PowerButton | undefined;
  private readonly memoryBalloon: VirtioBalloon | undefined;
  private readonly watchdogs: readonly (Watchdog | VirtioWatchdog)[];
  /** Those who listen to the sound card. */
  get liveAudio(): LiveAudio | undefined {
    return this.audio?.live;
  }

  /** Undefined for a machine without. */
  readonly soundCard: VirtioSound | undefined;
  private readonly inputs: ReadonlyMap<InputKind, HumanInput>;
  private serialKeyboard = new SerialKeyboard();
  /** More was typed than the guest reads. */
  private serialIsFull = false;

  private constructor(
    private readonly options: BoardOptions,
    readonly drives: Drives,
    readonly networks: Networks,
    private readonly shares: Shares,
    private readonly flashFile: FlashFile | undefined,
    private readonly audio: MachineAudio | undefined,
    private readonly inference: InferenceServer | undefined,
    fwCfgFiles: ReadonlyMap<string, Uint8Array>,
  ) {
    const { config, memory, boot } = options;
    this.dma = new DirectMemoryAccess({ memory });
    this.interrupts = new InterruptControllers(memory.memory, config.harts, this.interruptPlan());
    const { wires } = this.interrupts;
    this.clint = new Clint({ memory: memory.memory, base: CLINT_BASE, harts: config.harts, time: new GuestClock(memory.memory, TIMEBASE) });
    this.finisher = new TestFinisher(FINISHER_BASE, options.finisher);
    this.rtc = new GoldfishRtc({ base: RTC_BASE, line: wires.line(RTC_SOURCE) });

    this.scanouts = createScanouts(config);
    const { scanouts } = this;
    this.bootScreen = scanouts.length > 0 ? new BootScreen(memory, scanouts[0], screenSize(config)) : undefined;
    const devices = createVirtioDevices({
      config,
      // First, so that they have their names when the guest knows all others.
      ports: [...(inference ? INFERENCE_PORTS : []), ...options.ports],
      drives,
      networks: networks.placed,
      shares: shares.placed,
      audio: audio?.backend,
      inference,
      watchdog: options.watchdog,
      scanouts,
    });
    this.terminals = devices.console.slice(1).map(({ device }) => device.console);
    this.namedPorts = devices.ports[0]?.device;
    if (inference) for (const name of INFERENCE_PORTS) serveInference(this.port(name), inference);
    const watchdog = config.watchdog === 'off' ? undefined : new Watchdog({ base: WATCHDOG_BASE, bite: options.watchdog });
    this.watchdogs = [...(watchdog ? [watchdog] : []), ...devices.watchdog.map(({ device }) => device)];
    this.powerButton = devices.powerButton[0]?.device;
    this.memoryBalloon = devices.balloon[0]?.device;
    this.soundCard = devices.sound[0]?.device;
    this.inputs = new Map(devices.input.map(({ device }) => [device.kind, device]));
    this.uart = new Uart({
      base: UART_BASE,
      line: wires.requestLine(UART_SOURCE),
      output: (data) => this.console.deliver(data),
      drained: () => this.console.inputDrained(),
      guest: guestProgress(memory.words, config.harts),
    });
    this.console = new MachineConsole({
      virtio: devices.console[0]?.device.console,
      uart: this.uart,
      inputToVirtio: boot.isDefaultGuest,
      warn: options.warn,
    });
    this.console.onDrain(() => (this.serialIsFull = false));

    const { messageParent } = this.interrupts;
    const send = (address: number, data: number): void => this.interrupts.sendMessage(address, data);
    const bridge = new PciHostBridge({
      map: PCI_MAP,
      wires,
      messages: messageParent === undefined ? undefined : { parent: messageParent, send },
    });
    const vacate = (slot: string): void => void this.devices.remove(slot);
    const { bus, virtio, virtioMmio, virtioStrict } = config;
    this.virtio = new VirtioPlaces({
      memory,
      wires,
      bridge,
      bus,
      features: virtio,
      legacy: virtioMmio === 'legacy',
      strict: virtioStrict,
      vacate,
      warn: options.warn,
      trace: options.traceVirtio,
    });
    this.devices = new DeviceManager(this.bus, this.virtio);
    const register = (...own: BoardDevice[]): void => {
      for (const device of own) this.devices.register(device);
    };
    // Interrupt controllers come first, as what is restored last.
    register(this.clint, ...this.interrupts.devices, this.finisher, this.rtc, this.uart, ...bridge.devices);
    if (watchdog) register(watchdog);
    const placed: readonly PlacedDevice[] = Object.values(devices).flat();
    // Who has to sit somewhere comes first, so that nobody else sits there.
    for (const { device, bus, slot } of placed.filter(({ slot }) => slot !== undefined)) this.devices.register(device, { bus, slot });
    for (const { device, bus } of placed.filter(({ slot }) => slot === undefined)) this.devices.register(device, bus);
    this.fwCfg = this.fillFwCfg(new Map([...this.describeToAcpi(this.virtio.occupiedSlots()), ...fwCfgFiles]));
    register(this.fwCfg, ...this.fillFlash(), ...this.virtio.emptySlots());
  }

  /** Opens drives, networks and shares. Throws VmError if one of them cannot be used. */
  static async create(options: BoardOptions): Promise<Board> {
    const drives = await Drives.open(options.config, options.full);
    try {
      return await Board.withNetworks(options, drives);
    } catch (error) {
      await drives.close();
      throw error;
    }
  }

  private static async withNetworks(options: BoardOptions, drives: Drives): Promise<Board> {
    const networks = await Networks.open(options.config, options.network);
    try {
      return await Board.withShares(options, drives, networks);
    } catch (error) {
      await networks.close();
      throw error;
    }
  }

  private static async withShares(options: BoardOptions, drives: Drives, networks: Networks): Promise<Board> {
    const shares = await Shares.open(options.config);
    try {
      return await Board.withFirmware(options, drives, networks, shares);
    } catch (error) {
      await shares.close();
      throw error;
    }
  }

  private static async withFirmware(options: BoardOptions, drives: Drives, networks: Networks, shares: Shares): Promise<Board> {
    const { config, boot } = options;
    const files = await readFwCfgFiles(config);
    if (config.watchdog !== 'off' && config.watchdogDump !== undefined) await requireOutput(config.watchdogDump);
    const audio = await openAudio(config, options.warn);
    const inference = await openInference(config, options.v8Flags ?? []);
    const template = boot.flashTemplate;
    const flash = config.flashVars === undefined ? undefined : await FlashFile.open(config.flashVars, { size: FLASH_BANK_BYTES, template });
    try {
      return new Board(options, drives, networks, shares, flash, audio, inference, files);
    } catch (error) {
      await flash?.close();
      await inference?.close();
      throw error;
    }
  }

  /** A named console port. Throws VmError 'Config' if the machine was made without it. */
  port(name: string): ReturnType<VirtioConsole['port']> {
    if (!this.namedPorts)
      throw VmError.config(`The machine has no console port "${name}": it was made without named ports.`, {
        code: 'console-port-unknown',
        params: { name },
      });
    return this.namedPorts.port(name);
  }

  /** What the harts have to know. */
  hartBoard({ trace, execTrace, profile, semihosting }: Pick<HartBoard, 'trace' | 'execTrace' | 'profile' | 'semihosting'>): HartBoard {
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
      hostSleep: this.options.config.hostSleep,
      ...(semihosting && { semihosting }),
      trace,
      execTrace,
      profile,
    };
  }

  /** Power-on: devices as new, and memory holding what boots. No hart may be running. */
  async powerOn(): Promise<void> {
    this.devices.fixBus();
    this.console.divert(undefined);
    this.virtio.powerOn();
    this.networks.powerOn();
    this.devices.reset();
    this.bootScreen?.reset();
    // The driver that it had may have been told of keys that were let go.
    this.serialKeyboard = new SerialKeyboard();
    this.serialIsFull = false;
    // Requests from before a reboot may still write to memory.
    for (const transport of this.virtio.transports) await transport.drained();
    this.load();
  }

  /** False where the guest has no driver for it, or not yet. Throws VmError 'Config' if the machine was made without it. */
  pressPowerButton(): boolean {
    if (!this.powerButton)
      throw VmError.config(
        'The machine has no power button by which it could be asked to shut down (powerButton is off, as for bare-metal programs). Switch it off at once: hartbox stop BOX --force.',
        { code: 'no-power-button' },
      );
    return this.powerButton.press();
  }

  /** What it has to type and point with. */
  get inputKinds(): InputKind[] {
    return [...this.inputs.keys()];
  }

  /** Throws VmError 'Config' if the machine was made without it. */
  input(kind: InputKind): HumanInput {
    const device = this.inputs.get(kind);
    if (device) return device;
    throw VmError.config(`The machine has no ${kind}: its configuration does not name it under input.`, {
      code: 'no-input-device',
      params: { device: kind },
    });
  }

  /** Something happens at such a device. Returns and throws as VirtualMachine.input(). */
  report(kind: InputKind, events: readonly InputEvent[]): boolean {
    const device = this.input(kind);
    // Stock U-Boot and EDK2 have drivers for keyboards on USB alone.
    if (kind !== 'keyboard' || device.hasListener || !this.console.isSerial) return device.report(events);
    const typed = this.serialKeyboard.type(events);
    if (typed === '') return true;
    if (this.serialIsFull) return false;
    this.serialIsFull = !this.console.write(new TextEncoder().encode(typed));
    return true;
  }

  /** Throws VmError 'Config' if the machine was made without it. */
  get balloon(): VirtioBalloon {
    if (this.memoryBalloon) return this.memoryBalloon;
    throw VmError.config(
      'The machine has no memory balloon: its configuration says balloon: false, or it starts a program in machine mode.',
      {
        code: 'no-balloon',
      },
    );
  }

  /** The state of all devices, as plain data, by their names; guest memory is not part of it. No hart may be running. The devices work on when this resolves. */
  async snapshot(): Promise<Record<string, SavedState>> {
    const { transports } = this.virtio;
    try {
      for (const transport of transports) await transport.sleep();
      return this.devices.snapshot();
    } finally {
      for (const transport of transports) transport.wake();
    }
  }

  /**
   * Into a board of the same configuration that is switched on, with guest memory already as it was; no hart may be running. Throws VmError
   * 'State', and changes nothing, for the state of another machine.
   */
  restore(saved: unknown): void {
    this.devices.restore(saved);
    for (const transport of this.virtio.transports) transport.wake();
  }

  /** The machine is paused, or goes on: for what keeps time by itself. */
  setPaused(isPaused: boolean): void {
    this.networks.setPaused(isPaused);
    this.soundCard?.setPaused(isPaused);
    for (const watchdog of this.watchdogs) watchdog.setPaused(isPaused);
  }

  /** Hands on output that is still gathered. */
  flush(): void {
    this.uart.flush();
  }

  /** Releases timers and files. No hart may be running; the board is not used afterwards. */
  async close(): Promise<void> {
    this.rtc.close();
    this.bootScreen?.close();
    for (const watchdog of this.watchdogs) if (watchdog instanceof Watchdog) watchdog.reset();
    this.uart.close();
    for (const transport of this.virtio.transports) {
      transport.reset();
      await transport.drained();
    }
    this.audio?.backend.close();
    await this.inference?.close();
    await this.networks.close();
    await this.shares.close();
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
    const { boot } = this.options;
    for (const { address, bytes, memoryBytes } of boot.segments) {
      dma.copyToGuest(bytes, address);
      dma.view(address + bytes.length, memoryBytes - bytes.length).fill(0);
      dma.wrote(address + bytes.length, memoryBytes - bytes.length);
    }
    dma.copyToGuest(this.deviceTree(), boot.deviceTree);
    dma.copyToGuest(resetRom(boot), RESET_ROM_BASE);
  }

  /** The tree that the guest gets, flattened; each has a random seed of its own. */
  deviceTree(): Uint8Array {
    const { boot, config } = this.options;
    if (boot.deviceTreeFile) return deviceTreeBlob(withChosen(boot.deviceTreeFile, boot));
    return deviceTreeBlob(
      machineTree({
        harts: config.harts,
        profile: this.profile,
        memory: config.memory,
        append: boot.append,
        initrd: boot.initrd,
        stdoutPath: `/soc/${this.uart.name}`,
        rngSeed: randomBytes(32),
        devices: this.devices.deviceTreeNodes(),
        others: [
          ...this.finisher.systemControlNodes(),
          this.fwCfg.rootNode(),
          flashNode(),
          ...(this.bootScreen ? [this.bootScreen.rootNode()] : []),
        ],
      }),
    );
  }

  memoryMap(): MemoryMapEntry[] {
    const { memory } = this.options;
    const devices = this.devices.all().flatMap((device): MemoryMapEntry[] => {
      if (!('base' in device && 'size' in device)) return [];
      return [{ base: Number(device.base), size: Number(device.size), kind: 'device', name: device.name }];
    });
    const ranges = memory.plan.regions
      .filter(({ base }) => !devices.some((one) => one.base === base))
      .map(
        ({ base, size, readonly }): MemoryMapEntry => ({
          base,
          size,
          kind: readonly ? 'rom' : 'ram',
          name: readonly ? 'reset ROM' : base === FRAMEBUFFER_BASE ? 'framebuffer' : 'RAM',
        }),
      );
    return [...devices, ...ranges].sort((a, b) => a.base - b.base);
  }

  private get profile(): HartProfile {
    const { extensionsOff, aia } = this.options.config;
    return { off: extensionsOff, imsics: aia === 'aplic-imsic' };
  }

  /** The files from which firmware makes ACPI tables, for operating systems that do without the device tree. */
  private describeToAcpi(virtio: AcpiMachine['virtio']): Map<string, Uint8Array> {
    const extensions = isaExtensions(this.profile);
    const blockShift = (extension: string): number => (extensions.includes(extension) ? CACHE_BLOCK_SHIFT : 0);
    const tables = acpiTables({
      harts: this.options.config.harts,
      isa: isaString(this.profile),
      cacheBlocks: { managed: blockShift('zicbom'), prefetched: blockShift('zicbop'), zeroed: blockShift('zicboz') },
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
    const { bootScreen } = this;
    if (bootScreen && config.graphics !== 'virtio') fwCfg.setWritableFile(RAMFB_FILE, RAMFB_BYTES, (bytes) => bootScreen.configure(bytes));
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

function createScanouts(config: MachineConfig): Scanout[] {
  return Array.from({ length: config.screens }, () => new Scanout(screenSize(config)));
}

function screenSize({ screenSize: size }: MachineConfig): { width: number; height: number } {
  const [width, height] = size.split('x').map(Number);
  return { width, height };
}

/** The memory of a machine: RAM first. */
export function memoryRegions(config: MachineConfig): { base: number; size: number; readonly?: boolean; device?: boolean }[] {
  return [
    { base: RAM_BASE, size: config.memory },
    { base: RESET_ROM_BASE, size: RESET_ROM_SIZE, readonly: true },
    { base: FLASH_BASE, size: FLASH_BANK_BYTES, device: true },
    { base: FLASH_BASE + FLASH_BANK_BYTES, size: FLASH_BANK_BYTES, device: true },
    ...(config.screens > 0 ? [{ base: FRAMEBUFFER_BASE, size: framebufferBytes(screenSize(config)) }] : []),
  ];
}

/** How far the harts have come, as far as they have told. */
function guestProgress(words: Int32Array, harts: number): GuestProgress {
  const marks = new Int32Array(harts);
  const word = (hart: number, offset: number): number => Atomics.load(words, (HARTS_BASE + hart * HART_STRIDE + offset) >>> 2);
  return {
    mark: () => {
      for (let hart = 0; hart < harts; hart++) marks[hart] = word(hart, HART_INSTRET);
    },
    hasExecuted: (instructions) => {
      for (let hart = 0; hart < harts; hart++) {
        if (word(hart, HART_SLEEPING) === 0 && (word(hart, HART_INSTRET) - marks[hart]) >>> 0 < instructions) return false;
      }
      return true;
    },
  };
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
