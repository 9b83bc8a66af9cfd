const BLOCK_BYTES = 512;
/** The largest size that a ustar header can say. */
const OCTAL_SIZE_MAX = 8 ** 11 - 1;

/** What a tar archive ends with. */
export const TAR_END = new Uint8Array(2 * BLOCK_BYTES);

export interface TarFile {
  path: string;
  /** Bytes of contents, which follow the header, and `tarPadding` behind them. */
  size: number;
  mode?: number;
  /** Seconds since 1970. */
  time?: number;
  /** More pax records: those of sparse files, say. */
  records?: Readonly<Record<string, string>>;
}

/** The header of a file in a tar archive: ustar, with a pax header before it where that does not do (POSIX.1-2017, pax). */
export function tarHeader({ path, size, mode = 0o644, time = 0, records = {} }: TarFile): Uint8Array {
  const isPlain = /^[\x20-\x7e]{1,100}$/.test(path);
  const pax = { ...(!isPlain && { path }), ...(size > OCTAL_SIZE_MAX && { size: `${size}` }), ...records };
  const name = isPlain ? path : path.replace(/[^\x20-\x7e]/g, '_').slice(-100);
  const header = ustar(name, size > OCTAL_SIZE_MAX ? 0 : size, mode, time, '0');
  if (Object.keys(pax).length === 0) return header;
  const body = Buffer.from(Object.entries(pax).map(paxRecord).join(''));
  return Buffer.concat([ustar('PaxHeader', body.length, 0o644, time, 'x'), body, tarPadding(body.length), header]);
}

/** What fills the last block of contents. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

function ustar(name: string, size: number, mode: number, time: number, type: string): Uint8Array {
  const header = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, digits: number): string => Math.floor(value).toString(8).padStart(digits, '0');
  header.write(name, 0, 'latin1');
  header.write(`${octal(mode, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0${octal(size, 11)}\0${octal(time, 11)}\0        ${type}`, 100, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  header.write(
    `${octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    )}\0 `,
    148,
    'latin1',
  );
  return header;
}

/** `LENGTH KEY=VALUE\n`, LENGTH counting itself. */
function paxRecord([key, value]: [string, string]): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + `${rest}`.length;
  if (`${length}`.length > `${rest}`.length) length = rest + `${length}`.length;
  return `${length} ${key}=${value}\n`;
}
