import { PAUSE, RESET, RESUME } from './commands/running';
import { nothingMore, parseBoxCommand, runningBox } from './running-box';

/** `hartbox pause`, `resume` and `reset`: what takes no more than asking. */
function asking(command: typeof PAUSE | typeof RESUME | typeof RESET): (args: string[]) => Promise<number> {
  return async (args) => {
    const { name, rest } = parseBoxCommand(command, args);
    nothingMore(command.name, rest);
    const { client } = await runningBox(name);
    await client.call(command.name, {});
    client.close();
    return 0;
  };
}

export const pause = asking(PAUSE);
export const resume = asking(RESUME);
export const reset = asking(RESET);
