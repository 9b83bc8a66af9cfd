import type { DriveConfigInput } from '../machine/config';
import { parseCount } from './quantities';
import { UsageError } from './usage-error';

const FORM =
  'file=F[,if=virtio|scsi][,media=disk|cdrom][,format=auto|raw|qcow2][,readonly][,serial=S][,discard=on|off][,blocksize=N][,queues=N][,id=NAME][,bus=mmio|pci]';

/** `file=disk.img,if=scsi,readonly`; a comma within a value is written twice, as in QEMU. */
export function parseDrive(text: string): DriveConfigInput {
  const wrong = (what: string): UsageError => new UsageError(`--drive expects ${FORM}, but ${what}.`);
  const given = new Map<string, string>();
  for (const part of text.split(/(?<!,),(?!,)/)) {
    const [, key = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(part.replaceAll(',,', ',')) ?? [];
    if (given.has(key)) throw wrong(`'${key}' is given twice`);
    given.set(key, value ?? (key === 'readonly' ? 'on' : ''));
  }
  const {
    file = '',
    format = 'auto',
    readonly = 'off',
    serial,
    discard,
    blocksize,
    queues,
    id,
    bus,
    ...others
  } = Object.fromEntries(given);
  const { if: wanted, media, ...unknown } = others;
  const [surplus] = Object.keys(unknown);
  if (surplus !== undefined) throw wrong(given.has('file') ? `'${surplus}' is none of these` : `'${text}' names no file`);
  if (file === '') throw wrong(`'${text}' names no file`);
  const oneOf = <const Choice extends string>(key: string, value: string, choices: readonly Choice[]): Choice => {
    const choice = choices.find((one) => one === value);
    if (choice === undefined) throw wrong(`${key} is '${value}' (${choices.join(' or ')})`);
    return choice;
  };
  return {
    file,
    format: oneOf('format', format, ['auto', 'raw', 'qcow2']),
    readonly: oneOf('readonly', readonly, ['on', 'off']) === 'on',
    ...(serial !== undefined && { serial }),
    ...(id !== undefined && { id }),
    ...(bus !== undefined && { bus: oneOf('bus', bus, ['mmio', 'pci']) }),
    ...(wanted !== undefined && { interface: oneOf('if', wanted, ['virtio', 'scsi']) }),
    ...(media !== undefined && { media: oneOf('media', media, ['disk', 'cdrom']) }),
    ...(discard !== undefined && { discard: oneOf('discard', discard, ['on', 'off']) === 'on' }),
    ...(blocksize !== undefined && { blockSize: oneOf('blocksize', blocksize, ['512', '4096']) === '512' ? 512 : 4096 }),
    ...(queues !== undefined && { queues: parseCount('queues', queues, 1, 16) }),
  };
}
