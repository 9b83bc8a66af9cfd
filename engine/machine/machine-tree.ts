import { isaExtensions, isaString } from '../hart/isa';
import { RAM_BASE, TIMEBASE } from './board-map';
import type { DeviceTreeNode } from './device-tree';

export interface MachineTreeOptions {
  harts: number;
  /** Extensions of the harts that this machine has beyond all. */
  extensions: string[];
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

function cpuNode(hart: number, extensions: string[]): DeviceTreeNode {
  return {
    name: `cpu@${hart.toString(16)}`,
    label: `cpu${hart}`,
    properties: {
      device_type: 'cpu',
      reg: [hart],
      status: 'okay',
      compatible: 'riscv',
      'riscv,isa': isaString(extensions),
      'riscv,isa-base': 'rv64i',
      'riscv,isa-extensions': isaExtensions(extensions),
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
          ...(initrd && { 'linux,initrd-start': [{ u64: initrd.start }], 'linux,initrd-end': [{ u64: initrd.end }] }),
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
          ...harts.map((hart) => cpuNode(hart, options.extensions)),
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
