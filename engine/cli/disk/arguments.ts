import { parseSize } from '../quantities';
import { UsageError } from '../usage-error';

export function parseFormat(option: string, text: string | undefined): 'raw' | 'qcow2' | undefined {
  if (text === undefined || text === 'raw' || text === 'qcow2') return text;
  throw new UsageError(`${option} expects raw or qcow2, not '${text}'.`);
}

/** Bytes of a disk: `20G`, `512M`; a number alone is in bytes, as with qemu-img. */
export function parseDiskSize(what: string, text: string): number {
  return /^\d+$/.test(text) ? Number(text) : parseSize(what, text);
}

export function parsePower(option: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDiskSize(option, text);
}
