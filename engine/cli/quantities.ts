import { parseSize as readSize } from '../settings/text';
import { UsageError } from './usage-error';

/** `512M`, `1G`, `1.5GiB`, `65536K` in bytes. A number alone is MiB, as in QEMU. */
export function parseSize(option: string, text: string): number {
  const bytes = readSize(text);
  if (bytes === undefined) throw new UsageError(`${option} expects a size such as 512M or 2G, not '${text}'.`);
  return bytes;
}

/** The longest delay that a timer can take, in seconds: some 24 days. */
const LONGEST = Math.floor((2 ** 31 - 1) / 1000);

/** Seconds above 0, fractions allowed, in milliseconds. */
export function parseSeconds(option: string, text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds > 0 && seconds <= LONGEST)) throw new UsageError(`${option} expects seconds above 0, at most ${LONGEST}, not '${text}'.`);
  return seconds * 1000;
}

/** `512 MiB`, `1.5 GiB`, to be read by people; small ones in bytes or KiB. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < 2 ** 20) return `${Math.ceil(bytes / 1024)} KiB`;
  return bytes >= 2 ** 30 ? `${Number((bytes / 2 ** 30).toFixed(1))} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}
