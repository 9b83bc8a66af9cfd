import { createInterface } from 'node:readline/promises';
import { dataDirectory } from '../../host/data-directory';
import { Library, type TrashedBox } from '../../runner/library';
import { VmError } from '../../errors/vm-error';
import { DELETE, TRASH_EMPTY, TRASH_LIST, TRASH_RESTORE } from '../commands/library';
import { expectNames, parseArguments } from '../option-parser';
import { formatBytes } from '../quantities';
import { formatTable } from '../table';
import { UsageError } from '../usage-error';

/** `hartbox delete`: a box goes to the trash. */
export async function remove(args: string[]): Promise<number> {
  const { values: own, names } = parseArguments(DELETE, args);
  expectNames(DELETE, names, ['a BOX']);
  const library = new Library(dataDirectory());
  const { id, values } = await library.find(names[0]);
  const called = values === undefined || values.name === id ? id : `${values.name} (${id})`;
  if (!(await isConfirmed('delete', own.yes, `Move the box ${called} to the trash?`))) return 1;
  await library.remove(id);
  const trashed = (await library.trashed()).find((one) => one.id === id);
  process.stdout.write(`The box ${called} is in the trash. To have it back: hartbox trash restore ${trashed?.trashId ?? id}\n`);
  return 0;
}

/** `hartbox trash list`. */
export async function listTrash(args: string[]): Promise<number> {
  const { values: own, names } = parseArguments(TRASH_LIST, args);
  expectNames(TRASH_LIST, names, []);
  const boxes = await new Library(dataDirectory()).trashed();
  if (own.json) process.stdout.write(`${JSON.stringify(boxes, null, 2)}\n`);
  else if (boxes.length === 0) process.stderr.write('The trash is empty.\n');
  else {
    const rows = boxes.map(({ trashId, name, size, time }) => [trashId, name, formatBytes(size), new Date(time).toLocaleString('sv')]);
    process.stdout.write(formatTable([['ID', 'NAME', 'SIZE', 'DELETED'], ...rows], [2]));
  }
  return 0;
}

/** `hartbox trash restore`. */
export async function restore(args: string[]): Promise<number> {
  const { names } = parseArguments(TRASH_RESTORE, args);
  expectNames(TRASH_RESTORE, names, ['a BOX']);
  const library = new Library(dataDirectory());
  const { trashId, name } = inTrash(await library.trashed(), names[0]);
  const id = await library.restore(trashId);
  process.stdout.write(`The box ${name} (${id}) is back.\n`);
  return 0;
}

/** `hartbox trash empty`: for good. */
export async function empty(args: string[]): Promise<number> {
  const { values: own, names } = parseArguments(TRASH_EMPTY, args);
  const library = new Library(dataDirectory());
  const all = await library.trashed();
  const boxes = names.length === 0 ? all : names.map((name) => inTrash(all, name));
  if (boxes.length === 0) {
    process.stderr.write('The trash is empty.\n');
    return 0;
  }
  const size = formatBytes(boxes.reduce((sum, box) => sum + box.size, 0));
  const question = `Delete for good: ${boxes.map(({ name }) => name).join(', ')} (${size})?`;
  if (!(await isConfirmed('trash empty', own.yes, question))) return 1;
  for (const { trashId } of boxes) await library.purge(trashId);
  process.stdout.write(`${size} are free again.\n`);
  return 0;
}

/** The box in the trash that a person means: the last one deleted where several have that name. Throws VmError `Config`. */
function inTrash(boxes: readonly TrashedBox[], name: string): TrashedBox {
  const found =
    boxes.find(({ trashId }) => trashId === name) ?? boxes.find((box) => box.id === name || box.name.toLowerCase() === name.toLowerCase());
  if (found) return found;
  const known = boxes.length === 0 ? 'It is empty.' : `There are: ${boxes.map((box) => box.trashId).join(', ')}.`;
  throw VmError.config(`There is no box "${name}" in the trash. ${known}`);
}

/** Ask at a terminal; elsewhere nobody could answer. */
async function isConfirmed(command: string, yes: boolean | undefined, question: string): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new UsageError(`${command} asks first, and there is no terminal: say --yes.`, command);
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await reader.question(`${question} [y/N] `)).trim());
  } finally {
    reader.close();
  }
}
