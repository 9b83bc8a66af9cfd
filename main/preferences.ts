import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from '../engine/host/new-file';
import type { Theme } from './contract';

const schema = z.object({
  theme: z.enum(['system', 'light', 'dark']).catch('system'),
  window: z
    .object({ width: z.number().int().min(640).max(10_000), height: z.number().int().min(480).max(10_000), maximized: z.boolean() })
    .catch({ width: 1120, height: 760, maximized: false }),
});

/** What the app remembers about itself from one start to the next. Nothing in it is worth failing for. */
export class Preferences {
  private values: z.output<typeof schema>;
  private readonly file: string;
  private writing: Promise<void> = Promise.resolve();

  constructor(dataDirectory: string) {
    this.file = join(dataDirectory, 'preferences.json');
    this.values = schema.parse(read(this.file));
  }

  get theme(): Theme {
    return this.values.theme;
  }

  get window(): z.output<typeof schema>['window'] {
    return this.values.window;
  }

  /** Change some; resolves when they are on disk, or could not be written. */
  async set(change: Partial<z.output<typeof schema>>): Promise<void> {
    this.values = { ...this.values, ...change };
    const text = `${JSON.stringify(this.values, null, 2)}\n`;
    this.writing = this.writing.then(() => replaceFile(this.file, text).catch(() => undefined));
    await this.writing;
  }
}

function read(file: string): unknown {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return {};
  }
}
