import { MonitorError } from './expression';

/** `/4xw`: how many, in which form, of which size. */
export interface Format {
  count: number;
  form: 'x' | 'd' | 'u' | 'o' | 'c' | 'i';
  /** Bytes: 1, 2, 4 or 8. */
  size: 1 | 2 | 4 | 8;
}

const SIZES = { b: 1, h: 2, w: 4, g: 8 } as const;
/** What one command shows at most. */
const BYTES_MAX = 1 << 20;

/** The format at the start of what follows `x`, `xp` and `p`, and what stands behind it. Throws MonitorError. */
export function parseFormat(text: string, size: Format['size']): { format: Format; rest: string } {
  const format: Format = { count: 1, form: 'x', size };
  const [whole, count, letters] = /^\/(\d*)([a-z]*)/i.exec(text) ?? [];
  if (whole === undefined) return { format, rest: text.trimStart() };
  if (count !== undefined && count !== '') format.count = Number(count);
  for (const letter of letters ?? '') {
    if (Object.hasOwn(SIZES, letter)) format.size = SIZES[letter as keyof typeof SIZES];
    else if (['x', 'd', 'u', 'o', 'c', 'i'].includes(letter)) format.form = letter as Format['form'];
    else throw new MonitorError(`invalid char in format: '${letter}'`);
  }
  if (format.count * format.size > BYTES_MAX) throw new MonitorError(`that is more than ${BYTES_MAX} bytes`);
  return { format, rest: text.slice(whole.length).trimStart() };
}

/** Bytes as lines of 16 with the address before each, in the layout of QEMU. */
export function dump(address: bigint, bytes: Uint8Array, format: Format): string {
  const { form, size } = format;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // A character is a byte, whatever the size; as many bytes are shown all the same.
  const unit = form === 'c' ? 1 : size;
  let text = '';
  for (let line = 0; line < bytes.length; line += 16) {
    const at = BigInt.asUintN(64, address + BigInt(line));
    text += `${at.toString(16).padStart(16, '0')}:`;
    for (let i = line; i < Math.min(line + 16, bytes.length); i += unit) text += ` ${written(read(view, i, unit), form, unit)}`;
    text += '\n';
  }
  return text;
}

function read(view: DataView, at: number, size: number): bigint {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(view.getUint8(at + i));
  return value;
}

/** Columns of a decimal number, by its bytes. */
const DIGITS: Readonly<Record<number, number>> = { 1: 3, 2: 5, 4: 10, 8: 20 };

/** One value: widths are those that the largest of its size needs. */
function written(value: bigint, form: Format['form'], size: number): string {
  switch (form) {
    case 'x':
    case 'i':
      return `0x${value.toString(16).padStart(2 * size, '0')}`;
    case 'o':
      return `0${value.toString(8).padStart(Math.ceil((8 * size) / 3), '0')}`;
    case 'u':
      return value.toString().padStart(DIGITS[size]);
    case 'd':
      // Only whole doublewords have a sign, as in QEMU.
      return (size === 8 ? BigInt.asIntN(64, value) : value).toString().padStart(DIGITS[size]);
    case 'c':
      return character(Number(value & 0xffn));
  }
}

function character(byte: number): string {
  const special: Record<number, string> = { 10: '\\n', 13: '\\r', 9: '\\t', 39: "\\'", 92: '\\\\' };
  if (special[byte]) return `'${special[byte]}'`;
  return byte >= 32 && byte <= 126 ? `'${String.fromCharCode(byte)}'` : `'\\x${byte.toString(16).padStart(2, '0')}'`;
}

/** What `p` shows. */
export function printed(value: bigint, form: Format['form']): string {
  switch (form) {
    case 'o':
      return `0${value.toString(8)}`;
    case 'u':
      return value.toString();
    case 'c':
      return character(Number(value & 0xffn));
    case 'x':
      return `0x${value.toString(16)}`;
    default:
      return BigInt.asIntN(64, value).toString();
  }
}
