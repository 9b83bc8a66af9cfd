import { readFileSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from '../engine/host/new-file';
import { hostFiles } from '../engine/host/patient-files';
import { defaultHabits, habitsSchema } from './habits';

export const themeSchema = z.enum(['system', 'light', 'dark']);
export const languageSchema = z.enum(['system', 'en', 'de', 'zh-CN']);
export const lookSchema = z.object({ layout: z.enum(['cards', 'list']), order: z.enum(['name', 'used', 'state']) });

export const screenLookSchema = z.object({
  scale: z.enum(['native', 'fit', 'whole']),
  follow: z.boolean(),
  pointer: z.enum(['tablet', 'mouse']),
  release: z.enum(['ctrl-alt-g', 'ctrl-shift-f12', 'right-ctrl']),
  compose: z.boolean(),
});
/** Each by itself: an older app knew fewer. */
const { scale, follow, pointer, release, compose } = screenLookSchema.shape;
const screenSchema = z.object({
  scale: scale.catch('fit'),
  follow: follow.catch(true),
  pointer: pointer.catch('tablet'),
  release: release.catch('ctrl-alt-g'),
  compose: compose.catch(false),
});

/** Where the window is. `x` and `y` are missing until it has been somewhere. */
const placeSchema = z.object({
  x: z.number().int().min(-100_000).max(100_000).optional(),
  y: z.number().int().min(-100_000).max(100_000).optional(),
  width: z.number().int().min(640).max(10_000),
  height: z.number().int().min(480).max(10_000),
  maximized: z.boolean(),
});
export type WindowPlace = z.output<typeof placeSchema>;

const schema = z.object({
  theme: themeSchema.catch('system'),
  language: languageSchema.catch('system'),
  look: lookSchema.catch({ layout: 'cards', order: 'name' }),
  screen: screenSchema.catch(screenSchema.parse({})),
  habits: habitsSchema.catch(defaultHabits),
  /** When a new version was last looked for, in milliseconds since 1970; and the one that the user was told of. */
  updateCheck: z.object({ at: z.number(), told: z.string() }).catch({ at: 0, told: '' }),
  /** When each box was last started, in milliseconds since 1970. */
  lastUsed: z.record(z.string(), z.number()).catch({}),
  window: placeSchema.catch({ width: 1120, height: 760, maximized: false }),
  /** Where screens of boxes were that have windows of their own: by `BOX/SCREEN`. */
  screenWindows: z.record(z.string(), placeSchema).catch({}),
});
type Values = z.output<typeof schema>;

/** What the app remembers about itself from one start to the next. Nothing in it is worth failing for. */
export class Preferences {
  private values: Values;
  private readonly file: string;
  private writing: Promise<void> = Promise.resolve();

  constructor(dataDirectory: string) {
    this.file = join(dataDirectory, 'preferences.json');
    this.values = schema.parse(read(this.file));
  }

  get<K extends keyof Values>(name: K): Values[K] {
    return this.values[name];
  }

  /** Change some; resolves when they are on disk, or could not be written. */
  set(change: Partial<Values>): Promise<void> {
    this.values = { ...this.values, ...change };
    const text = `${JSON.stringify(this.values, null, 2)}\n`;
    this.writing = this.writing.then(() => replaceFile(this.file, text).catch(() => undefined));
    return this.writing;
  }

  /** Resolves when all that was changed is on disk: the app must not end before. */
  settled(): Promise<void> {
    return this.writing;
  }

  /** Remove what an app that was killed, or that did not wait, left half written. Only for the one app that has this folder. */
  async removeLeftovers(): Promise<void> {
    await this.writing;
    const folder = dirname(this.file);
    const names = await readdir(folder).catch((): string[] => []);
    const leftovers = names.filter((name) => name.startsWith(`${basename(this.file)}.part-`));
    await Promise.all(leftovers.map((name) => hostFiles.remove(join(folder, name)).catch(() => undefined)));
  }
}

function read(file: string): unknown {
  try {
    // Reading a pipe would wait.
    if (!statSync(file).isFile()) return {};
    return z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return {};
  }
}
