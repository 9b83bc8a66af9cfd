import { UsageError } from './usage-error';

const UNITS: Record<string, number> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** `512M`, `1G`, `1.5GiB`, `65536K` in bytes. A number alone is MiB, as in QEMU. */
export function parseSize(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?)?$/i.exec(text);
  const bytes = match ? Number(match[1]) * (UNITS[match[2]?.toUpperCase() ?? 'M'] ?? Number.NaN) : Number.NaN;
  if (!Number.isSafeInteger(bytes)) throw new UsageError(`${option} expects a size such as 512M or 2G, not '${text}'.`);
  return bytes;
}

/** A whole number from `least` to `most`. */
export function parseCount(option: string, text: string, least: number, most: number): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(count >= least && count <= most)) throw new UsageError(`${option} expects a whole number from ${least} to ${most}, not '${text}'.`);
  return count;
}

/** The longest delay that a timer can take, in seconds: some 24 days. */
const LONGEST = Math.floor((2 ** 31 - 1) / 1000);

/** Seconds above 0, fractions allowed, in milliseconds. */
export function parseSeconds(option: string, text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds > 0 && seconds <= LONGEST)) throw new UsageError(`${option} expects seconds above 0, at most ${LONGEST}, not '${text}'.`);
  return seconds * 1000;
}

/** `512 MiB`, `1.5 GiB`. */
export function formatSize(bytes: number): string {
  return bytes >= 2 ** 30 ? `${Number((bytes / 2 ** 30).toFixed(1))} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}
