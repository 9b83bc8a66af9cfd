import { UsageError } from '../usage-error';
import { check, commit, convert, create, info, resize } from './commands';
import { DISK_HELP } from './help';

const COMMANDS: Record<string, (args: string[]) => Promise<number>> = { create, info, check, resize, convert, commit };

/** `hartbox disk …`: disk images as files. */
export async function disk([name, ...args]: string[]): Promise<number> {
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(DISK_HELP);
    return 0;
  }
  const names = Object.keys(COMMANDS).join(', ');
  if (name === undefined) throw new UsageError(`disk expects a command: ${names}.`, 'disk');
  if (!Object.hasOwn(COMMANDS, name)) throw new UsageError(`There is no command 'disk ${name}'. There are: ${names}.`, 'disk');
  return COMMANDS[name](args);
}
