import { checkDisk, commitDisk, convertDisk, createDisk, diskFormatFor, diskInfo, imageChain, resizeDisk } from '../../index';
import { DISK_CHECK, DISK_COMMIT, DISK_CONVERT, DISK_CREATE, DISK_INFO, DISK_RESIZE } from '../commands/disk';
import { expectNames, parseArguments } from '../option-parser';
import { UsageError } from '../usage-error';
import { parseDiskSize, parseFormat } from './arguments';
import { creationOptions } from './creation-options';
import { interruptible } from '../interruption';
import { PercentLine } from '../percent-line';
import { formatBytes } from '../quantities';
import { denseText, infoText } from './report';

const CHECK_DAMAGED = 1;
const CHECK_LEAKS = 3;

function print(value: unknown): void {
  process.stdout.write(typeof value === 'string' ? value : `${JSON.stringify(value, null, 2)}\n`);
}

export async function create(args: string[]): Promise<number> {
  const { values, names } = parseArguments(DISK_CREATE, args);
  expectNames(DISK_CREATE, names, ['the name of the new FILE', 'a SIZE?']);
  const [file, size] = names;
  const { backing, 'backing-format': backingFormat, json, ...creation } = values;
  if (size === undefined && backing === undefined) throw new UsageError('disk create expects a SIZE, such as 20G.', 'disk create');
  if (backing === undefined && backingFormat !== undefined) throw new UsageError('--backing-format is of use with --backing only.');
  const format = parseFormat('--format', creation.format) ?? diskFormatFor(file);
  await createDisk({
    file,
    format,
    size: size === undefined ? undefined : parseDiskSize('SIZE', size),
    backing: backing === undefined ? undefined : { file: backing, format: parseFormat('--backing-format', backingFormat) },
    ...creationOptions(creation, format),
  });
  const made = await diskInfo(file, { format });
  process.stderr.write(denseText(made));
  if (json) print(made);
  return 0;
}

export async function info(args: string[]): Promise<number> {
  const { values, names } = parseArguments(DISK_INFO, args);
  expectNames(DISK_INFO, names, ['a FILE']);
  const format = parseFormat('--format', values.format);
  const found = await diskInfo(names[0], { format });
  // What is no file of this computer is shown as the image's own.
  const chain = await imageChain(names[0], { format }).catch(() => []);
  print(values.json ? { ...found, references: chain } : infoText(found, chain));
  return 0;
}

export async function check(args: string[]): Promise<number> {
  const { values, names } = parseArguments(DISK_CHECK, args);
  expectNames(DISK_CHECK, names, ['a FILE']);
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
  const { values, names } = parseArguments(DISK_RESIZE, args);
  expectNames(DISK_RESIZE, names, ['a FILE', 'a SIZE or +SIZE']);
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
  const { values, names } = parseArguments(DISK_CONVERT, args);
  expectNames(DISK_CONVERT, names, ['a FILE to copy from', 'the name of the new FILE']);
  const [from, to] = names;
  const { 'from-format': fromFormat, compress, force, json, ...creation } = values;
  const format = parseFormat('--format', creation.format) ?? diskFormatFor(to);
  return interruptible('Converting', `stopped; ${to} is as it was.`, async (options) => {
    await convertDisk({
      from,
      to,
      format,
      fromFormat: parseFormat('--from-format', fromFormat),
      compress,
      replace: force,
      ...options,
      ...creationOptions(creation, format),
    });
    if (json) print(await diskInfo(to, { format }));
    return 0;
  });
}

export async function commit(args: string[]): Promise<number> {
  const { values, names } = parseArguments(DISK_COMMIT, args);
  expectNames(DISK_COMMIT, names, ['a FILE']);
  const backing = await withProgress('Committing', (onProgress) => commitDisk(names[0], { onProgress }));
  print(values.json ? { file: names[0], backing } : `${backing} has everything that ${names[0]} had of its own.\n`);
  return 0;
}

async function withProgress<Result>(what: string, work: (onProgress: PercentLine['update']) => Promise<Result>): Promise<Result> {
  const line = new PercentLine(what);
  try {
    return await work(line.update);
  } finally {
    line.end();
  }
}
