import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildElf } from '../../../test/support/elf-builder';
import { deviceTreeBlob } from '../../board/device-tree-blob';
import { type MachineConfigInput, machineConfigSchema } from '../../settings/settings';
import { loadBoot } from './boot-files';

const directory = mkdtempSync(join(tmpdir(), 'hartbox-boot-'));
const at = (name: string) => join(directory, name);
const program = (address: number) => buildElf({ entry: address, parts: [{ address, bytes: new Uint8Array(16) }] });

beforeAll(() => {
  const image = new Uint8Array(4096);
  new DataView(image.buffer).setBigUint64(8, 0x200000n, true);
  image.set(Buffer.from('RISCV\0\0\0RSC\x05', 'latin1'), 48);
  writeFileSync(at('Image'), image);
  writeFileSync(at('Image.gz'), gzipSync(image));
  writeFileSync(at('bare.elf'), program(0x80000000));
  writeFileSync(at('payload.elf'), program(0x80200000));
  writeFileSync(at('firmware'), new Uint8Array(1000).fill(1));
  writeFileSync(at('initrd'), gzipSync('guest'));
  writeFileSync(at('own-initrd'), 'own');
  writeFileSync(at('flat.bin'), new Uint8Array(256).fill(0x13));
  writeFileSync(at('board.dtb'), deviceTreeBlob({ name: '', properties: {}, children: [{ name: 'chosen', properties: {} }] }));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function load(input: MachineConfigInput, extraInitrd?: Uint8Array, minimumMemory = 32 << 20) {
  let asked = 0;
  const boot = await loadBoot(machineConfigSchema.parse(input), {
    ram: { base: 0x80000000, size: 32 << 20 },
    extraInitrd,
    stockFirmware: () => Promise.reject(new Error('no firmware is asked for')),
    openSbi: async () => at('firmware'),
    defaultGuest: async () => {
      asked++;
      return { kernel: at('Image'), initrd: at('initrd'), firmware: at('firmware'), append: 'console=ttyS0', minimumMemory };
    },
  });
  const segments = boot.segments.map(({ what, address }) => `${what} ${address.toString(16)}`);
  const initrd = boot.segments.find(({ what }) => what === 'initrd')?.bytes;
  return { boot, asked, segments, initrd };
}

describe('loadBoot', () => {
  it('boots the default guest where no kernel is given, with words added to its command line', async () => {
    const { boot, segments, asked } = await load({ append: 'debug' });
    expect(boot).toMatchObject({ isDefaultGuest: true, append: 'console=ttyS0 debug', entry: 0x80000000, next: 0x80200000 });
    expect(segments).toEqual(['firmware 80000000', 'kernel 80200000', 'initrd 81dff000']);
    expect(asked).toBe(1);
  });

  it('says that the default guest needs more memory', async () => {
    await expect(load({}, undefined, 64 << 20)).rejects.toThrow('needs at least 64 MiB of memory, and the box has 32 MiB');
  });

  it('boots a kernel through the default firmware, without the default guest', async () => {
    const { boot, segments } = await load({ kernel: at('Image.gz'), append: 'root=/dev/vda' });
    expect(boot).toMatchObject({ isDefaultGuest: false, append: 'root=/dev/vda' });
    expect(segments).toEqual(['firmware 80000000', 'kernel 80200000']);
    expect((await load({ kernel: at('payload.elf') })).segments).toEqual(['firmware 80000000', 'kernel 80200000']);
  });

  it('needs nothing of the default guest for a bare-metal program, nor for a machine with its own files', async () => {
    const bare = await load({ kernel: at('bare.elf') });
    expect([bare.segments, bare.asked, bare.boot.entry]).toEqual([['kernel 80000000'], 0, 0x80000000]);
    expect((await load({ kernel: at('Image'), firmware: at('firmware'), initrd: at('initrd') })).asked).toBe(0);
    expect((await load({ kernel: at('payload.elf'), firmware: 'none' })).boot).toMatchObject({ entry: 0x80200000, next: 0 });
  });

  it('starts firmware that lies in flash: in S-mode behind OpenSBI, in M-mode without, and offers it a kernel', async () => {
    writeFileSync(at('code.fd'), new Uint8Array(64).fill(7));
    const flash = { flashCode: at('code.fd') };
    const behind = await load(flash);
    expect([behind.segments, behind.boot]).toEqual([
      ['firmware 80000000'],
      expect.objectContaining({ entry: 0x80000000, next: 0x20000000, flashCode: Buffer.alloc(64, 7) }),
    ]);
    expect((await load({ ...flash, firmware: at('firmware') })).asked).toBe(0);
    const alone = await load({ ...flash, firmware: 'none' });
    expect([alone.segments, alone.boot]).toEqual([[], expect.objectContaining({ entry: 0x20000000, next: 0 })]);
    const offered = await load({ ...flash, kernel: at('Image'), append: 'debug' });
    expect(offered.boot).toMatchObject({ next: 0x20000000, append: 'debug', kernel: { length: 4096 } });
    // In machine mode a program in memory is what starts.
    expect((await load({ ...flash, source: 'elf', kernel: at('bare.elf') })).boot.entry).toBe(0x80000000);
    await expect(load({ flashCode: at('missing.fd') })).rejects.toMatchObject({ kind: 'Image' });
  });

  it('does not unpack an initrd, and puts a further archive behind it on a 4-byte boundary', async () => {
    const extra = Uint8Array.of(1, 2, 3);
    const own = await load({ kernel: at('Image'), initrd: at('own-initrd') }, extra);
    expect([...(own.initrd ?? [])]).toEqual([...Buffer.from('own'), 0, 1, 2, 3]);
    expect(own.boot.initrd).toEqual({ start: 0x81dff000, end: 0x81dff007 });
    expect([...((await load({ kernel: at('Image') }, extra)).initrd ?? [])]).toEqual([1, 2, 3]);
    expect([...((await load({})).initrd?.subarray(0, 2) ?? [])]).toEqual([0x1f, 0x8b]);
  });

  it('lets the configuration replace parts of the default guest', async () => {
    const { initrd, boot } = await load({ initrd: at('own-initrd') });
    expect(Buffer.from(initrd ?? []).toString()).toBe('own');
    expect(boot.isDefaultGuest).toBe(true);
  });

  it('refuses to boot the default guest in less memory than it needs', async () => {
    await expect(load({}, undefined, 64 << 20)).rejects.toMatchObject({
      kind: 'Config',
      message: expect.stringContaining('needs at least 64 MiB'),
    });
  });

  it('takes flat kernels, files beside them, and a device tree of the user', async () => {
    const flat = await load({
      kernel: at('flat.bin'),
      firmware: 'none',
      load: [{ file: at('own-initrd'), address: '0x81000000' }],
      dtb: at('board.dtb'),
    });
    expect(flat.segments).toEqual(['kernel 80000000', 'file own-initrd 81000000']);
    expect(flat.boot.entry).toBe(0x80000000);
    expect(flat.boot.deviceTreeFile?.children[0].name).toBe('chosen');
    const behind = await load({ kernel: at('flat.bin'), kernelAddress: '0x80400000' });
    expect([behind.segments, behind.boot.next]).toEqual([['firmware 80000000', 'kernel 80400000'], 0x80400000]);
    const alone = await load({ load: [{ file: at('payload.elf') }] });
    expect([alone.segments, alone.boot.next]).toEqual([['firmware 80000000', 'file payload.elf 80200000'], 0x80200000]);
    await expect(load({ kernel: at('flat.bin'), dtb: at('Image') })).rejects.toMatchObject({ code: 'image-no-device-tree' });
  });

  it('says which program and which firmware want the same memory', async () => {
    await expect(load({ kernel: at('bare.elf'), firmware: at('firmware') })).rejects.toThrow(
      /kernel .* and the firmware .* want the same memory/,
    );
  });
});
