import type { MachineConfigInput } from '../machine/config';
import { parseDrive } from './drive-option';
import { parseOptions, type OptionTable } from './option-parser';
import { parseCount, parseSeconds, parseSize } from './quantities';
import { UsageError } from './usage-error';

/** What the options of `run` and `exec` say: only what was given, so that a saved VM keeps the rest. */
export interface MachineOptions {
  config: Omit<MachineConfigInput, 'name' | 'console'>;
  /** Milliseconds. */
  timeout: number | undefined;
  trace: string[];
  /** Compare translated code with the interpreter as it runs. */
  checkJit: boolean;
  /** Whether to report statistics, and every how many milliseconds besides the end. */
  stats: { every: number | undefined } | undefined;
  /** Where to write them as JSON. */
  statsJson: string | undefined;
  /** Where to write a profile of the guest, and the symbols for it: files, and where they were loaded. */
  profile: string | undefined;
  symbols: { file: string; base: bigint }[];
  help: boolean;
}

export const MACHINE_OPTIONS = {
  memory: { type: 'string', short: 'm' },
  harts: { type: 'string' },
  aia: { type: 'string' },
  'no-jit': { type: 'boolean' },
  kernel: { type: 'string' },
  initrd: { type: 'string' },
  append: { type: 'string' },
  firmware: { type: 'string' },
  'flash-vars': { type: 'string' },
  'fw-cfg': { type: 'string', multiple: true },
  bus: { type: 'string' },
  virtio: { type: 'string' },
  drive: { type: 'string', multiple: true },
  cdrom: { type: 'string', multiple: true },
  scsi: { type: 'boolean' },
  nographic: { type: 'boolean' },
  timeout: { type: 'string' },
  trace: { type: 'string', multiple: true },
  check: { type: 'string' },
  stats: { type: 'string', optional: true },
  'stats-json': { type: 'string' },
  profile: { type: 'string' },
  symbols: { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
} as const satisfies OptionTable;

/** Options up to the first other argument or `--`; the rest comes back untouched. */
export function parseMachineOptions(command: string, args: string[]): { options: MachineOptions; rest: string[] } {
  const { values, rest } = parseOptions(command, MACHINE_OPTIONS, args);
  const config: MachineOptions['config'] = {};
  if (values.memory !== undefined) config.memory = parseSize('--memory', values.memory);
  if (values.harts !== undefined) config.harts = parseCount('--harts', values.harts, 1, 16);
  if (values.aia !== undefined) config.aia = parseAia(values.aia);
  if (values['no-jit']) config.jit = false;
  for (const name of ['kernel', 'initrd', 'firmware', 'flash-vars', 'stats-json', 'profile'] as const) {
    if (values[name] === '') throw new UsageError(`--${name} expects a file.`, command);
  }
  if (values.symbols && values.profile === undefined) throw new UsageError('--symbols is of use only together with --profile.', command);
  for (const name of ['kernel', 'initrd', 'firmware'] as const) {
    if (values[name] !== undefined) config[name] = values[name];
  }
  if (values.check !== undefined && values.check !== 'jit') throw new UsageError(`--check expects jit, not '${values.check}'.`, command);
  if (values.append !== undefined) config.append = values.append;
  if (values.cdrom?.includes('')) throw new UsageError('--cdrom expects a file.', command);
  const drives = [...(values.drive ?? []).map(parseDrive), ...(values.cdrom ?? []).map((file) => ({ file, media: 'cdrom' as const }))];
  if (drives.length > 0) config.drives = drives;
  if (values.scsi) config.scsi = true;
  if (values['flash-vars'] !== undefined) config.flashVars = values['flash-vars'];
  if (values['fw-cfg'] !== undefined) config.fwCfg = values['fw-cfg'].map(parseFwCfg);
  if (values.virtio !== undefined) config.virtio = values.virtio.split(',').map(parseVirtioFeature);
  if (values.bus !== undefined) {
    if (values.bus !== 'mmio' && values.bus !== 'pci') throw new UsageError(`--bus expects mmio or pci, not '${values.bus}'.`, command);
    config.bus = values.bus;
  }
  return {
    options: {
      config,
      timeout: values.timeout === undefined ? undefined : parseSeconds('--timeout', values.timeout),
      trace: (values.trace ?? []).flatMap((topics) => topics.split(',')).filter((topic) => topic !== ''),
      stats: values.stats === undefined ? undefined : { every: parseInterval(values.stats) },
      statsJson: values['stats-json'],
      checkJit: values.check !== undefined,
      profile: values.profile,
      symbols: (values.symbols ?? []).map(parseSymbols),
      help: values.help ?? false,
    },
    rest,
  };
}

function parseAia(text: string): NonNullable<MachineConfigInput['aia']> {
  if (text === 'none' || text === 'aplic' || text === 'aplic-imsic') return text;
  throw new UsageError(`--aia expects none, aplic or aplic-imsic, not '${text}'.`);
}

function parseVirtioFeature(text: string): 'packed' | 'in-order' | 'notification-data' {
  if (text === 'packed' || text === 'in-order' || text === 'notification-data') return text;
  throw new UsageError(`--virtio expects packed, in-order or notification-data, several with commas, not '${text}'.`);
}

/** `vmlinux`, or `program@0x2aaaaaa000` for one that was loaded elsewhere than it was linked. */
function parseSymbols(text: string): { file: string; base: bigint } {
  const [, file, base = '0'] = /^(.+?)(?:@(0x[0-9a-f]{1,16}))?$/i.exec(text) ?? [];
  if (file === undefined) throw new UsageError('--symbols expects a file.');
  return { file, base: BigInt(base) };
}

/** The value of --stats: seconds between two reports, or nothing. */
function parseInterval(text: string): number | undefined {
  if (text === '') return undefined;
  const milliseconds = parseSeconds('--stats', text.replace(/s$/, ''));
  if (milliseconds < 100) throw new UsageError(`--stats reports at most every 0.1 seconds, not every ${text}.`);
  return milliseconds;
}

/** `name=opt/…,file=FILE` or `name=opt/…,string=TEXT`, as in QEMU; all behind the second `=` belongs to the value. */
function parseFwCfg(text: string): NonNullable<MachineConfigInput['fwCfg']>[number] {
  const [, name, kind, value] = /^(?:name=)?(opt\/[^,\s]{1,51}),(file|string)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new UsageError(`--fw-cfg expects name=opt/NAME,file=FILE or name=opt/NAME,string=TEXT, not '${text}'.`);
  return kind === 'file' ? { name, file: value } : { name, text: value };
}
