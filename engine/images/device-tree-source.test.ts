import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { missingTools } from '../../test/support/riscv-tools';
import { deviceTreeBlob } from '../board/device-tree-blob';
import { type FileNode, readDeviceTree } from './device-tree-file';
import { deviceTreeSource } from './device-tree-source';

const read = (bytes: Uint8Array): FileNode => readDeviceTree({ what: 'device tree', path: 'x', bytes });
const tree = read(
  deviceTreeBlob({
    name: '',
    properties: { '#address-cells': [2], compatible: ['riscv-virtio,hartbox', 'riscv-virtio'], empty: true },
    children: [
      {
        name: 'soc',
        properties: {
          ranges: true,
          odd: Uint8Array.of(1, 2, 3),
          'not-text': Uint8Array.of(0x41, 0, 0, 0x42, 0),
          nothing: '',
          quoted: 'say "\\"',
          'hartbox,reg': [{ u64: 0x1_0000_0000 }, 7],
        },
        children: [{ name: 'serial@10000000', properties: { status: 'okay' }, label: 'uart' }],
      },
      { name: 'memory@80000000', properties: { device_type: 'memory' } },
    ],
  }),
);

describe('device tree source', () => {
  it('shows nodes, text, cells and bytes', () => {
    expect(deviceTreeSource(tree)).toBe(`/dts-v1/;

/ {
	#address-cells = <0x2>;
	compatible = "riscv-virtio,hartbox", "riscv-virtio";
	empty;

	soc {
		ranges;
		odd = [01 02 03];
		not-text = [41 00 00 42 00];
		nothing = [00];
		quoted = "say \\"\\\\\\"";
		hartbox,reg = <0x1 0x0 0x7>;

		serial@10000000 {
			status = "okay";
			phandle = <0x1>;
		};
	};

	memory@80000000 {
		device_type = "memory";
	};
};
`);
  });

  it.skipIf(missingTools('dtc'))('is compiled to the same tree by dtc', () => {
    const { stdout, stderr, status } = spawnSync('dtc', ['-q', '-I', 'dts', '-O', 'dtb'], { input: deviceTreeSource(tree) });
    expect(status, stderr.toString()).toBe(0);
    expect(read(new Uint8Array(stdout))).toEqual(tree);
  });
});
