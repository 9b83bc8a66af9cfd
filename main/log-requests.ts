import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { BrowserWindow, Dialog } from 'electron';
import { z } from 'zod';
import { writeOutput } from '../engine/host/output-file';
import { plainText } from '../engine/runner/boot/console-lines';
import { vmIdSchema } from '../engine/runner/library';
import { savedConsole } from '../engine/runner/saved-console';
import type { Locale } from './contract';
import { engineLogFile } from './engine-log';
import { LOG_SOURCES, type LogLevel, type LogLine, type LogRequests } from './log-contract';
import type { Machines } from './machines';
import { messages } from './messages';

/** Of a file this much is read from its end, in bytes; and so many lines are shown. */
const TAIL = 512 * 1024;
const MOST_LINES = 5000;

const which = z.tuple([vmIdSchema.nullable(), z.enum(LOG_SOURCES)]);
/** What each of these requests may carry. */
export const logArguments: { [N in keyof LogRequests]: z.ZodType<Parameters<LogRequests[N]>> } = { 'log.read': which, 'log.save': which };

export interface LogRequestsOptions {
  machines: Pick<Machines, 'call'>;
  dataDirectory: string;
  dialog: Pick<Dialog, 'showSaveDialog'>;
  window: () => BrowserWindow | undefined;
  locale: () => Locale;
}

type Handlers = {
  [N in keyof LogRequests]: (...args: Parameters<LogRequests[N]>) => Promise<ReturnType<LogRequests[N]>>;
};

/** Answers the window's requests about logs. */
export function logRequests({ machines, dataDirectory, dialog, window, locale }: LogRequestsOptions): Handlers {
  async function read(...[vm, source]: Parameters<LogRequests['log.read']>): Promise<LogLine[]> {
    if (source === 'app' || vm === null) return parseLog(await tailOf(join(dataDirectory, 'logs', 'app.log')));
    switch (source) {
      case 'messages':
        // Of one that is off there are none.
        return (await machines.call(vm, 'log', {}).catch(() => ({ lines: [] }))).lines;
      case 'engine':
        return parseLog(await tailOf(engineLogFile(vm, dataDirectory)));
      case 'serial': {
        const now = await machines.call(vm, 'console-history', {}).catch(() => undefined);
        return consoleLines(now?.text ?? (await savedConsole(dataDirectory, vm)));
      }
    }
  }

  return {
    'log.read': async (vm, source) => (await read(vm, source)).slice(-MOST_LINES),
    'log.save': async (vm, source) => {
      const options: Electron.SaveDialogOptions = {
        defaultPath: `${source === 'app' ? 'hartbox' : `${vm ?? 'hartbox'}-${source}`}.log`,
        filters: [{ name: messages[locale()].files.log, extensions: ['log', 'txt'] }],
      };
      const parent = window();
      const { filePath } = await (parent ? dialog.showSaveDialog(parent, options) : dialog.showSaveDialog(options));
      if (!filePath) return null;
      const text = (await read(vm, source)).map(({ at, level, text: said }) =>
        [at === undefined ? '' : `${new Date(at).toISOString()} `, level ? `${level.padEnd(7)} ` : '', said].join(''),
      );
      await writeOutput(filePath, `${text.join('\n')}\n`, {}, 'The log could not be written');
      return filePath;
    },
  };
}

/** The last part of a file, from the beginning of a line; empty where there is none. */
async function tailOf(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - TAIL);
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    const text = buffer.toString('utf8', 0, bytesRead);
    return start > 0 ? text.slice(text.indexOf('\n') + 1) : text;
  } finally {
    await file.close();
  }
}

/** Levels of electron-log. */
const LEVELS: Record<string, LogLevel> = {
  error: 'error',
  warn: 'warning',
  info: 'info',
  verbose: 'debug',
  debug: 'debug',
  silly: 'debug',
  log: 'info',
};

/** What electron-log writes: a line with time and level, and perhaps others that belong to it. */
export function parseLog(text: string): LogLine[] {
  const lines: LogLine[] = [];
  for (const line of text.split('\n')) {
    const found = /^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})\] \[(\w+)\]\s*(.*)$/.exec(line);
    if (found) {
      const [, time, level, said] = found;
      lines.push({ at: new Date(time.replace(' ', 'T')).getTime(), level: LEVELS[level] ?? 'info', text: plainText(said) });
      continue;
    }
    const last = lines.at(-1);
    if (line.trim() === '') continue;
    if (last) last.text += `\n${plainText(line)}`;
    else lines.push({ text: plainText(line) });
  }
  return lines;
}

/** A console as lines; of one that was written over and over what it showed last. */
function consoleLines(text: string): LogLine[] {
  const lines = plainText(text).split(/\r*\n/);
  while (lines.at(-1) === '') lines.pop();
  return lines.map((line) => ({ text: line.replace(/\r+$/, '').replace(/^.*\r/, '') }));
}
