import { fromHex, parseNumber, parseSmall, toHex } from './packet';
import type { AddressSpace, DebugTarget } from './target';

/** Error numbers of the protocol's replies, as errno's. */
export const [EFAULT, EINVAL] = [14, 22];
const LENGTH_MOST = 0xffff_ffff;

/** A packet `m`: what follows the letter is `address,length`. A number is an error. Fewer bytes than asked for where the rest is not there. */
export function readMemory(target: DebugTarget, space: AddressSpace, text: string, most: number): string | number {
  const [addressText, lengthText, surplus] = text.split(',');
  const [address, length] = [parseNumber(addressText), parseSmall(lengthText, LENGTH_MOST)];
  if (address === undefined || length === undefined || surplus !== undefined) return EINVAL;
  const bytes = target.readMemory(space, address, Math.min(length, most));
  return bytes.length === 0 && length > 0 ? EFAULT : toHex(bytes);
}

/** A packet `M` or, with the bytes as they are, `X`: `address,length:bytes`. A number is an error. */
export function writeMemory(target: DebugTarget, space: AddressSpace, text: string, isBinary: boolean): number | undefined {
  const colon = text.indexOf(':');
  const [addressText, lengthText, surplus] = text.slice(0, colon).split(',');
  const [address, length] = [parseNumber(addressText), parseSmall(lengthText, LENGTH_MOST)];
  const data = text.slice(colon + 1);
  const bytes = isBinary ? new Uint8Array(Buffer.from(data, 'latin1')) : fromHex(data);
  if (colon < 0 || address === undefined || length === undefined || surplus !== undefined || bytes?.length !== length) return EINVAL;
  if (bytes.length === 0) return undefined;
  return target.writeMemory(space, address, bytes) ? undefined : EFAULT;
}
