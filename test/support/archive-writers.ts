import { crc32 } from 'node:zlib';

/** Small archives for tests, in the forms that Debian packages have. They are as plain as the formats allow. */

/** An ar archive (deb(5)). */
export function makeAr(members: { name: string; data: Uint8Array }[]): Buffer {
  const parts = members.map(({ name, data }) => {
    const header = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(data.length).padEnd(10)}\`\n`;
    return Buffer.concat([Buffer.from(header, 'latin1'), data, Buffer.from(data.length % 2 ? '\n' : '')]);
  });
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts]);
}

export interface TarMember {
  path: string;
  /** The type flag: '0' a file, '5' a directory, '2' a symbolic link … */
  flag?: string;
  data?: Uint8Array;
  target?: string;
  mode?: number;
  owner?: number;
  group?: number;
}

/** A tar archive; paths over 100 bytes get a GNU long-name header. */
export function makeTar(members: TarMember[]): Buffer {
  const blocks = members.flatMap((member) => {
    const long = Buffer.byteLength(member.path) > 100;
    const name = Buffer.concat([Buffer.from(member.path), Buffer.alloc(1)]);
    return [
      ...(long ? [tarHeader({ path: '././@LongLink', flag: 'L', data: name }), padded(name)] : []),
      tarHeader(member),
      padded(member.data),
    ];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export function tarHeader({ path, flag = '0', data, target = '', mode = 0o644, owner = 0, group = 0 }: TarMember): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, offset: number, length: number): number =>
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset);
  header.write(path, 0, 100);
  octal(mode, 100, 8);
  octal(owner, 108, 8);
  octal(group, 116, 8);
  octal(data?.length ?? 0, 124, 12);
  octal(0, 136, 12);
  header.write(flag, 156);
  header.write(target, 157, 100);
  header.write('ustar  \0', 257, 'latin1');
  return sealTarHeader(header);
}

/** Sets a header's checksum. */
export function sealTarHeader(header: Buffer): Buffer {
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function padded(data: Uint8Array = new Uint8Array(0)): Buffer {
  return Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

/** An .xz stream (the .xz file format, 1.2.1) of LZMA2 chunks that are not compressed. `dictionary`: its size as encoded there (§5.3.1). */
export function makeXz(data: Uint8Array, { dictionary = 8 } = {}): Buffer {
  const flags = Buffer.from([0, 1]); // Check: CRC32
  const header = Buffer.concat([Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), flags, checksum(flags)]);
  if (data.length === 0) return Buffer.concat([header, xzEnd(Buffer.from([0, 0, 0, 0]), flags)]);

  // One filter, LZMA2 (0x21), with one byte of properties: a dictionary of 64 KiB.
  const description = Buffer.from([2, 0, 0x21, 1, dictionary, 0, 0, 0]);
  const chunks: Buffer[] = [];
  for (let offset = 0; offset < data.length; offset += 0x10000) {
    const piece = data.subarray(offset, offset + 0x10000);
    const last = piece.length - 1;
    chunks.push(Buffer.from([offset === 0 ? 1 : 2, last >> 8, last & 0xff]), Buffer.from(piece));
  }
  const body = Buffer.concat([description, checksum(description), ...chunks, Buffer.from([0])]);
  const block = Buffer.concat([body, Buffer.alloc((4 - (body.length % 4)) % 4), checksum(data)]);
  const index = Buffer.from([0, 1, ...variable(body.length + 4), ...variable(data.length)]);
  return Buffer.concat([header, block, xzEnd(Buffer.concat([index, Buffer.alloc((4 - (index.length % 4)) % 4)]), flags)]);
}

function xzEnd(index: Buffer, flags: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE((index.length + 4) / 4 - 1);
  const footer = Buffer.concat([size, flags]);
  return Buffer.concat([index, checksum(index), checksum(footer), footer, Buffer.from('YZ')]);
}

function checksum(data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(crc32(data));
  return bytes;
}

/** Seven bits a byte, the lowest first. */
function variable(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...variable(Math.floor(value / 0x80))];
}

/** A .deb package with these files. */
export function makeDeb(members: TarMember[]): Buffer {
  return makeAr([
    { name: 'debian-binary', data: Buffer.from('2.0\n') },
    { name: 'control.tar.xz', data: makeXz(makeTar([{ path: './control', data: Buffer.from('Package: test\n') }])) },
    { name: 'data.tar.xz', data: makeXz(makeTar(members)) },
  ]);
}

/** A kernel module as far as its `.modinfo` goes: ELF64 with that section and the table of section names; `signed` appends a signature. */
export function makeModule(info: { name: string; depends?: string[]; aliases?: string[]; signed?: boolean }): Buffer {
  const records = [
    `name=${info.name}`,
    `depends=${(info.depends ?? []).join(',')}`,
    ...(info.aliases ?? []).map((alias) => `alias=${alias}`),
  ];
  const modinfo = Buffer.from(records.map((record) => `${record}\0`).join(''));
  const names = Buffer.from('\0.modinfo\0.shstrtab\0');
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeBigUInt64LE(BigInt(64 + modinfo.length + names.length), 40);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(3, 60);
  header.writeUInt16LE(2, 62);
  const section = (name: number, offset: number, size: number): Buffer => {
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(name, 0);
    entry.writeUInt32LE(1, 4);
    entry.writeBigUInt64LE(BigInt(offset), 24);
    entry.writeBigUInt64LE(BigInt(size), 32);
    return entry;
  };
  const module = [header, modinfo, names, Buffer.alloc(64), section(1, 64, modinfo.length), section(10, 64 + modinfo.length, names.length)];
  const signature = [
    Buffer.alloc(100, 0xaa),
    Buffer.from([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 100]),
    Buffer.from('~Module signature appended~\n'),
  ];
  return Buffer.concat([...module, ...(info.signed ? signature : [])]);
}
