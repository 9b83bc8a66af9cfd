import { RAM } from './commands/looking';
import { formatBytes, parseSize } from './quantities';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';
import { formatTable } from './table';

/** `hartbox ram`. */
export async function ram(args: string[]): Promise<number> {
  const { values, name, rest } = parseBoxCommand(RAM, args);
  const [size, ...surplus] = rest;
  nothingMore('ram', surplus);
  const target = size === undefined ? undefined : parseSize('The size', size);
  const { client } = await runningBox(name);
  const use = await client.call('memory', { target, reclaim: values.reclaim });
  client.close();
  if (values.json) {
    process.stdout.write(`${JSON.stringify(use, null, 2)}\n`);
    return 0;
  }
  const { guest = {} } = use;
  const rows: [string, number | undefined][] = [
    ['memory of the box', use.total],
    ['the guest is to get by with', use.target],
    ['the guest gets by with', use.usable],
    ['of that it could still use', guest['available']],
    ['of that nothing uses', guest['free']],
    ['given back so far, in all', use.released],
  ];
  process.stdout.write(
    formatTable(
      rows.flatMap(([what, bytes]) => (bytes === undefined ? [] : [[what, formatBytes(bytes)]])),
      [1],
    ),
  );
  if (!use.isDriven)
    process.stderr.write('hartbox: The guest has no driver for the balloon (virtio_balloon), or not yet: it keeps all of its memory.\n');
  return 0;
}
