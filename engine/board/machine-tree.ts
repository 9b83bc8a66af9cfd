import { CACHE_BLOCK_BYTES } from '../hart/extension-bits';
import { type HartProfile, isaExtensions, isaString } from '../hart/isa/extensions';
import { RAM_BASE, TIMEBASE } from './board-map';
import type { DeviceTreeNode } from '../bus/device-tree';

export interface MachineTreeOptions {
  harts: number;
  /** What the harts have. */
  profile: HartProfile;
  /** Bytes of RAM. */
  memory: number;
  /** The kernel's command line. */
  append: string;
  initrd?: { start: number; end: number };
  /** Where the console is: a path in the tree. */
  stdoutPath: string;
  /** Random bytes with which the kernel starts its generator. */
  rngSeed: Uint8Array;
  /** Nodes of the devices on the bus. */
  devices: DeviceTreeNode[];
  /** Nodes that stand beside the bus. */
  others: DeviceTreeNode[];
}

function cpuNode(hart: number, profile: HartProfile): DeviceTreeNode {
  const extensions = isaExtensions(profile);
  const blocks = (extension: string, property: string): Record<string, number[]> =>
    extensions.includes(extension) ? { [property]: [CACHE_BLOCK_BYTES] } : {};
  return {
    name: `cpu@${hart.toString(16)}`,
    label: `cpu${hart}`,
    properties: {
      device_type: 'cpu',
      reg: [hart],
      status: 'okay',
      compatible: 'riscv',
      'riscv,isa': isaString(profile),
      'riscv,isa-base': 'rv64i',
      'riscv,isa-extensions': extensions,
      ...blocks('zicbom', 'riscv,cbom-block-size'),
      ...blocks('zicbop', 'riscv,cbop-block-size'),
      ...blocks('zicboz', 'riscv,cboz-block-size'),
      'mmu-type': 'riscv,sv48',
    },
    children: [
      {
        name: 'interrupt-controller',
        label: `cpu${hart}_intc`,
        properties: { compatible: 'riscv,cpu-intc', 'interrupt-controller': true, '#interrupt-cells': [1] },
      },
    ],
  };
}

/** What the boot tells the kernel in `/chosen`. */
type Chosen = Pick<MachineTreeOptions, 'append' | 'initrd'>;

function initrdProperties(initrd: Chosen['initrd']): DeviceTreeNode['properties'] {
  return initrd ? { 'linux,initrd-start': [{ u64: initrd.start }], 'linux,initrd-end': [{ u64: initrd.end }] } : {};
}

/** A user's own tree, with what the boot says put into it. */
export function withChosen(tree: DeviceTreeNode, { append, initrd }: Chosen): DeviceTreeNode {
  const children = tree.children ?? [];
  const chosen = children.find(({ name }) => name === 'chosen') ?? { name: 'chosen', properties: {} };
  const properties = { ...chosen.properties, ...(append !== '' && { bootargs: append }), ...initrdProperties(initrd) };
  return { ...tree, children: [...children.filter((child) => child !== chosen), { ...chosen, properties }] };
}

/** The tree that tells the guest what the machine is made of. */
export function machineTree(options: MachineTreeOptions): DeviceTreeNode {
  const harts = Array.from({ length: options.harts }, (_, hart) => hart);
  const cores = harts.map((hart) => ({ name: `core${hart}`, properties: { cpu: [{ ref: `cpu${hart}` }] } }));
  const { initrd } = options;
  return {
    name: '',
    properties: { '#address-cells': [2], '#size-cells': [2], compatible: 'riscv-virtio', model: 'riscv-virtio,hartbox' },
    children: [
      {
        name: 'chosen',
        properties: {
          'stdout-path': options.stdoutPath,
          'rng-seed': options.rngSeed,
          bootargs: options.append,
          ...initrdProperties(initrd),
        },
      },
      {
        name: `memory@${RAM_BASE.toString(16)}`,
        properties: { device_type: 'memory', reg: [{ u64: RAM_BASE }, { u64: options.memory }] },
      },
      {
        name: 'cpus',
        properties: { '#address-cells': [1], '#size-cells': [0], 'timebase-frequency': [TIMEBASE] },
        children: [
          ...harts.map((hart) => cpuNode(hart, options.profile)),
          { name: 'cpu-map', properties: {}, children: [{ name: 'cluster0', properties: {}, children: cores }] },
        ],
      },
      {
        name: 'soc',
        properties: { '#address-cells': [2], '#size-cells': [2], compatible: 'simple-bus', ranges: true },
        children: options.devices,
      },
      ...options.others,
    ],
  };
}
