import { nearest } from '../settings/nearest';
import type { Command } from './command';
import { BACKGROUND } from './commands/running';
import { COMMANDS } from './commands';
import { EXIT_USAGE } from './exit-codes';
import { parseArguments } from './option-parser';
import { UsageError } from './usage-error';

type Handler = (args: string[]) => Promise<number>;
type Name = Exclude<(typeof COMMANDS)[number]['name'], 'disk' | 'drive' | 'image' | 'network' | 'trash'>;

/** What the commands do; each is loaded when it is wanted. */
const HANDLERS: Record<string, () => Promise<Handler>> = {
  run: async () => (await import('./run')).run,
  exec: async () => (await import('./exec')).exec,
  start: async () => (await import('./start')).start,
  dev: async () => (await import('./dev')).dev,
  attach: async () => (await import('./attach')).attach,
  stop: async () => (await import('./stop')).stop,
  pause: async () => (await import('./box-power')).pause,
  resume: async () => (await import('./box-power')).resume,
  reset: async () => (await import('./box-power')).reset,
  debug: async () => (await import('./debug')).debug,
  stats: async () => (await import('./stats')).stats,
  profile: async () => (await import('./profile')).profile,
  info: async () => (await import('./info')).info,
  ram: async () => (await import('./ram')).ram,
  screenshot: async () => (await import('./screen')).screenshot,
  dump: async () => (await import('./dump')).dump,
  vnc: async () => (await import('./vnc')).vnc,
  type: async () => (await import('./screen')).type,
  clipboard: async () => (await import('./clipboard')).clipboard,
  click: async () => (await import('./screen')).click,
  logs: async () => (await import('./logs')).logs,
  'network list': async () => (await import('./network')).networkList,
  'network flows': async () => (await import('./network-flows')).networkFlows,
  'network forwards': async () => (await import('./network-flows')).networkForwards,
  'network forward': async () => (await import('./network-flows')).networkForward(true),
  'network unforward': async () => (await import('./network-flows')).networkForward(false),
  'network up': async () => (await import('./network')).networkLink(true),
  'network line': async () => (await import('./network')).networkLine,
  'network down': async () => (await import('./network')).networkLink(false),
  capture: async () => (await import('./capture')).capture,
  ssh: async () => (await import('./ssh')).ssh,
  cp: async () => (await import('./ssh')).copy,
  'drive list': async () => (await import('./drive')).drive('list'),
  'drive attach': async () => (await import('./drive')).drive('attach'),
  'drive detach': async () => (await import('./drive')).drive('detach'),
  'drive insert': async () => (await import('./drive')).drive('insert'),
  'drive eject': async () => (await import('./drive')).drive('eject'),
  'drive resize': async () => (await import('./drive')).drive('resize'),
  list: async () => (await import('./list')).list,
  create: async () => (await import('./box/create')).create,
  get: async () => (await import('./box/get')).get,
  set: async () => (await import('./box/set')).set,
  clone: async () => (await import('./box/copies')).clone,
  rename: async () => (await import('./box/set')).rename,
  delete: async () => (await import('./box/trash')).remove,
  'trash list': async () => (await import('./box/trash')).listTrash,
  'trash restore': async () => (await import('./box/trash')).restore,
  'trash empty': async () => (await import('./box/trash')).empty,
  export: async () => (await import('./box/copies')).exportBox,
  import: async () => (await import('./box/copies')).importBox,
  'image list': async () => (await import('./image')).imageList,
  'image fetch': async () => (await import('./image')).imageFetch,
  'image info': async () => (await import('./image')).imageInfo,
  'image remove': async () => (await import('./image')).imageRemove,
  'disk create': async () => (await import('./disk/commands')).create,
  'disk info': async () => (await import('./disk/commands')).info,
  'disk check': async () => (await import('./disk/commands')).check,
  'disk resize': async () => (await import('./disk/commands')).resize,
  'disk convert': async () => (await import('./disk/commands')).convert,
  'disk trust': async () => (await import('./disk/trust')).trust,
  'disk commit': async () => (await import('./disk/commands')).commit,
  setup: async () => (await import('./setup')).setup,
  doctor: async () => (await import('./doctor')).doctor,
  qemu: async () => (await import('./qemu/qemu')).qemu,
  schema: async () => (await import('./schema')).schema,
  completion: async () => (await import('./completion')).completion,
  help: async () => (await import('./help-command')).help,
} satisfies Record<Name, () => Promise<Handler>>;

/** Do what a command line without its first word, `hartbox`, says. Returns the exit code. Throws UsageError, VmError. */
export async function dispatch(words: readonly string[]): Promise<number> {
  const [first, ...others] = words;
  if (first === undefined) {
    const { overview } = await import('./help');
    process.stderr.write(overview());
    return EXIT_USAGE;
  }
  if (first === '--help' || first === '-h') return dispatch(['help', ...others]);
  if (first === BACKGROUND) return (await import('./start')).runInBackground(others);
  const command = commandOf(words);
  if (command.isGroup) return group(command, others);
  const args = words.slice(command.name.split(' ').length);
  if (!command.isForeign && parseArguments(command, args).help) return printHelp(command);
  const handler = await HANDLERS[command.name]();
  return handler(args);
}

/** The command that the words begin with. Throws UsageError. */
export function commandOf(words: readonly string[]): Command {
  const [first, second] = words;
  const longer = COMMANDS.find(({ name }) => name === `${first} ${second}`);
  const command: Command | undefined = longer ?? COMMANDS.find(({ name }) => name === first);
  if (command) return command;
  const names = COMMANDS.map(({ name }) => name).filter((name) => !name.includes(' '));
  const near = nearest(first, names);
  throw new UsageError(
    `There is no command '${first}'${near === undefined ? `. There are: ${names.join(', ')}.` : `; did you mean ${near}?`}`,
  );
}

async function group(command: Command, [word]: readonly string[]): Promise<number> {
  if (word === '--help' || word === '-h' || word === 'help') return printHelp(command);
  const names = COMMANDS.filter(({ name }) => name.startsWith(`${command.name} `)).map(({ name }) => name.slice(command.name.length + 1));
  if (word === undefined) throw new UsageError(`${command.name} expects a command: ${names.join(', ')}.`, command.name);
  const near = nearest(word, names);
  const known = near === undefined ? `. There are: ${names.join(', ')}.` : `; did you mean ${command.name} ${near}?`;
  throw new UsageError(`There is no command '${command.name} ${word}'${known}`, command.name);
}

async function printHelp(command: Command): Promise<number> {
  const { commandHelp } = await import('./help');
  process.stdout.write(commandHelp(command));
  return 0;
}
