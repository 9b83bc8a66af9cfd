import { VmError } from '../errors/vm-error';
import { dataDirectory } from '../host/data-directory';
import type { ControlClient } from '../runner/control-client';
import { findRunning } from '../runner/control-socket';
import { Library } from '../runner/library';
import type { Command, OptionTable } from './command';
import { type OptionValues, parseArguments } from './option-parser';
import { UsageError } from './usage-error';

/** Read the arguments of a command about one box, which comes first of them; `rest` are those behind it. */
export function parseBoxCommand<Table extends OptionTable>(
  command: Command<Table>,
  args: string[],
): { values: OptionValues<Table>; name: string; rest: string[] } {
  const { values, names } = parseArguments(command, args);
  const [name, ...rest] = names;
  if (name === undefined) throw new UsageError('Which box? Name one of those that hartbox list shows.', command.name);
  return { values, name, rest };
}

/** No argument is left. */
export function nothingMore(command: string, [surplus]: string[]): void {
  if (surplus !== undefined) throw new UsageError(`'${surplus}' is too much.`, command);
}

export interface NamedBox {
  id: string;
  /** Undefined if it is off. */
  client: ControlClient | undefined;
}

/** The box that a person means, and who controls it if it runs. Throws VmError as Library.find() and findRunning() do. */
export async function namedBox(name: string): Promise<NamedBox> {
  const home = dataDirectory();
  const { id } = await new Library(home).find(name);
  return { id, client: await findRunning(home, id) };
}

/** The same for commands that take a box that runs. Throws VmError 'State' if it is off. */
export async function runningBox(name: string): Promise<{ id: string; client: ControlClient }> {
  const { id, client } = await namedBox(name);
  if (client) return { id, client };
  throw new VmError('State', `The box ${id} is off. Start it with: hartbox start ${id}`, { code: 'box-off', params: { box: id } });
}
