import { execFileSync, spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ParsedNode, readDeviceTree } from '../../test/support/device-tree-reader';
import { VmError } from '../errors/vm-error';
import type { DeviceTreeNode } from '../bus/device-tree';
import { deviceTreeBlob } from './device-tree-blob';

const bytesOf = (value: DeviceTreeNode['properties'][string]): number[] => {
  if (value === true) return [];
  if (value instanceof Uint8Array) return [...value];
  if (typeof value === 'string') return [...new TextEncoder().encode(value), 0];
  return value.flatMap((item) => {
    if (typeof item === 'string') return [...new TextEncoder().encode(item), 0];
    if (typeof item === 'object' && 'ref' in item) return [];
    const number = BigInt(typeof item === 'number' ? item : item.u64);
    const width = typeof item === 'number' ? 4 : 8;
    return Array.from({ length: width }, (_, i) => Number((number >> BigInt(8 * (width - 1 - i))) & 0xffn));
  });
};

const name = fc.stringMatching(/^[a-z][a-z0-9,._+-]{0,14}$/);
const value = fc.oneof(
  fc.constant(true as const),
  fc.stringMatching(/^[ -~]{0,20}$/),
  fc.array(fc.stringMatching(/^[ -~]{1,8}$/), { minLength: 1, maxLength: 4 }),
  fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.record({ u64: fc.nat(Number.MAX_SAFE_INTEGER) })), { maxLength: 6 }),
  fc.uint8Array({ maxLength: 12 }),
);
const properties = fc.dictionary(name, value, { maxKeys: 5, noNullPrototype: true });
const treeOfDepth = (depth: number): fc.Arbitrary<DeviceTreeNode> =>
  fc.record({ name, properties, children: depth === 0 ? fc.constant([]) : fc.array(treeOfDepth(depth - 1), { maxLength: 3 }) });

describe('deviceTreeBlob', () => {
  it('writes what a reader of the format reads', () => {
    const check = (node: DeviceTreeNode, parsed: ParsedNode, parsedName: string): void => {
      expect(parsed.name).toBe(parsedName);
      expect(parsed.properties).toEqual(Object.fromEntries(Object.entries(node.properties).map(([key, one]) => [key, bytesOf(one)])));
      expect(parsed.children.length).toBe(node.children?.length ?? 0);
      for (const [i, child] of (node.children ?? []).entries()) check(child, parsed.children[i], child.name);
    };
    fc.assert(fc.property(treeOfDepth(3), (root) => check(root, readDeviceTree(deviceTreeBlob(root)), '')));
  });

  const machine: DeviceTreeNode = {
    name: '',
    properties: { '#address-cells': [2], '#size-cells': [2], compatible: ['riscv-virtio'] },
    children: [
      {
        name: 'soc',
        properties: { ranges: true, 'interrupt-parent': [{ ref: 'plic' }] },
        children: [{ name: 'plic@c000000', label: 'plic', properties: { reg: [{ u64: 0xc000000 }, { u64: 0x4_0000_0000 }] } }],
      },
      { name: 'reboot', properties: { regmap: [{ ref: 'plic' }], seed: Uint8Array.of(1, 2, 3) } },
    ],
  };

  it('turns labels into phandles', () => {
    const root = readDeviceTree(deviceTreeBlob(machine));
    const plic = root.children[0].children[0];
    expect(plic.properties.phandle).toEqual([0, 0, 0, 1]);
    expect(root.children[0].properties['interrupt-parent']).toEqual([0, 0, 0, 1]);
    expect(root.children[1].properties.regmap).toEqual([0, 0, 0, 1]);
  });

  it('names a label that is missing or there twice', () => {
    expect(() => deviceTreeBlob({ name: '', properties: { a: [{ ref: 'nowhere' }] } })).toThrow(/refers to nowhere/);
    const twice = { name: 'a', label: 'x', properties: {} };
    expect(() => deviceTreeBlob({ name: '', properties: {}, children: [twice, { ...twice, name: 'b' }] })).toThrow(VmError);
  });

  const dtc = spawnSync('dtc', ['--version']).status === 0;
  it.runIf(dtc)('is accepted by dtc, and dtc writes the same tree back', () => {
    const run = (blob: Uint8Array, format: string) => execFileSync('dtc', ['-q', '-I', 'dtb', '-O', format], { input: blob });
    expect(run(deviceTreeBlob(machine), 'dts').toString()).toContain('reg = <0x00 0xc000000 0x04 0x00>;');
    expect(readDeviceTree(run(deviceTreeBlob(machine), 'dtb'))).toEqual(readDeviceTree(deviceTreeBlob(machine)));
  });
});
