import { checkDisk, commitDisk, convertDisk, createDisk, diskInfo, resizeDisk } from '../../index';
import { ENDING_SIGNALS } from '../../host/ending-signals';
import { exitCodeOfSignal } from '../exit-codes';
import { UsageError } from '../usage-error';
import { expectArguments, parseArguments, parseDiskSize, parseFormat } from './arguments';
import { CREATION_OPTIONS, creationOptions } from './creation-options';
import { CHECK_HELP, COMMIT_HELP, CONVERT_HELP, CREATE_HELP, INFO_HELP, RESIZE_HELP } from './help';
import { PercentLine } from './progress';
import { denseText, formatBytes, infoText } from './report';

const CHECK_DAMAGED = 1;
const CHECK_LEAKS = 3;

function print(value: unknown): void {
  process.stdout.write(typeof value === 'string' ? value : `${JSON.stringify(value, null, 2)}\n`);
}

export async function create(args: string[]): Promise<number> {
  const { values, names } = parseArguments(
    'create',
    { ...CREATION_OPTIONS, backing: { type: 'string', short: 'b' }, 'backing-format': { type: 'string' } },
    args,
  );
  if (values.help) return help(CREATE_HELP);
  expectArguments('create', names, ['the name of the new FILE', 'a SIZE?']);
  const [file, size] = names;
  const { backing, 'backing-format': backingFormat, json, ...creation } = values;
  if (size === undefined && backing === undefined) throw new UsageError('disk create expects a SIZE, such as 20G.', 'disk create');
  if (backing === undefined && backingFormat !== undefined) throw new UsageError('--backing-format is of use with --backing only.');
  const format = parseFormat('--format', creation.format) ?? 'qcow2';
  await createDisk({
    file,
    format,
    size: size === undefined ? undefined : parseDiskSize('SIZE', size),
    backing: backing === undefined ? undefined : { file: backing, format: parseFormat('--backing-format', backingFormat) },
    ...creationOptions(withoutHelp(creation), format),
  });
  const made = await diskInfo(file, { format });
  process.stderr.write(denseText(made));
  if (json) print(made);
  return 0;
}

export async function info(args: string[]): Promise<number> {
  const { values, names } = parseArguments('info', { format: { type: 'string', short: 'f' } }, args);
  if (values.help) return help(INFO_HELP);
  expectArguments('info', names, ['a FILE']);
  const found = await diskInfo(names[0], { format: parseFormat('--format', values.format) });
  print(values.json ? found : infoText(found));
  return 0;
}

export async function check(args: string[]): Promise<number> {
  const { values, names } = parseArguments(
    'check',
    { format: { type: 'string', short: 'f' }, repair: { type: 'string', optional: true } },
    args,
  );
  if (values.help) return help(CHECK_HELP);
  expectArguments('check', names, ['a FILE']);
  if (values.repair !== undefined && !['', 'all', 'leaks'].includes(values.repair))
    throw new UsageError(`--repair expects leaks, all or nothing, not '${values.repair}'.`, 'disk check');
  const repair = values.repair === undefined ? undefined : values.repair === 'leaks' ? 'leaks' : 'all';
  const result = await withProgress(repair ? 'Repairing' : 'Checking', (onProgress) =>
    checkDisk(names[0], { format: parseFormat('--format', values.format), repair, onProgress }),
  );
  const { found, left } = result;
  if (values.json) print(result);
  else {
    for (const problem of found.problems) print(`${problem}\n`);
    const mended = repair && found.corruptions + found.leaks > left.corruptions + left.leaks ? 'After the repair: ' : '';
    if (result.format === 'raw') print(`${names[0]} is a raw image: it has nothing that could be damaged.\n`);
    else if (left.corruptions > 0)
      print(
        `${mended}${names[0]} is damaged: ${left.corruptions} corruptions, ${left.leaks} leaked clusters. ${repair ? 'The rest is beyond repair: copy what can be read (hartbox disk convert) or take a backup.' : 'Try --repair, on a copy.'}\n`,
      );
    else if (left.leaks > 0) print(`${mended}${names[0]} is sound, but ${left.leaks} clusters are lost space. --repair gives them back.\n`);
    else print(`${mended}${names[0]} is sound.\n`);
  }
  return left.corruptions > 0 ? CHECK_DAMAGED : left.leaks > 0 ? CHECK_LEAKS : 0;
}

export async function resize(args: string[]): Promise<number> {
  const { values, names } = parseArguments('resize', { format: { type: 'string', short: 'f' }, shrink: { type: 'boolean' } }, args);
  if (values.help) return help(RESIZE_HELP);
  expectArguments('resize', names, ['a FILE', 'a SIZE or +SIZE']);
  const [file, text] = names;
  const bytes = parseDiskSize('SIZE', text.replace(/^\+/, ''));
  const size = await resizeDisk(file, {
    ...(text.startsWith('+') ? { by: bytes } : { size: bytes }),
    shrink: values.shrink,
    format: parseFormat('--format', values.format),
  });
  print(values.json ? { file, size } : `${file} has ${formatBytes(size)} now.\n`);
  return 0;
}

export async function convert(args: string[]): Promise<number> {
  const { values, names } = parseArguments(
    'convert',
    { ...CREATION_OPTIONS, 'from-format': { type: 'string' }, compress: { type: 'boolean', short: 'c' }, force: { type: 'boolean' } },
    args,
  );
  if (values.help) return help(CONVERT_HELP);
  expectArguments('convert', names, ['a FILE to copy from', 'the name of the new FILE']);
  const [from, to] = names;
  const { 'from-format': fromFormat, compress, force, json, ...creation } = values;
  const format = parseFormat('--format', creation.format) ?? 'qcow2';
  const interruption = new AbortController();
  let code: number | undefined;
  const listeners = ENDING_SIGNALS.map((signal) => {
    const listener = (): void => {
      code = exitCodeOfSignal(signal);
      interruption.abort();
    };
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  try {
    await withProgress('Converting', (onProgress) =>
      convertDisk({
        from,
        to,
        format,
        fromFormat: parseFormat('--from-format', fromFormat),
        compress,
        replace: force,
        onProgress,
        signal: interruption.signal,
        ...creationOptions(withoutHelp(creation), format),
      }),
    );
  } catch (error) {
    if (code === undefined) throw error;
    process.stderr.write(`hartbox: stopped; ${to} is as it was.\n`);
    return code;
  } finally {
    for (const end of listeners) end();
  }
  if (json) print(await diskInfo(to, { format }));
  return 0;
}

export async function commit(args: string[]): Promise<number> {
  const { values, names } = parseArguments('commit', {}, args);
  if (values.help) return help(COMMIT_HELP);
  expectArguments('commit', names, ['a FILE']);
  const backing = await withProgress('Committing', (onProgress) => commitDisk(names[0], { onProgress }));
  print(values.json ? { file: names[0], backing } : `${backing} has everything that ${names[0]} had of its own.\n`);
  return 0;
}

function help(text: string): number {
  print(text);
  return 0;
}

function withoutHelp<Values extends { help?: boolean }>({ help: _, ...values }: Values): Omit<Values, 'help'> {
  return values;
}

async function withProgress<Result>(what: string, work: (onProgress: PercentLine['update']) => Promise<Result>): Promise<Result> {
  const line = new PercentLine(what);
  try {
    return await work(line.update);
  } finally {
    line.end();
  }
}
