import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { hasTool } from '../../test/support/riscv-tools';
import { unwrapInitrd, unwrapKernel } from './wrapped-kernel';

const folder = mkdtempSync(join(tmpdir(), 'hartbox-wrapped-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

const KERNEL = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 31) & 0xff));
const RAMDISK = Buffer.from('070701 a ramdisk');
const LIMIT = 1 << 20;

/** What mkimage makes; its messages where it fails. */
function mkimage(...args: string[]): void {
  const { status, stderr, stdout } = spawnSync('mkimage', args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`mkimage ${args.join(' ')}: ${stdout}${stderr}`);
}
const read = (name: string) => ({ what: 'kernel', path: at(name), bytes: readFileSync(at(name)) });

/** A source of a FIT: a gzip kernel, a ramdisk, a device tree for the board, and a configuration of them. */
const its = (options: { compatible?: string; arch?: string; configuration?: string } = {}): string => `/dts-v1/;
/ {
  description = "test"; #address-cells = <1>;
  images {
    kernel-1 { data = /incbin/("kernel.gz"); type = "kernel"; arch = "${options.arch ?? 'riscv'}"; os = "linux"; compression = "gzip"; load = <0x80400000>; entry = <0x80400010>; hash-1 { algo = "sha256"; }; hash-2 { algo = "crc32"; }; };
    ramdisk-1 { data = /incbin/("ramdisk"); type = "ramdisk"; arch = "riscv"; os = "linux"; compression = "none"; hash { algo = "sha1"; }; };
    fdt-1 { data = /incbin/("${options.compatible ?? 'riscv-virtio'}.dtb"); type = "flat_dt"; arch = "riscv"; compression = "none"; };
  };
  configurations { default = "conf-1"; conf-1 { ${options.configuration ?? 'kernel = "kernel-1"; ramdisk = "ramdisk-1"; fdt = "fdt-1";'} }; };
};`;

describe.skipIf(!spawnSync('mkimage', ['-V']).stdout || !hasTool('dtc'))('what mkimage wraps', () => {
  writeFileSync(at('kernel'), KERNEL);
  writeFileSync(at('kernel.gz'), gzipSync(KERNEL));
  writeFileSync(at('ramdisk'), RAMDISK);
  for (const compatible of ['riscv-virtio', 'sifive']) {
    writeFileSync(at('tree.dts'), `/dts-v1/; / { compatible = "x", "${compatible}"; chosen { }; };`);
    spawnSync('dtc', ['-I', 'dts', '-O', 'dtb', '-o', at(`${compatible}.dtb`), at('tree.dts')]);
  }
  const makeFit = (source: string, ...args: string[]) => {
    writeFileSync(at('fit.its'), source);
    mkimage(...args, '-f', 'fit.its', 'fit.itb');
    return read('fit.itb');
  };
  const uimage = (type: string, data: string, ...args: string[]) => {
    mkimage('-A', 'riscv', '-O', 'linux', '-T', type, '-a', '0x80400000', '-e', '0x80400010', ...args, '-d', data, 'uImage');
    return read('uImage');
  };

  it('as a uImage gives the kernel, where it goes and where it begins', async () => {
    const place = { address: 0x80400000, entry: 0x80400010 };
    expect(await unwrapKernel(uimage('kernel', 'kernel', '-C', 'none'), LIMIT)).toMatchObject({ ...place, kernel: { bytes: KERNEL } });
    expect(await unwrapKernel(uimage('kernel', 'kernel.gz', '-C', 'gzip'), LIMIT)).toMatchObject({ ...place, kernel: { bytes: KERNEL } });
    expect(await unwrapKernel(uimage('multi', 'kernel:ramdisk', '-C', 'none'), LIMIT)).toMatchObject({
      ...place,
      kernel: { bytes: KERNEL },
      initrd: { what: 'initrd', bytes: RAMDISK },
    });
    expect(await unwrapKernel(uimage('kernel_noload', 'kernel', '-C', 'none'), LIMIT)).not.toHaveProperty('address');
  });

  it('as a ramdisk gives the ramdisk, to initrds alone', async () => {
    const file = uimage('ramdisk', 'ramdisk', '-C', 'gzip');
    expect((await unwrapInitrd(file, LIMIT)).bytes).toEqual(RAMDISK);
    await expect(unwrapKernel(file, LIMIT)).rejects.toMatchObject({ code: 'image-wrong-part', params: { holds: 'a ramdisk' } });
    await expect(unwrapInitrd(uimage('kernel', 'kernel', '-C', 'none'), LIMIT)).rejects.toThrow('is a uImage of a kernel');
  });

  it('is refused for another machine, in other compressions, and where a byte is another', async () => {
    mkimage('-A', 'arm64', '-O', 'linux', '-T', 'kernel', '-C', 'none', '-d', 'kernel', 'uImage');
    await expect(unwrapKernel(read('uImage'), LIMIT)).rejects.toThrow('is for ARM64; this machine needs one for RISC-V (mkimage -A riscv)');
    await expect(unwrapKernel(uimage('kernel', 'kernel', '-C', 'lz4'), LIMIT)).rejects.toMatchObject({ params: { method: 'lz4' } });
    const file = uimage('kernel', 'kernel', '-C', 'none');
    for (const [place, message] of [
      [20, /checksum of its uImage header/],
      [1000, /checksum of what its uImage holds/],
    ] as const) {
      const bytes = Buffer.from(file.bytes);
      bytes[place] ^= 1;
      await expect(unwrapKernel({ ...file, bytes }, LIMIT)).rejects.toThrow(message);
    }
    await expect(unwrapKernel({ ...file, bytes: file.bytes.subarray(0, 3000) }, LIMIT)).rejects.toThrow(
      'should have 5064 bytes and has 3000',
    );
  });

  it('is refused where it is to be of several files and its table names none', async () => {
    const file = uimage('multi', 'kernel:ramdisk', '-C', 'none');
    const bytes = Buffer.from(file.bytes);
    bytes.writeUInt32BE(0, 64);
    bytes.writeUInt32BE(crc32(bytes.subarray(64)), 24);
    bytes.writeUInt32BE(0, 4);
    bytes.writeUInt32BE(crc32(bytes.subarray(0, 64)), 4);
    await expect(unwrapKernel({ ...file, bytes }, LIMIT)).rejects.toMatchObject({ code: 'image-corrupt' });
  });

  it.each([
    ['within the tree', []],
    ['behind the tree', ['-E']],
    ['at places of its own', ['-E', '-p', '0x2000']],
  ])('as a FIT with its data %s gives kernel, ramdisk and device tree', async (_, args) => {
    expect(await unwrapKernel(makeFit(its(), ...args), LIMIT)).toEqual({
      kernel: expect.objectContaining({ bytes: KERNEL }),
      address: 0x80400000,
      entry: 0x80400010,
      initrd: { what: 'initrd', path: at('fit.itb'), bytes: RAMDISK },
      deviceTree: { what: 'device tree', path: at('fit.itb'), bytes: readFileSync(at('riscv-virtio.dtb')) },
    });
  });

  it('as a FIT for another board leaves its device tree out', async () => {
    const found = await unwrapKernel(makeFit(its({ compatible: 'sifive' })), LIMIT);
    expect(found.kernel.bytes).toEqual(KERNEL);
    expect(found).not.toHaveProperty('deviceTree');
  });

  it('as a FIT is refused for another machine, without a kernel, and where its hashes do not fit', async () => {
    await expect(unwrapKernel(makeFit(its({ arch: 'arm64' })), LIMIT)).rejects.toMatchObject({ params: { machine: 'arm64' } });
    await expect(unwrapKernel(makeFit(its({ configuration: 'ramdisk = "ramdisk-1";' })), LIMIT)).rejects.toThrow(
      'is a FIT without a kernel',
    );
    const file = makeFit(its());
    const bytes = Buffer.from(file.bytes);
    bytes[bytes.indexOf(gzipSync(KERNEL).subarray(20, 60)) + 5] ^= 1;
    await expect(unwrapKernel({ ...file, bytes }, LIMIT)).rejects.toThrow(/kernel-1 is not what its (sha256|crc32) says/);
    await expect(unwrapKernel(makeFit(its()), 1000)).rejects.toMatchObject({ code: 'image-too-large' });
  });
});
