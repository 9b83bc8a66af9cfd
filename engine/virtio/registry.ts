import type { AudioBackend } from '../backend/audio/audio-backend';
import type { InferenceServer } from '../backend/inference/inference-server';
import { hostPages } from '../backend/host-pages';
import type { Scanout } from '../gpu/scanout';
import type { MachineConfig } from '../settings/settings';
import type { VirtioDevice } from './device';
import { VirtioAi } from './devices/ai';
import { VirtioBalloon } from './devices/balloon';
import type { VirtioBlock } from './devices/block';
import { VirtioConsole } from './devices/console';
import { VirtioCrypto } from './devices/crypto/device';
import { VirtioFs } from './devices/fs/device';
import type { VirtioNet } from './devices/net/device';
import { VirtioGpu } from './devices/gpu/device';
import { HumanInput, type InputKind } from './devices/human-input';
import { Virtio9p } from './devices/nine-p/device';
import { PowerButton } from './devices/power-button';
import { VirtioRng } from './devices/rng';
import type { VirtioScsi } from './devices/scsi/device';
import { VirtioSound } from './devices/sound/device';
import { VirtioWatchdog } from './devices/watchdog';

/** The buses that a virtio device can sit on. */
export type VirtioBus = MachineConfig['bus'];

/** Where a device has to sit: on which bus, where the machine's others do not sit there too, and at which of its places, the first unless given. */
export interface VirtioPlace {
  bus?: VirtioBus | undefined;
  /** A slot of MMIO, or the number of a PCI device. */
  slot?: number | undefined;
}

export interface PlacedDevice<Device extends VirtioDevice = VirtioDevice> extends VirtioPlace {
  device: Device;
}

/** What rows make devices of. */
export interface VirtioMachine {
  config: MachineConfig;
  /** Names of console ports beside the console itself. */
  ports: readonly string[];
  /** The devices in which the guest sees the machine's drives, whose images are open already. */
  drives: { readonly disks: readonly PlacedDevice<VirtioBlock>[]; readonly adapters: readonly PlacedDevice<VirtioScsi>[] };
  /** Its network adapters, whose back ends are open already. */
  networks: readonly PlacedDevice<VirtioNet>[];
  /** Where its sound goes and comes from; undefined for a machine without. */
  audio?: AudioBackend | undefined;
  /** What runs models for it; undefined for a machine without. */
  inference?: InferenceServer | undefined;
  /** The guest has not been heard of by its watchdog in time. */
  watchdog?: () => void;
  /** Its screens. */
  scanouts: readonly Scanout[];
  /** Its shared folders, which are open already. */
  shares: readonly PlacedDevice<Virtio9p | VirtioFs>[];
}

/** A kind of virtio device. What it is to the guest (device type, PCI class, queues, features) its class says. */
export interface VirtioRow<Device extends VirtioDevice = VirtioDevice> {
  /**
   * Modules of Debian's kernel that the built-in guest gets: the driver, then what this needs to be of use, which the kernel does not load by
   * itself. None where the driver is part of the kernel.
   */
  guestModules: readonly string[];
  /** The devices of this kind that a machine has, in the order in which they get their places. */
  create(machine: VirtioMachine): readonly PlacedDevice<Device>[];
}

/** Whether a machine has a device that nobody asked for: programs in machine mode find what they find on QEMU. */
function hasExtra(choice: 'auto' | 'on' | 'off', { config }: VirtioMachine): boolean {
  return choice === 'auto' ? config.source !== 'elf' : choice === 'on';
}

/** What was asked for, each once. A screen is of no use without something to type and point with. */
function inputKinds({ input, screens }: MachineConfig): InputKind[] {
  if (input.length === 0 && screens > 0) return ['keyboard', 'tablet'];
  return [...new Set(input)];
}

function ofKind<Device extends VirtioDevice>(
  placed: readonly PlacedDevice[],
  kind: abstract new (...args: never[]) => Device,
): PlacedDevice<Device>[] {
  return placed.filter((one): one is PlacedDevice<Device> => one.device instanceof kind);
}

/**
 * All kinds of virtio device, in the order in which their devices get places. Guests know MMIO slots and PCI functions by number: what the user
 * asks for has the first ones, as on QEMU's command line; behind it comes what machines have of themselves. README.md tells how to add one.
 */
export const virtioRegistry = {
  block: {
    guestModules: ['virtio_blk'],
    create: ({ drives }) => drives.disks,
  } satisfies VirtioRow<VirtioBlock>,
  scsi: {
    guestModules: ['virtio_scsi', 'sd_mod', 'sr_mod'],
    create: ({ drives }) => drives.adapters,
  } satisfies VirtioRow<VirtioScsi>,
  net: {
    guestModules: ['virtio_net'],
    create: ({ networks }) => networks,
  } satisfies VirtioRow<VirtioNet>,
  /** On PCI, whatever the others are on: Mesa and Xorg look for it there alone. */
  gpu: {
    guestModules: ['virtio_gpu'],
    create: ({ config, scanouts }) =>
      config.graphics !== 'ramfb' && scanouts.length > 0 ? [{ device: new VirtioGpu({ scanouts }), bus: 'pci' }] : [],
  } satisfies VirtioRow<VirtioGpu>,
  /** The kernel loads 9p itself, when something is mounted. */
  nineP: {
    guestModules: ['9pnet_virtio'],
    create: ({ shares }) => ofKind(shares, Virtio9p),
  } satisfies VirtioRow<Virtio9p>,
  fs: {
    guestModules: ['virtiofs'],
    create: ({ shares }) => ofKind(shares, VirtioFs),
  } satisfies VirtioRow<VirtioFs>,
  input: {
    guestModules: ['virtio_input', 'evdev'],
    create: ({ config }) => inputKinds(config).map((kind) => ({ device: new HumanInput(kind) })),
  } satisfies VirtioRow<HumanInput>,
  crypto: {
    guestModules: ['virtio_crypto', 'algif_skcipher'],
    create: ({ config }) => (config.crypto ? [{ device: new VirtioCrypto() }] : []),
  } satisfies VirtioRow<VirtioCrypto>,
  sound: {
    guestModules: ['virtio_snd'],
    create: ({ audio }) => (audio ? [{ device: new VirtioSound({ backend: audio }) }] : []),
  } satisfies VirtioRow<VirtioSound>,
  /** No kernel has a driver: resources/guest/modules. */
  ai: {
    guestModules: [],
    create: ({ inference }) => (inference ? [{ device: new VirtioAi({ server: inference }) }] : []),
  } satisfies VirtioRow<VirtioAi>,
  /** Beside the one on the board that stock kernels know; its driver is in resources/guest/modules. */
  watchdog: {
    guestModules: [],
    create: ({ config, watchdog }) => (config.watchdog !== 'off' && watchdog ? [{ device: new VirtioWatchdog({ bite: watchdog }) }] : []),
  } satisfies VirtioRow<VirtioWatchdog>,
  /** The terminal, and those beside it: Linux counts them in this order. */
  console: {
    guestModules: [],
    create: (machine) => {
      const { console, consoles, virtioConsole } = machine.config;
      const count = hasExtra(virtioConsole, machine) || consoles > 0 ? 1 + consoles : 0;
      return Array.from({ length: count }, () => ({ device: new VirtioConsole({ console }) }));
    },
  } satisfies VirtioRow<VirtioConsole>,
  /** A device with the named ports, if there are any. */
  ports: {
    guestModules: [],
    create: ({ ports }) => (ports.length > 0 ? [{ device: new VirtioConsole({ ports }) }] : []),
  } satisfies VirtioRow<VirtioConsole>,
  rng: {
    guestModules: ['virtio_rng'],
    create: (machine) =>
      hasExtra(machine.config.entropy, machine) ? [{ device: new VirtioRng({ rate: machine.config.entropyRate }) }] : [],
  } satisfies VirtioRow<VirtioRng>,
  /** This and what follows is last, so that nothing else has another place or number because of it. */
  powerButton: {
    guestModules: ['virtio_input', 'evdev'],
    create: (machine) => (hasExtra(machine.config.powerButton ? 'auto' : 'off', machine) ? [{ device: new PowerButton() }] : []),
  } satisfies VirtioRow<PowerButton>,
  balloon: {
    guestModules: ['virtio_balloon'],
    create: (machine) =>
      hasExtra(machine.config.balloon ? 'auto' : 'off', machine)
        ? [{ device: new VirtioBalloon({ memoryBytes: machine.config.memory, pages: hostPages() }) }]
        : [],
  } satisfies VirtioRow<VirtioBalloon>,
};

export type VirtioKind = keyof typeof virtioRegistry;

/** The virtio devices of a machine, by kind. */
export type VirtioDevices = { [Kind in VirtioKind]: ReturnType<(typeof virtioRegistry)[Kind]['create']> };

export function createVirtioDevices(machine: VirtioMachine): VirtioDevices {
  return Object.fromEntries(Object.entries(virtioRegistry).map(([kind, row]) => [kind, row.create(machine)])) as VirtioDevices;
}
