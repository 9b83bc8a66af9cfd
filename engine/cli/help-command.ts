import { nearest } from '../settings/nearest';
import { commandLineName } from '../settings/option';
import { OPTIONS } from '../settings/settings';
import { COMMANDS } from './commands';
import { HELP } from './commands/program';
import { commandHelp, commandMarkdown, overview, reference, settingHelp, settingsHelp, settingsMarkdown } from './help';
import { parseArguments } from './option-parser';
import { UsageError } from './usage-error';

/** `hartbox help [COMMAND|options|KEY]`. */
export async function help(args: string[]): Promise<number> {
  const { names, values } = parseArguments(HELP, args);
  process.stdout.write(helpOn(names.join(' '), values.markdown ?? false));
  return 0;
}

function helpOn(topic: string, isMarkdown: boolean): string {
  if (topic === '') return isMarkdown ? reference() : overview();
  if (topic === 'options') return isMarkdown ? settingsMarkdown() : settingsHelp();
  const command = COMMANDS.find(({ name }) => name === topic);
  const option = OPTIONS.find((one) => one.key === topic) ?? OPTIONS.find((one) => commandLineName(one) === topic.replace(/^--/, ''));
  if (command && isMarkdown) return commandMarkdown(command);
  // A few are both, as network is: who asks for one cannot say which.
  if (command) return option ? `${commandHelp(command)}\nThe setting of this name. ${settingHelp(option)}` : commandHelp(command);
  if (option) return settingHelp(option);
  const near = nearest(topic, [...COMMANDS.map(({ name }) => name), ...OPTIONS.map(({ key }) => key)]);
  throw new UsageError(`There is no command and no setting '${topic}'${near === undefined ? '.' : `; did you mean ${near}?`}`, 'help');
}
