import { VmError } from '../errors/vm-error';
import { dataDirectory } from '../host/data-directory';
import type { RunState } from '../runner/control';
import { findRunning } from '../runner/control-socket';
import { type BoxEntry, Library } from '../runner/library';
import { LIST } from './commands/library';
import { expectNames, parseArguments } from './option-parser';
import { formatBytes } from './quantities';
import { recoverLibrary } from './recovery';
import { formatTable } from './table';

/** `hartbox list`: the boxes of this user. */
export async function list(args: string[]): Promise<number> {
  const { values, names } = parseArguments(LIST, args);
  expectNames(LIST, names, []);
  const home = dataDirectory();
  const library = new Library(home);
  await recoverLibrary(library);
  const boxes = await Promise.all((await library.list()).map((entry) => describe(library, entry, home)));
  if (values.json) {
    process.stdout.write(`${JSON.stringify(boxes, null, 2)}\n`);
    return 0;
  }
  process.stdout.write(table(boxes));
  for (const box of boxes) if (box.state === 'unusable') process.stderr.write(`hartbox: ${box.id}: ${box.error}\n`);
  return 0;
}

/** How a box is now; unknown: it runs, and cannot be asked. */
interface Live {
  state: RunState | 'stopped' | 'unknown';
  /** The process that runs it, and what that is. */
  pid?: number;
  program?: string;
  /** Why it cannot be asked. */
  problem?: string;
}

/** Sizes in bytes; `diskUse` is what the box's folder takes on the host's disk. */
type Description =
  | ({ id: string; name: string; memory: number; harts: number; drives: string[]; diskUse: number } & Live)
  | ({ id: string; state: 'unusable'; error: string; diskUse: number } & Omit<Live, 'state'>);

async function liveState(home: string, id: string): Promise<Live> {
  try {
    const client = await findRunning(home, id);
    client?.close();
    if (!client?.status) return { state: 'stopped' };
    const { state, pid, program } = client.status;
    return { state, pid, program };
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    const pid = error.params?.['pid'];
    return { state: 'unknown', problem: error.message, ...(typeof pid === 'number' && { pid }) };
  }
}

async function describe(library: Library, entry: BoxEntry, home: string): Promise<Description> {
  const { id } = entry;
  const [live, { bytes: diskUse }] = await Promise.all([liveState(home, id), library.diskUse(id)]);
  if (entry.error) return { id, ...live, state: 'unusable', error: entry.error.message, diskUse };
  const { name, memory, harts, drives } = entry.values;
  return { id, name, ...live, memory, harts, drives: drives.map((drive) => drive.file), diskUse };
}

function table(boxes: Description[]): string {
  const host = ({ pid, program }: Omit<Live, 'state'>): string =>
    pid === undefined ? '' : program === undefined ? `${pid}` : `${program} (${pid})`;
  const rows = boxes.map((box) => {
    const [name, memory, harts] = box.state === 'unusable' ? ['', '', ''] : [box.name, formatBytes(box.memory), `${box.harts}`];
    return [box.id, name, box.state, host(box), memory, harts, formatBytes(box.diskUse)];
  });
  const width = process.stdout.isTTY ? process.stdout.columns : undefined;
  const head = ['ID', 'NAME', 'STATE', 'RUN BY', 'MEMORY', 'HARTS', 'DISK USE'];
  return formatTable([head, ...rows], [4, 5, 6], { width, flexible: [3, 1, 0] });
}
