import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { hasTool } from '../../test/support/riscv-tools';
import { deviceTreeBlob } from '../board/device-tree-blob';
import { nodeAt, numberOf, readDeviceTree, textOf } from './device-tree-file';

const file = (bytes: Uint8Array) => ({ what: 'device tree', path: 'x.dtb', bytes });
const tree = {
  name: '',
  properties: { compatible: ['a', 'b'], big: [{ u64: 0x123456789a }], __proto__x: [1], empty: true as const },
  children: [{ name: 'soc', properties: { reg: [7] }, children: [{ name: 'uart@10', properties: { status: 'okay' } }] }],
};

describe('device tree files', () => {
  it('are read as they were written', () => {
    const root = readDeviceTree(file(deviceTreeBlob(tree)));
    expect(textOf(root, 'compatible')).toBe('a');
    expect(numberOf(root, 'big')).toBe(0x123456789a);
    expect(numberOf(nodeAt(root, '/soc'), 'reg')).toBe(7);
    expect(textOf(nodeAt(root, '/soc/uart@10'), 'status')).toBe('okay');
    expect(nodeAt(root, '/none/soc')).toBeUndefined();
    // What is read can be written again.
    expect(deviceTreeBlob(root)).toEqual(deviceTreeBlob(tree));
  });

  it.skipIf(!hasTool('dtc'))('of dtc are read', () => {
    const { stdout } = spawnSync('dtc', ['-I', 'dts', '-O', 'dtb'], {
      input: '/dts-v1/; /memreserve/ 0x80000000 0x1000; / { model = "m"; l: a@1 { reg = <1 2>; b = [010203]; }; c { r = <&l>; }; };',
    });
    const root = readDeviceTree(file(stdout));
    expect(textOf(root, 'model')).toBe('m');
    expect([...(nodeAt(root, '/a@1')?.properties['b'] ?? [])]).toEqual([1, 2, 3]);
    expect(numberOf(nodeAt(root, '/c'), 'r')).toBe(numberOf(nodeAt(root, '/a@1'), 'phandle'));
  });

  it('are refused, with what is wrong', () => {
    const good = Buffer.from(deviceTreeBlob(tree));
    const with32 = (at: number, value: number): Buffer => {
      const bytes = Buffer.from(good);
      bytes.writeUInt32BE(value, at);
      return bytes;
    };
    const structure = good.readUInt32BE(8);
    expect(() => readDeviceTree(file(Buffer.from('/dts-v1/; / { };                                   ')))).toThrow('dtc -I dts -O dtb');
    expect(() => readDeviceTree(file(good.subarray(0, -1)))).toThrow(`should have ${good.length} bytes`);
    expect(() => readDeviceTree(file(with32(20, 3)))).toThrow('format has version 3');
    expect(() => readDeviceTree(file(with32(structure, 2)))).toThrow('it has no root');
    expect(() => readDeviceTree(file(with32(8, 2)))).toThrow('lie outside of it');
    expect(() => readDeviceTree(file(with32(structure + 12, 0xffffff0)))).toThrow('a property of it lies outside of it');
  });

  it('that nest without end are refused', () => {
    let deep: { name: string; properties: Record<string, never>; children: object[] } = { name: 'x', properties: {}, children: [] };
    for (let i = 0; i < 70; i++) deep = { name: 'x', properties: {}, children: [deep] };
    expect(() => readDeviceTree(file(deviceTreeBlob(deep as never)))).toThrow('nest deeper than 64');
  });
});
