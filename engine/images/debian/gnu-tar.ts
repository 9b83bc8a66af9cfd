const BLOCK_BYTES = 512;

/** What a tar archive ends with. */
export const GNU_TAR_END = new Uint8Array(2 * BLOCK_BYTES);

const FLAGS = { file: '0', link: '1', symlink: '2', directory: '5' } as const;

export interface GnuTarEntry {
  path: string;
  type: keyof typeof FLAGS;
  /** Permission bits. */
  mode: number;
  owner?: number;
  group?: number;
  /** Bytes of contents, which follow the header, and `gnuTarPadding` behind them. */
  size?: number;
  /** Of links. */
  target?: string;
}

/**
 * The header of an entry in a tar archive as busybox reads it: long names as GNU tar has them ("././@LongLink", tar's manual, "GNU tar and
 * POSIX tar"), owners by number, times zero. Entries of more than 8 GiB there are none.
 */
export function gnuTarHeader({ path, type, mode, owner = 0, group = 0, size = 0, target = '' }: GnuTarEntry): Uint8Array {
  const name = Buffer.from(type === 'directory' ? `${path}/` : path);
  const link = Buffer.from(target);
  const parts: Uint8Array[] = [];
  for (const [flag, text] of [
    ['K', link],
    ['L', name],
  ] as const) {
    if (text.length < 100) continue;
    const body = Buffer.concat([text, Buffer.alloc(1)]);
    const long = { mode: 0o644, owner: 0, group: 0, size: body.length };
    parts.push(block(Buffer.from('././@LongLink'), flag, long, Buffer.alloc(0)), body, gnuTarPadding(body.length));
  }
  parts.push(block(name, FLAGS[type], { mode, owner, group, size }, link));
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

/** What fills the last block of contents. */
export function gnuTarPadding(size: number): Uint8Array {
  return new Uint8Array((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

interface Numbers {
  mode: number;
  owner: number;
  group: number;
  size: number;
}

function block(name: Buffer, flag: string, { mode, owner, group, size }: Numbers, link: Buffer): Uint8Array {
  const header = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  name.copy(header, 0, 0, 100);
  header.write(`${octal(mode, 7)}${octal(owner, 7)}${octal(group, 7)}${octal(size, 11)}${octal(0, 11)}        ${flag}`, 100, 'latin1');
  link.copy(header, 157, 0, 100);
  header.write('ustar  \0', 257, 'latin1');
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}
