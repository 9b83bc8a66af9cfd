import { dataDirectory } from '../host/data-directory';
import { writeOutput } from '../host/output-file';
import { readDeviceTree } from '../images/device-tree-file';
import { deviceTreeSource } from '../images/device-tree-source';
import type { Result } from '../runner/control';
import { Library } from '../runner/library';
import { Runner } from '../runner/runner';
import { INFO } from './commands/looking';
import { prepare } from './machine-setup';
import { namedBox, nothingMore, parseBoxCommand } from './running-box';
import { formatTable } from './table';

const hex = (value: number): string => value.toString(16).padStart(10, '0');

/** `hartbox info`. */
export async function info(args: string[]): Promise<number> {
  const { values, name, rest } = parseBoxCommand(INFO, args);
  nothingMore('info', rest);
  const { memoryMap, deviceTree } = await boardOf(name);
  const blob = Buffer.from(deviceTree, 'base64');
  const file = values['dump-dtb'];
  if (file !== undefined) await writeDeviceTree(file, blob);
  else if (values.dts) process.stdout.write(deviceTreeSource(readDeviceTree({ what: 'device tree', path: name, bytes: blob })));
  else if (values.json) process.stdout.write(`${JSON.stringify(memoryMap, null, 2)}\n`);
  else
    process.stdout.write(
      formatTable(memoryMap.map(({ base, size, kind, name: what }) => [`${hex(base)}-${hex(base + size - 1)}`, kind, what])),
    );
  return 0;
}

/** Throws VmError where the file cannot be written. */
export async function writeDeviceTree(file: string, blob: Uint8Array): Promise<void> {
  await writeOutput(file, blob);
}

/** Of one that runs, or else of one that is made for that and is not switched on. */
async function boardOf(name: string): Promise<Result<'board'>> {
  const { id, client } = await namedBox(name);
  if (client) {
    try {
      return await client.call('board', {});
    } finally {
      client.close();
    }
  }
  const runner = new Runner({
    box: { library: new Library(dataDirectory()), id },
    program: 'hartbox info',
    dataDirectory: dataDirectory(),
  });
  await prepare(runner);
  try {
    return await runner.operations.board({});
  } finally {
    await runner.forceOff();
  }
}
