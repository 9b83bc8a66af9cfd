import { describe, expect, it, vi } from 'vitest';
import { commandLineName } from '../settings/option';
import { OPTIONS } from '../settings/settings';
import type { Command } from './command';
import { COMMANDS } from './commands';
import { dispatch } from './dispatch';
import { commandHelp, overview, reference, settingHelp, settingsHelp, settingsMarkdown } from './help';

const lines = (text: string): string[] => text.split('\n');
/** Lines of the help that begin with that option. */
const mentions = (text: string, name: string): number =>
  lines(text).filter((line) => new RegExp(`^ {2,6}(-\\w, )?--(\\[no-\\])?${name}( |\\[|$)`).test(line)).length;

describe('the help', () => {
  it.each(COMMANDS.map((command) => [command.name, command as Command] as const))(
    'of %s lists each of its options once',
    (_name, command) => {
      const text = commandHelp(command);
      expect(text).toMatch(new RegExp(`^Usage: hartbox ${command.name}`, 'm'));
      if (command.isGroup) return;
      for (const name of [...Object.keys(command.options), 'help']) expect(mentions(text, name), name).toBe(1);
      for (const option of OPTIONS)
        expect(mentions(text, commandLineName(option)), option.key).toBe((command.settings ?? []).includes(option) ? 1 : 0);
    },
  );

  it.each([
    ['network', 'Usage: hartbox network', 'network: '],
    ['clipboard', 'Usage: hartbox clipboard', 'clipboard: '],
  ])('of %s, which is a command and a setting, has both', async (topic, ...parts) => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    try {
      expect(await dispatch(['help', topic])).toBe(0);
      for (const part of parts) expect(write.mock.calls.join('')).toContain(part);
    } finally {
      write.mockRestore();
    }
  });

  it('has no line that is too long', () => {
    const texts = [overview(), settingsHelp(), ...COMMANDS.map(commandHelp), ...OPTIONS.map(settingHelp)];
    for (const line of texts.flatMap(lines)) expect(line.length, line).toBeLessThanOrEqual(100);
  });

  it('has one letter and one name for each option of a command', () => {
    for (const command of COMMANDS as readonly Command[]) {
      const settings = command.settings ?? [];
      const names = [...Object.keys(command.options), 'help', ...settings.map(commandLineName)];
      expect(new Set(names).size, command.name).toBe(names.length);
      const letters = [
        ...Object.values(command.options).flatMap(({ short }) => short ?? []),
        'h',
        ...settings.flatMap(({ cli }) => cli?.short ?? []),
      ];
      expect(new Set(letters).size, command.name).toBe(letters.length);
    }
  });

  it('names every command, and every setting in help and reference', () => {
    for (const { name, summary } of COMMANDS) {
      if (!name.includes(' ')) expect(overview()).toContain(`  ${name} `);
      expect(overview() + COMMANDS.map(commandHelp).join('')).toContain(summary.slice(1));
      if (name !== 'help') expect(reference()).toContain(`## hartbox ${name}\n`);
    }
    for (const { key } of OPTIONS) {
      expect(settingsHelp()).toMatch(new RegExp(`^ {2}${key} `, 'm'));
      expect(settingsMarkdown().split(`| \`${key}\` | \`--`), key).toHaveLength(2);
    }
  });

  it('is shown for commands, settings and all settings', async () => {
    let output = '';
    const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      output += String(text);
      return true;
    });
    const shown = async (...args: string[]): Promise<string> => {
      output = '';
      expect(await dispatch(args)).toBe(0);
      return output;
    };
    try {
      expect(await shown('help', 'run')).toBe(await shown('run', 'x', '--help'));
      expect(await shown('help', 'disk', 'check')).toBe(await shown('disk', 'check', '-h'));
      expect(await shown('help', 'disk')).toBe(await shown('disk', '--help'));
      expect(await shown('help')).toBe(await shown('--help'));
      expect(await shown('help', 'memory')).toContain('--memory SIZE');
      expect(await shown('help', 'flash-vars')).toBe(await shown('help', 'flashVars'));
      expect(await shown('help', 'options', '--markdown')).toContain('| `memory` |');
      expect(await shown('help', '--markdown')).toContain('# Hartbox: commands and settings');
    } finally {
      spy.mockRestore();
    }
  });

  it.each([
    [['frobnicate'], "There is no command 'frobnicate'. There are: run, exec"],
    [['rnu'], "There is no command 'rnu'; did you mean run?"],
    [['disk', 'covnert'], "There is no command 'disk covnert'; did you mean disk convert?"],
    [['trash'], 'trash expects a command: list, restore, empty.'],
    [['help', 'memroy'], "There is no command and no setting 'memroy'; did you mean memory?"],
    [['list', 'x'], "list takes no argument; 'x' is too much."],
  ])('of a mistake, %j, says what was meant', async (args, message) => {
    await expect(dispatch(args)).rejects.toThrow(message);
  });
});
