import { dataDirectory } from '../images/data-directory';
import { type VmEntry, VmLibrary } from '../machine/vm-library';
import { LIST_HELP } from './help';
import { parseOptions } from './option-parser';
import { formatSize } from './quantities';
import { formatTable } from './table';
import { UsageError } from './usage-error';

/** `hartbox list`: the VMs of this user. */
export async function list(args: string[]): Promise<number> {
  const { values, rest } = parseOptions('list', { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } }, args);
  if (values.help) {
    process.stdout.write(LIST_HELP);
    return 0;
  }
  if (rest[0] !== undefined) throw new UsageError(`list takes no argument; '${rest[0]}' is too much.`, 'list');
  const library = new VmLibrary(dataDirectory());
  const vms = await Promise.all((await library.list()).map(async (entry) => describe(entry, await library.isRunning(entry.id))));
  process.stdout.write(values.json ? `${JSON.stringify(vms, null, 2)}\n` : table(vms));
  return 0;
}

type Description =
  | { id: string; name: string; state: 'running' | 'stopped'; memory: number; harts: number; drives: string[] }
  | { id: string; state: 'unusable'; error: string };

function describe(entry: VmEntry, isRunning: boolean): Description {
  if (entry.error) return { id: entry.id, state: 'unusable', error: entry.error.message };
  const { name, memory, harts, drives } = entry.config;
  return { id: entry.id, name, state: isRunning ? 'running' : 'stopped', memory, harts, drives: drives.map((drive) => drive.file) };
}

function table(vms: Description[]): string {
  const rows = vms.map((vm) =>
    vm.state === 'unusable'
      ? [vm.id, '', vm.state, '', '', vm.error]
      : [vm.id, vm.name, vm.state, formatSize(vm.memory), `${vm.harts}`, vm.drives.join(' ')],
  );
  return formatTable([['ID', 'NAME', 'STATE', 'MEMORY', 'HARTS', 'DRIVES'], ...rows]);
}
