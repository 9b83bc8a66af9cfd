import { EventEmitter } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { crc32, gzipSync } from 'node:zlib';
import { ConsoleEscape } from '../../engine/cli/console-escape';
import { parseMachineOptions } from '../../engine/cli/machine-options';
import { parseSeconds, parseSize } from '../../engine/cli/quantities';
import { UsageError } from '../../engine/cli/usage-error';
import { SymbolTable } from '../../engine/debug/symbols';
import { VncSession } from '../../engine/display/vnc/session';
import { MemoryPicture, pictureBytes } from '../../engine/gpu/memory-picture';
import { Scanout } from '../../engine/gpu/scanout';
import { RAMFB_BYTES, readRamfb } from '../../engine/board/boot-screen';
import { deviceTreeBlob } from '../../engine/board/device-tree-blob';
import { FW_CFG_BYTES, FwCfg } from '../../engine/board/fw-cfg';
import { readAr } from '../../engine/images/ar';
import { ByteSource } from '../../engine/images/byte-source';
import { readCpio, writeCpio } from '../../engine/images/cpio';
import { readDeb } from '../../engine/images/deb';
import { readDeviceTree } from '../../engine/images/device-tree-file';
import { readElfFunctions } from '../../engine/images/elf';
import { isFit, readFit } from '../../engine/images/fit';
import { unpack } from '../../engine/images/image-file';
import { readUImage, UIMAGE } from '../../engine/images/uimage';
import { readModuleInfo, withoutSignature } from '../../engine/images/kernel-module';
import { readPackages } from '../../engine/images/packages';
import { verifyRelease } from '../../engine/images/release';
import { parseStanzas } from '../../engine/images/stanza';
import { readTar } from '../../engine/images/tar';
import { decompressXz } from '../../engine/images/xz';
import { planBoot } from '../../engine/machine/boot/boot-plan';
import { readControlFile } from '../../engine/runner/control-file';
import { serverMessageSchema } from '../../engine/runner/control-message';
import { serveControl } from '../../engine/runner/control-server';
import { EVENTS, OPERATIONS } from '../../engine/runner/control';
import { engineStartSchema } from '../../engine/runner/engine-start';
import { FRAME_LIMITS, SocketLine } from '../../engine/runner/socket-line';
import { readSettings } from '../../engine/settings/file';
import { parseTexts } from '../../engine/settings/text';
import { OPTIONS, boxValuesSchema } from '../../engine/settings/settings';
import { checkSettings } from '../../engine/settings/problem';
import { assetPath } from '../../main/asset-protocol';
import { boxArguments } from '../../main/box-requests';
import { probeFile } from '../../main/file-probe';
import { webAddress } from '../../main/link';
import { makeAr, makeDeb, makeModule, makeTar, makeXz, sealTarHeader } from '../support/archive-writers';
import { buildElf } from '../support/elf-builder';
import { FakeBox } from '../support/fake-box';
import { testGuestMemory } from '../support/guest-memory';
import type { Random } from '../support/random';
import { mutated, mutatedValue } from './mutants';

/** Something that takes bytes, text or data from outside. */
export interface Parser {
  name: string;
  /** An input with something wrong with it, mostly made from one that is right. */
  make: (random: Random) => unknown;
  /** Take it; what it throws is looked at. `folder` is there for files. */
  run: (input: never, folder: string) => unknown;
  /** How many times slower than the others it is: so many times less often it is tried. */
  cost?: number;
}

function parser<Input>(name: string, make: (random: Random) => Input, run: (input: Input, folder: string) => unknown, cost = 1): Parser {
  return { name, make, run: run, cost };
}

/** Mutants of byte strings; `seal` makes right again what would have the rest not looked at. */
function bytesOf(valid: readonly Uint8Array[], seal?: (bytes: Uint8Array, random: Random) => void): (random: Random) => Uint8Array {
  return (random) => {
    const bytes = mutated(random, random.pick(valid), valid);
    if (seal && !random.oneIn(4)) seal(bytes, random);
    return bytes;
  };
}

function textOf(...valid: string[]): (random: Random) => string {
  const make = bytesOf(valid.map((text) => Buffer.from(text)));
  return (random) => Buffer.from(make(random)).toString(random.oneIn(4) ? 'latin1' : 'utf8');
}

function dataOf(...valid: unknown[]): (random: Random) => unknown {
  return (random) => mutatedValue(random, random.pick(valid));
}

/** Text that is JSON, mostly. */
function jsonOf(...valid: unknown[]): (random: Random) => string {
  const [value, text] = [dataOf(...valid), textOf(...valid.map((one) => JSON.stringify(one)))];
  return (random) => (random.oneIn(3) ? text(random) : JSON.stringify(value(random)));
}

/** Version, security, entry; then a message of each kind. */
const vncTalk = Buffer.concat([
  Buffer.from('RFB 003.008\n\x01\x01', 'latin1'),
  Buffer.from('0000000020180001' + '00ff00ff00ff100800000000', 'hex'),
  Buffer.from('02000003' + '00000010' + 'ffffff21' + 'fffffefe', 'hex'),
  Buffer.from('0300000000000040004004010000' + '0000ff0d' + '05010010' + '0010', 'hex'),
  Buffer.from('0600000000000003616263fb00032002580100', 'hex'),
  Buffer.alloc(16),
  Buffer.from('ff000001' + '00000061' + '0000001e', 'hex'),
]);

/** 64 × 64 pixels in XRGB8888 at the beginning of RAM. */
const ramfb = Buffer.from(`00000000800000003432525800000000${'00000040'.repeat(2)}00000100`, 'hex');

const RAM = { base: 0x80000000, size: 64 << 20 };
const what = 'the input';

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
}

/** Read to the end, but no more than anyone would. */
async function drain(contents: AsyncIterable<Uint8Array>): Promise<void> {
  let size = 0;
  for await (const piece of contents) {
    size += piece.length;
    if (size > 4 << 20) return;
  }
}

function sealTar(bytes: Uint8Array): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const block = Buffer.from(bytes.buffer, bytes.byteOffset + at, 512);
    if (block.toString('latin1', 257, 262) === 'ustar') sealTarHeader(block);
  }
}

const elf = buildElf({
  entry: RAM.base,
  parts: [
    { address: RAM.base, bytes: new Uint8Array(64).fill(0x13) },
    { address: RAM.base + 0x1000, virtualAddress: 0x4000, bytes: new Uint8Array(16), memoryBytes: 4096 },
  ],
  symbols: { tohost: RAM.base + 0x1000, fromhost: RAM.base + 0x1008, main: RAM.base },
});
const kallsyms = Buffer.from('ffffffff80000000 T _start\nffffffff80000010 t helper\t[module]\n0000000000000000 A absolute\n');

/** A Linux Image with an EFI stub of one section. */
function linuxImage(): Uint8Array {
  const bytes = new Uint8Array(1024);
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from('MZ'));
  view.setUint32(8, 0x200000, true);
  view.setUint32(16, 4096, true);
  bytes.set(Buffer.from('RISCV\0\0\0RSC\x05'), 48);
  view.setUint32(60, 64, true);
  bytes.set(Buffer.from('PE\0\0'), 64);
  view.setUint16(70, 1, true);
  view.setUint16(84, 16, true);
  view.setUint32(64 + 24 + 16 + 16, 512, true);
  view.setUint32(64 + 24 + 16 + 20, 512, true);
  return bytes;
}

const text = Buffer.from('the quick brown fox '.repeat(200));
// What `zstd -19 --check` makes of some text.
const zstd = Buffer.from(
  '28b52ffd64760155040012c81e0c20bc3141212251cb0c7014864fdec30f8fe768b09e7fbd5dee569bc55ead55ea541a853e9d4de65299441e8d45e2501804fe7c3dde4e97c3dd6c35da4c1683bd5c2dd64a95429d4c25d2481402fdc7d3e16c3419ccc552a14c2411c8c3d1602c1409c4c150200c0401c0bff7f1a7ddfb5aff33d8dc56bfb8cc0e030012268fdcf16ae49d3aef3e5a2878',
  'hex',
);
// What `xz -9` makes of it.
const xz = Buffer.from(
  'fd377a585a000004e6d6b446020021011c00000010cf58cce0027500875d003a1a08ce76c7e5e9d60734c3d10ebfce55e1aabde11d0b3fd3abd342d4110cbc72253ea488220e0f63d690859795875d0f86dfde173b596fe07c38d35932760f22573166e3c9043abcacba8d72c9e1cf950721e0015031db7472b705cc00db22e59b8e43a85e7ff3c77e2163a442c84157e2c4c6d3b5bb97479f7e32fa1452d93abe87298670000000413e6ab085846a6e0001a301f60400008a7fb9c5b1c467fb020000000004595a',
  'hex',
);

/** What EFI zboot wraps a compressed kernel in. */
function zboot(payload: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(64 + payload.length);
  bytes.write('MZ\0\0zimg', 'latin1');
  bytes.writeUInt32LE(64, 8);
  bytes.writeUInt32LE(payload.length, 12);
  bytes.write('gzip', 24, 'latin1');
  bytes.set(payload, 64);
  return bytes;
}

const intelHex = Buffer.from(
  ':020000048020 5A\n:10000000130000001300000013000000130000009C\n:0400000580200000 57\n:00000001FF\n'.replaceAll(' ', ''),
);

/** A legacy image of U-Boot of a type, for RISC-V; its checksums are to be made right. */
function uImage(type: number, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(64 + data.length);
  bytes.writeUInt32BE(0x27051956);
  bytes.writeUInt32BE(data.length, 12);
  bytes.writeUInt32BE(RAM.base + 0x400000, 16);
  bytes.writeUInt32BE(RAM.base + 0x400000, 20);
  bytes.set([5, 26, type, 1], 28);
  bytes.set(data, 64);
  sealUImage(bytes);
  return bytes;
}
function sealUImage(bytes: Uint8Array): void {
  if (bytes.length < 64) return;
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  all.writeUInt32BE(crc32(all.subarray(64, 64 + all.readUInt32BE(12))), 24);
  all.writeUInt32BE(0, 4);
  all.writeUInt32BE(crc32(all.subarray(0, 64)), 4);
}

const fit = deviceTreeBlob({
  name: '',
  properties: { '#address-cells': [1] },
  children: [
    {
      name: 'images',
      properties: {},
      children: [
        {
          name: 'kernel-1',
          properties: {
            type: 'kernel',
            arch: 'riscv',
            compression: 'gzip',
            load: [RAM.base + 0x400000],
            entry: [RAM.base + 0x400000],
            data: gzipSync(text),
          },
          children: [{ name: 'hash-1', properties: { algo: 'crc32', value: [crc32(gzipSync(text))] } }],
        },
        { name: 'ramdisk-1', properties: { type: 'ramdisk', 'data-offset': [0], 'data-size': [0] } },
      ],
    },
    {
      name: 'configurations',
      properties: { default: 'c' },
      children: [{ name: 'c', properties: { kernel: 'kernel-1', ramdisk: 'ramdisk-1' } }],
    },
  ],
});

const tar = makeTar([
  { path: './a/file', data: Buffer.from('contents') },
  { path: 'x'.repeat(150), data: text },
  { path: 'link', flag: '2', target: 'a/file' },
  { path: 'pax', flag: 'x', data: Buffer.from('30 path=a/longer/path/than/it\n12 size=512\n') },
  { path: 'hard', flag: '1', target: 'a/file' },
]);
const deb = makeDeb([{ path: './usr/bin/x', data: Buffer.from('program') }]);
const hash = 'ab'.repeat(32);
const packages = `Package: linux-image\nVersion: 6.1.0-1\nFilename: pool/main/l/linux_1.deb\nSize: 1234\nSHA256: ${hash}\nDepends: libc6 (>= 2), a | b\nDescription: x\n folded\n .\n\nPackage: other\nVersion: 1\nFilename: pool/o.deb\nSize: 1\nSHA256: ${hash}\n`;
const release = `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nCodename: trixie\nDate: Sat, 09 Aug 2025 09:00:00 UTC\nArchitectures: riscv64\nSHA256:\n ${hash} 123 main/binary-riscv64/Packages.xz\n-----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCgAdFiEE\n=abcd\n-----END PGP SIGNATURE-----\n`;
const settings = [
  {
    version: 2,
    hardware: {
      memory: 1 << 29,
      harts: 4,
      drives: [{ file: 'disk.qcow2', format: 'qcow2', media: 'disk', serial: 'x' }],
      virtio: ['packed'],
      console: { columns: 80, rows: 24 },
    },
    boot: { source: 'kernel', kernel: '/boot/vmlinux', initrd: 'initrd', append: 'console=ttyS0', firmware: 'auto' },
    host: { jit: true },
    app: { name: 'A box', tags: ['one'] },
  },
  { version: 1, machine: { memory: 1 << 28, drives: [{ file: 'd' }], kernel: 'k', firmware: 'none' }, app: { name: 'Old' } },
];
const calls = [
  ...Object.keys(OPERATIONS).map((call, id) => ({ id, call, args: { id: 'drive0', size: 1 << 30, file: 'x', force: true } })),
  { id: 1, open: 'console', channel: 1 },
  { channel: 1, message: { type: 'data', data: [1, 2] } },
  { channel: 1, message: { type: 'resize', columns: 80, rows: 24 } },
  { channel: 1, message: { type: 'taken', bytes: 10 } },
  { shut: 1 },
];
const answers = [
  { id: 1, ok: { lines: [{ at: 1, level: 'info', text: 'x' }] } },
  { id: 2, error: { kind: 'State', message: 'x', code: 'box-off', params: { box: 'x' } } },
  ...Object.keys(EVENTS).map((event) => ({
    event,
    data: {
      state: 'running',
      pid: 1,
      program: 'x',
      since: 1,
      pending: [],
      network: { addresses: [], forwards: [] },
      columns: 80,
      rows: 24,
    },
  })),
];

function jsonFrame(value: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(value) ?? 'null');
  const head = Buffer.alloc(5);
  head.writeUInt32LE(body.length);
  return Buffer.concat([head, body]);
}

/** A box's end of a socket, on which these bytes come in pieces. */
function overSocket(bytes: Uint8Array): void {
  const socket = Object.assign(new EventEmitter(), {
    writable: true,
    writableLength: 0,
    write: () => true,
    pause: () => undefined,
    resume: () => undefined,
    end: () => undefined,
    destroy: () => undefined,
  });
  const line = new SocketLine(socket as unknown as Socket, FRAME_LIMITS.fromClient);
  const box = new FakeBox();
  serveControl(box, line);
  for (let at = 0; at < bytes.length; at += 37) socket.emit('data', Buffer.from(bytes.subarray(at, at + 37)));
  socket.emit('close');
}

/** Everything that reads what somebody else made: a guest's files, a mirror's, a user's, a peer's. Not here, for they have tests of their own: qcow2 (hostile-image.test.ts), box archives (box-archive.test.ts), saved states of devices (board-state.test.ts). */
export const PARSERS: readonly Parser[] = [
  parser('a program in ELF', bytesOf([elf]), (bytes) => planBoot({ kernel: { what: 'kernel', path: 'x', bytes } }, RAM)),
  parser('firmware in ELF', bytesOf([elf, buildElf({ entry: 0, parts: [{ address: 0, bytes: new Uint8Array(64) }], type: 3 })]), (bytes) =>
    planBoot({ firmware: { what: 'firmware', path: 'x', bytes } }, RAM),
  ),
  parser('symbols of an ELF file', bytesOf([elf]), (bytes) => readElfFunctions({ what: 'symbol file', path: 'x', bytes })),
  parser(
    'a file of symbols',
    bytesOf([elf, kallsyms]),
    async (bytes, folder) => {
      const file = join(folder, 'symbols');
      writeFileSync(file, bytes);
      const table = new SymbolTable();
      await table.addFile(file, 1n << 63n);
      table.nameOf(0xffffffff80000004n);
    },
    10,
  ),
  parser('a Linux Image', bytesOf([linuxImage()]), (bytes) =>
    planBoot({ kernel: { what: 'kernel', path: 'x', bytes }, initrd: { what: 'initrd', path: 'x', bytes: text } }, RAM),
  ),
  parser('a kernel in Intel hex, or none at all', bytesOf([intelHex, text, linuxImage()]), (bytes) =>
    // Both at once would be in each other's way.
    planBoot(
      bytes.length % 2 ? { load: [{ file: { what: 'file', path: 'x', bytes } }] } : { kernel: { what: 'kernel', path: 'x', bytes } },
      RAM,
    ),
  ),
  parser(
    'a uImage',
    bytesOf([uImage(2, gzipSync(text)), uImage(4, Buffer.concat([Buffer.from([0, 0, 0, 20, 0, 0, 0, 4, 0, 0, 0, 0]), text]))], sealUImage),
    async (bytes) => {
      if (bytes.length < 64) return;
      const { kernel } = await readUImage({ what: 'kernel', path: 'x', bytes }, UIMAGE.kernels, 1 << 20);
      if (kernel.bytes.length > 1 << 20) throw new Error(`it unpacked ${kernel.bytes.length} bytes`);
    },
    2,
  ),
  parser(
    'a FIT, or another device tree',
    bytesOf([fit, deviceTreeBlob({ name: '', properties: { a: 'b' }, children: [{ name: 'chosen', properties: {} }] })]),
    async (bytes) => {
      const file = { what: 'kernel', path: 'x', bytes };
      deviceTreeBlob(readDeviceTree(file));
      if (isFit(file)) await readFit(file, 1 << 20);
    },
    2,
  ),
  parser(
    'a kernel in gzip, zstd or EFI zboot',
    bytesOf([gzipSync(text), zstd, zboot(gzipSync(text))]),
    async (bytes) => {
      const { bytes: unpacked } = await unpack({ what: 'kernel', path: 'x', bytes }, 1 << 20);
      if (unpacked.length > 1 << 20) throw new Error(`it unpacked ${unpacked.length} bytes`);
    },
    4,
  ),
  parser(
    'a cpio archive',
    bytesOf([
      writeCpio([
        { type: 'directory', path: 'a' },
        { type: 'file', path: 'a/b', data: text },
        { type: 'symlink', path: 'c', target: 'a/b' },
      ]),
    ]),
    (bytes) => readCpio(bytes),
  ),
  parser(
    'a tar archive',
    bytesOf([tar, ...['../out', '/out', 'a/../../out'].map((path) => makeTar([{ path, data: text }]))], sealTar),
    async (bytes) => {
      for await (const { path, contents } of readTar(new ByteSource(pieces(bytes), what))) {
        if (path.startsWith('/') || path.split('/').includes('..')) throw new Error(`it leads out of the archive: ${path}`);
        await drain(contents);
      }
    },
    2,
  ),
  parser(
    'an ar archive',
    bytesOf([
      makeAr([
        { name: 'debian-binary', data: Buffer.from('2.0\n') },
        { name: 'x', data: text },
      ]),
    ]),
    async (bytes) => {
      for await (const { contents } of readAr(new ByteSource(pieces(bytes), what))) await drain(contents);
    },
  ),
  parser('an xz stream', bytesOf([xz, makeXz(text)]), (bytes) => drain(decompressXz(pieces(bytes), what, 1 << 26)), 4),
  parser(
    'a Debian package',
    bytesOf([deb]),
    async (bytes) => {
      for await (const { contents } of readDeb(pieces(bytes), what)) await drain(contents);
    },
    4,
  ),
  parser('a Packages index', textOf(packages), (index) => readPackages(pieces(Buffer.from(index)), () => true)),
  parser('stanzas', textOf(packages), (stanzas) => [...parseStanzas(stanzas)]),
  parser('an InRelease file', textOf(release), (inRelease) => verifyRelease(inRelease, []), 10),
  parser('a kernel module', bytesOf([makeModule({ name: 'a', depends: ['b'], aliases: ['pci:*'], signed: true })]), (bytes) => {
    readModuleInfo(bytes, 'a.ko');
    withoutSignature(bytes);
  }),
  parser('a settings file', jsonOf(...settings), (json) => readSettings(json, 'config.json', (path) => path), 4),
  parser(
    'values of settings',
    dataOf(Object.assign({}, ...Object.values(settings[0]).filter((part) => typeof part === 'object'))),
    (values) => checkSettings(boxValuesSchema, values, 'Wrong. '),
  ),
  parser(
    'frames of a control socket',
    (random) => {
      const frames = calls.filter(() => random.oneIn(3)).map((call) => jsonFrame(random.oneIn(2) ? mutatedValue(random, call) : call));
      const all = Buffer.concat([...frames, Buffer.from([6, 0, 0, 0, 1, 1, 0, 0, 0, 65, 66])]);
      return random.oneIn(2) ? mutated(random, all, [all]) : all;
    },
    overSocket,
    4,
  ),
  parser('messages of a box to its clients', dataOf(...answers), (message) => serverMessageSchema.safeParse(message)),
  parser(
    'results of operations',
    dataOf(...answers),
    (message) => {
      for (const { args, result } of Object.values(OPERATIONS)) {
        args.safeParse(message);
        result.safeParse(message);
      }
      for (const event of Object.values(EVENTS)) event.safeParse(message);
    },
    4,
  ),
  parser('the start of an engine', dataOf({ start: { vm: 'x', dataDirectory: '/x', v8: { flags: ['--x'], failure: 'y' } } }), (message) =>
    engineStartSchema.safeParse(message),
  ),
  parser(
    'a control file',
    jsonOf({ pid: 1, address: '/run/x.sock', token: 'x'.repeat(64) }),
    async (json, folder) => {
      writeFileSync(join(folder, 'control.json'), json);
      await readControlFile(folder);
    },
    10,
  ),
  parser(
    'requests of the window',
    dataOf(['box', { memory: 1 << 29, drives: [] }, null], ['box', true, 'task'], [{ size: 1 << 30 }], ['/path'], []),
    (args) => {
      for (const schema of Object.values(boxArguments)) schema.safeParse(args);
    },
    2,
  ),
  parser('keys at a console', bytesOf([Buffer.from('ls -l\n\x01x\x01\x01\x01h\x01s\x01c\x01d')]), (bytes) => {
    const filter = new ConsoleEscape();
    for (let at = 0; at < bytes.length; at += 3) filter.filter(bytes.subarray(at, at + 3));
  }),
  parser('quantities', textOf('512M', '1.5GiB', '65536K', '20', '0.25'), (quantity) => {
    for (const parse of [parseSize, parseSeconds]) {
      try {
        const value = parse('--x', quantity);
        if (!Number.isSafeInteger(Math.round(value)) || value < 0) throw new Error(`'${quantity}' is ${value}`);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
      }
    }
  }),
  parser(
    'texts of options',
    textOf('512M', 'file=x,format=raw', '80x24', 'on', 'packed,in-order', 'name=opt/x,string=y,,z', 'file=a,,b,id=c', 'x@0x80000000,raw'),
    (given) => {
      for (const option of OPTIONS) parseTexts(option, [given]);
    },
    4,
  ),
  parser(
    'a command line',
    (random) =>
      Array.from({ length: random.below(4) }, () =>
        textOf(
          '--drive=file=x,format=raw',
          '--memory=1G',
          '--fw-cfg=name=opt/a,string=b',
          '--symbols=x@0x80',
          '--trace=mmio',
          'box',
        )(random),
      ),
    (args) => parseMachineOptions('run', args),
    4,
  ),
  parser(
    'names in fw_cfg',
    textOf('opt/org.example/name', 'etc/table-loader'),
    (name) => {
      const device = new FwCfg(0x10100000, testGuestMemory(65536), 1);
      device.setFile(name, text);
      for (let at = 0; at < FW_CFG_BYTES; at += 4) device.read(at, 4);
    },
    2,
  ),
  parser('where a guest says that its screen is', bytesOf([ramfb]), (bytes) => {
    const memory = testGuestMemory(65536);
    const scanout = new Scanout({ width: 64, height: 64 });
    const layout = readRamfb(Uint8Array.from({ length: RAMFB_BYTES }, (_, i) => bytes[i] ?? 0));
    const at = layout ? memory.offsetOf(layout.address, pictureBytes(layout)) : -1;
    if (!layout || at < 0) return;
    scanout.showBoot(new MemoryPicture(memory.bytes.subarray(at, at + pictureBytes(layout)), layout));
    scanout.read({ x: 0, y: 0, width: layout.width, height: layout.height }, new Uint32Array(layout.width * layout.height));
  }),
  parser(
    'a file that is dropped on the window',
    bytesOf([elf, linuxImage(), gzipSync(text), Buffer.concat([Buffer.alloc(16 * 2048 + 1), Buffer.from('CD001')])]),
    async (bytes, folder) => {
      const file = join(folder, 'image');
      writeFileSync(file, bytes);
      await probeFile(file);
    },
    10,
  ),
  parser(
    'what a viewer says over VNC',
    bytesOf([vncTalk]),
    (bytes) => {
      const scanout = new Scanout({ width: 64, height: 64 });
      const line = { send: () => undefined, close: () => undefined, isBusy: false };
      const session = new VncSession({ name: 'x', scanout, hasKeyboard: true, hasTablet: true, input: () => undefined }, line, {});
      for (let at = 0; at < bytes.length; at += 7) session.receive(Buffer.from(bytes.subarray(at, at + 7)));
      session.end();
    },
    4,
  ),
  parser('addresses of the page', textOf('app://hartbox/index.html', 'app://hartbox/assets/a%20b.js?x#y'), (url) => {
    const path = assetPath('/root', url);
    if (path !== undefined && !path.startsWith('/root')) throw new Error(`it leads out: ${path}`);
  }),
  parser('links in a terminal', textOf('https://example.org/a?b=c#d', 'http://user@host/'), (link) => webAddress(link)),
];
